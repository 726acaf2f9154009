"""The check of a configuration: against schemas, against the signatures of classes, and of what fits together."""
