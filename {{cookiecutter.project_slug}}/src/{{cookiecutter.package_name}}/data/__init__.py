"""Data: one LightningDataModule per file."""
