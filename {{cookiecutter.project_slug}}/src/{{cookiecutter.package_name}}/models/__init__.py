"""Networks: plain modules of PyTorch."""
