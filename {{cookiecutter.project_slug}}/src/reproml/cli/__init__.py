"""What `python -m reproml` can do: a module for each subject."""
