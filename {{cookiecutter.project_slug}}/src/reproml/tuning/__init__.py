"""The search for good settings with Optuna: each trial is a run of train.py, with a record like any other."""
