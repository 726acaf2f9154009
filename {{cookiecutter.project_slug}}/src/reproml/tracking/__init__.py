"""What experiment trackers receive, while a training goes on and afterwards."""
