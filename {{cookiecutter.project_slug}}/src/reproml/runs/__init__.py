"""The folder of a run and what its record says: code, environment, data, digests."""
