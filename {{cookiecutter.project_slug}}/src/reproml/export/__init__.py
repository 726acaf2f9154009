"""The model of a run in a form that other programs run."""
