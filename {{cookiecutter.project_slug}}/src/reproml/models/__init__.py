"""The LightningModule that trains any network of a classification, and its file."""
