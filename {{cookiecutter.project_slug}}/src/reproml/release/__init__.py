"""Versions of the model, with the code and data that made it: docs/versions.md."""
