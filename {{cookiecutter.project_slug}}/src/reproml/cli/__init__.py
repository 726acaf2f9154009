"""The commands of `python -m reproml`: a module for each subject."""
