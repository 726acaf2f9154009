"""What a reviewer reads of a run, and what is kept of it: report, comparison, archive."""
