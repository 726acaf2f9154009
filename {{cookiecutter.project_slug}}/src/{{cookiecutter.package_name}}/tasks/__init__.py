"""Tasks: what is learned, how it is tested, and what a model predicts."""
