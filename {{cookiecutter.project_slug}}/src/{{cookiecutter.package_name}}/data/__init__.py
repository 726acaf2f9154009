"""Data: one LightningDataModule a file."""
