"""One supervised task, and the ways in which people feed and train it."""

import random
from functools import partial
from typing import Any

import lightning as L
import numpy as np
import torch
import torchmetrics
from any_task import Task
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, WeightedRandomSampler, random_split


class Points(Dataset):
    """Two-dimensional points that are disturbed anew whenever they are read, by all three global generators."""

    def __init__(self, length: int = 48) -> None:
        generator = torch.Generator().manual_seed(0)
        self.inputs = torch.randn(length, 4, generator=generator)
        self.targets = (self.inputs.sum(1) > 0).long()

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> Any:
        noise = torch.randn(4) * 0.1 + float(np.random.rand()) * 0.1 + random.random() * 0.1
        return self.inputs[index] + noise, self.targets[index]


class Data(L.LightningDataModule):
    def __init__(self, num_workers: int = 0) -> None:
        super().__init__()
        self.num_workers = num_workers

    def setup(self, stage: str) -> None:
        self.train, self.val = random_split(Points(), [36, 12])

    def train_dataloader(self) -> Any:
        return DataLoader(self.train, batch_size=6, shuffle=True, num_workers=self.num_workers)

    def val_dataloader(self) -> Any:
        return DataLoader(self.val, batch_size=5, num_workers=self.num_workers)


class Module(L.LightningModule):
    def __init__(self, lr: float = 0.05) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2))
        self.train_accuracy = torchmetrics.classification.MulticlassAccuracy(num_classes=2)
        self.val_accuracy = torchmetrics.classification.MulticlassAccuracy(num_classes=2)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        x, y = batch
        logits = self.net(x)
        loss = F.cross_entropy(logits, y)
        self.train_accuracy(logits, y)
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        self.log("train_acc", self.train_accuracy, on_step=False, on_epoch=True)
        if batch_idx % 4 == 0:
            self.log("rare", loss, on_epoch=True, reduce_fx="max")
        return loss

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        x, y = batch
        logits = self.net(x + 0.01 * torch.randn_like(x))
        self.val_accuracy(logits, y)
        self.log("val_loss", F.cross_entropy(logits, y), prog_bar=True)
        self.log("val_acc", self.val_accuracy)

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


class Weighted(Data):
    def train_dataloader(self) -> Any:
        weights = [1.0 if self.train.dataset.targets[i] else 3.0 for i in self.train.indices]
        sampler = WeightedRandomSampler(weights, len(weights))
        return DataLoader(self.train, batch_size=6, sampler=sampler, num_workers=self.num_workers)


TASKS = {
    "metrics, shuffled": Task(Module, Data),
    "weighted sampler": Task(Module, Weighted),
}
