"""Images of scikit-learn's digits, to be imitated."""

from typing import Any

import torch
from lightning import LightningDataModule
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split


def drawn(images: torch.Tensor) -> Figure:
    """Draw images (n, 1, 8, 8) in rows of eight."""
    rows = F.pad(images.squeeze(1), (1, 1, 1, 1), value=1).unflatten(0, (-1, 8))
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(rows.transpose(1, 2).flatten(2).flatten(0, 1), cmap="gray", vmin=-1, vmax=1)
    axes.set_axis_off()
    return figure


class DigitImages(LightningDataModule):
    """Images (n, 1, 8, 8) between -1 and 1."""

    def __init__(self, batch_size: int, test_share: float = 0.1) -> None:
        super().__init__()
        self.batch_size, self.test_share = batch_size, test_share

    def setup(self, stage: str) -> None:
        """Read the images and split them."""
        images = torch.tensor(load_digits().images).float()[:, None] / 8 - 1
        shares = (1 - 2 * self.test_share, self.test_share, self.test_share)
        self.train, self.val, self.test = random_split(TensorDataset(images), shares)

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.train, self.batch_size, shuffle=True, drop_last=True)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.val, self.batch_size)

    def test_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.test, self.batch_size)
