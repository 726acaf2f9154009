"""Data and task of a run: built from the configuration, and what its record says of the data."""
