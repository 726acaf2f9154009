"""What experiment trackers receive."""
