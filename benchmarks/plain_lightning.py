"""What peers.py compares with: the same training as plain Lightning, written as its own introduction does.

`python plain_lightning.py FOLDER EPOCHS`, where FOLDER holds the four unpacked files of Fashion-MNIST.
"""

import sys
from itertools import pairwise
from pathlib import Path

import lightning
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split
from torchmetrics.classification import MulticlassAccuracy


class FashionMNIST(lightning.LightningDataModule):
    """Images in memory, scaled once."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def setup(self, stage: str) -> None:
        """Read and split the training files."""
        images = np.fromfile(self.folder / "train-images-idx3-ubyte", np.uint8, offset=16).reshape(-1, 1, 28, 28)
        labels = np.fromfile(self.folder / "train-labels-idx1-ubyte", np.uint8, offset=8)
        inputs = (torch.from_numpy(images).float() / 255 - 0.2860) / 0.3530
        whole = TensorDataset(inputs, torch.from_numpy(labels).long())
        self.train, self.val = random_split(whole, [55_000, 5_000], torch.Generator().manual_seed(42))

    def train_dataloader(self) -> DataLoader:
        """Return the batches of the training."""
        return DataLoader(self.train, 128, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        """Return the batches of the validation."""
        return DataLoader(self.val, 128)


class Classifier(lightning.LightningModule):
    """The network with its loss, metrics and optimizer."""

    def __init__(self) -> None:
        super().__init__()
        sizes = [784, 64, 128, 64]
        layers = [
            layer
            for before, after in pairwise(sizes)
            for layer in (nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU())
        ]
        self.network = nn.Sequential(nn.Flatten(), *layers, nn.Linear(sizes[-1], 10))
        self.train_accuracy, self.val_accuracy = MulticlassAccuracy(10), MulticlassAccuracy(10)

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        """Return the loss of a batch, and log it."""
        inputs, targets = batch
        outputs = self.network(inputs)
        loss = F.cross_entropy(outputs, targets)
        self.train_accuracy(outputs, targets)
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        self.log("train/accuracy", self.train_accuracy, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        """Log the loss of a batch."""
        inputs, targets = batch
        outputs = self.network(inputs)
        self.val_accuracy(outputs, targets)
        self.log("val/loss", F.cross_entropy(outputs, targets))
        self.log("val/accuracy", self.val_accuracy)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return torch.optim.AdamW(self.parameters(), lr=0.001)


def main() -> None:
    """Train."""
    lightning.seed_everything(42, workers=True)
    trainer = lightning.Trainer(max_epochs=int(sys.argv[2]), accelerator="cpu")
    trainer.fit(Classifier(), FashionMNIST(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
