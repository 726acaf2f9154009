"""The final model over HTTP, see docs/serving.md."""
