"""A run made again from its record, two runs compared, drift of the canonical one, and rehearsals of a user's code."""
