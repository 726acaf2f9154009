"""What experiment trackers receive, during a training and afterwards."""
