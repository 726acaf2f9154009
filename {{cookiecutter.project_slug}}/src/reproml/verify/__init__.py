"""A run made again from its record, two runs compared, and drift of the canonical one."""
