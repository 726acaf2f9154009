"""What runs inside the training loop, and what makes its bits reproducible."""
