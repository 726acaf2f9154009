"""Tasks whose samplers, datasets, modules and streams hold a state of their own, and hooks that change batches."""

import random
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

import lightning as L
import numpy as np
import torch
import torchmetrics
from lightning.pytorch.utilities import CombinedLoader
from torch.utils.data import DataLoader, random_split

from .classified import Data, Module, Points, Stream
from .task import Task


class Transform:
    """Has a generator of its own, as those of albumentations have."""

    def __init__(self) -> None:
        self.generator = random.Random(0)

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs + 0.1 * self.generator.random()


class Disturbed(Points):
    """Draws from generators of its own, opens a file at first, and is told by a hook how much to disturb."""

    def __init__(self) -> None:
        super().__init__()
        self.rng, self.transforms = np.random.default_rng(0), [Transform()]
        self.scale, self.opened, self.file = 0.0, False, None

    def __getitem__(self, index: int) -> Any:
        if not self.opened:
            self.file, self.opened = [0.1], True
        noise = self.file[0] * float(self.rng.normal()) * (1 + self.scale)
        return self.transforms[0](self.inputs[index]) + noise, self.targets[index]


class Permuted:
    """Draws an order from a generator of its own, and another one each time."""

    def __init__(self, length: int) -> None:
        self.length, self.times, self.generator = length, 0, np.random.default_rng(0)

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Any:
        self.times += 1
        return iter(np.roll(self.generator.permutation(self.length), self.times).tolist())


class Holding(Data):
    def setup(self, stage: str) -> None:
        self.train, self.val = random_split(Disturbed(), [36, 12])

    def train_dataloader(self) -> Any:
        sampler = Permuted(len(self.train))
        return DataLoader(self.train, batch_size=6, sampler=sampler, num_workers=self.num_workers)


class Counted(Holding):
    """Its sampler decides by a number, whose order is not a function of the seed and the epoch."""

    def train_dataloader(self) -> Any:
        return DataLoader(self.train, batch_size=6, sampler=Rolled(len(self.train)), num_workers=self.num_workers)


class Rolled(Permuted):
    def __iter__(self) -> Any:
        self.times += 1
        return iter(np.roll(np.random.permutation(self.length), self.times).tolist())


class Harder(Module):
    """Makes the examples of the second epoch harder."""

    def on_train_epoch_end(self) -> None:
        self.trainer.datamodule.train.dataset.scale = 2.0 * (self.current_epoch + 1)


class Changing(Module):
    """Changes batches before their steps, and asks for the number of steps before a checkpoint is read."""

    def setup(self, stage: str) -> None:
        if stage == "fit":
            self.steps = int(self.trainer.estimated_stepping_batches)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return batch[0] + 0.1 * torch.randn_like(batch[0]), batch[1]


class Working(Data):
    """Its batches are read by workers, in a resumed run too."""

    def train_dataloader(self) -> Any:
        return DataLoader(self.train, batch_size=6, shuffle=True, num_workers=2)

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return batch[0] * (1 + 0.1 * float(np.random.rand())), batch[1]


class Meter:
    """A mean, as many projects have it."""

    def __init__(self) -> None:
        self.sum, self.number = 0.0, 0

    def add(self, value: float) -> float:
        self.sum, self.number = self.sum + value, self.number + 1
        return self.sum / self.number


class Containers(Module):
    """Keeps what decides about its loss in containers, generators, and an object of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.meter = Meter()
        self.again = self.meter
        self.parts: Any = defaultdict(lambda: deque(maxlen=3))
        self.more = {"counts": Counter(), "ordered": OrderedDict(), "nested": defaultdict(list)}
        self.generators = torch.Generator().manual_seed(1)
        self.numpys, self.old, self.pythons = np.random.default_rng(1), np.random.RandomState(1), random.Random(1)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        self.parts["loss"].append(float(loss))
        self.more["counts"]["steps"] += 1
        self.more["ordered"][len(self.more["ordered"])] = float(loss)
        self.more["nested"]["losses"].append(float(loss))
        drawn = float(torch.rand((), generator=self.generators)) + self.numpys.random() + self.old.rand()
        kept = sum(self.parts["loss"]) + self.more["counts"]["steps"] + sum(self.more["nested"]["losses"])
        weight = self.meter.add(float(loss)) + kept + drawn + self.pythons.random() + sum(self.more["ordered"].values())
        return loss * (1 + 0.01 * weight)


class Adding(Module):
    """Adds a callback itself, which keeps the best of every second step."""

    def configure_callbacks(self) -> Any:
        kept = {"monitor": "train_loss_step", "every_n_train_steps": 2, "save_top_k": 2}
        return [L.pytorch.callbacks.ModelCheckpoint(**kept)]


class Tracked(Module):
    """Compares its epochs by torchmetrics' own wrapper, which makes a metric for each."""

    def __init__(self) -> None:
        super().__init__()
        accuracy = torchmetrics.classification.MulticlassAccuracy
        both = torchmetrics.MetricCollection({"micro": accuracy(2, average="micro"), "macro": accuracy(2)})
        self.one = torchmetrics.MetricTracker(accuracy(2))
        self.several = torchmetrics.MetricTracker(both, maximize=[True, True])
        self.latest = torchmetrics.wrappers.Running(torchmetrics.MeanMetric(), window=3)

    def on_train_epoch_start(self) -> None:
        for tracker in (self.one, self.several):
            tracker.increment()

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        with torch.no_grad():
            logits = self.net(batch[0])
        for tracker in (self.one, self.several):
            tracker.update(logits, batch[1])
        loss = super().training_step(batch, batch_idx)
        self.latest(loss.detach())
        return loss * (1 + self.latest.compute())

    def on_train_epoch_end(self) -> None:
        self.log("best", self.one.best_metric())
        self.log_dict({f"best {name}": value for name, value in self.several.best_metric().items()})


class Streams(Data):
    mode = "max_size"

    def train_dataloader(self) -> Any:
        return CombinedLoader([DataLoader(Stream(), batch_size=6), DataLoader(Stream(), batch_size=9)], self.mode)


class Cycling(Streams):
    mode = "max_size_cycle"


class WhatThereIs(Module):
    """Learns from two loaders, until both have ended."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        parts = [each for each in batch if each is not None]
        return super().training_step([torch.cat(each) for each in zip(*parts, strict=True)], batch_idx)


HOLDING = {
    "generators of their own": Task(Module, Holding),
    "a sampler that counts": Task(Module, Counted),
    "a dataset that a hook changes": Task(Harder, Holding),
    "batches changed before steps": Task(Changing, Working),
    "containers and generators": Task(Containers, Data),
    "callbacks of the module": Task(Adding, Data),
    "metrics of each epoch": Task(Tracked, Data),
    "streams, one is longer": Task(WhatThereIs, Streams, one_worker_count=True),
    "streams, one begins again": Task(WhatThereIs, Cycling, one_worker_count=True),
}
