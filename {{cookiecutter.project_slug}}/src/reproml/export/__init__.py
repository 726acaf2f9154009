"""A run's model in a form that other programs can run."""
