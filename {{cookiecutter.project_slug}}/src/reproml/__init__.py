"""The project's package: data, models, training, evaluation and tracking, each in its own folder."""
