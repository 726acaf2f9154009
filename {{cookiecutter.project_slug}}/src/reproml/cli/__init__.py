"""What `python -m reproml` can do, and how the recipes (train.py and so on) are run. A module for each subject."""
