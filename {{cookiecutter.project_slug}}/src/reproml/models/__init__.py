"""The LightningModule, and the networks that it can hold."""
