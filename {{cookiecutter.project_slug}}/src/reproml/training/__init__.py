"""What runs inside the training loop, and what it promises about its bits."""
