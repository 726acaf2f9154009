"""What proves a run: its record, its trail, the verification of both, and the search for the first difference."""
