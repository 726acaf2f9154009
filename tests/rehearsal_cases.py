"""Data, tasks and callbacks as users write them, for rehearsals: exact ones, and each kind of break alone."""

import collections
import os
import random
import time
from types import SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, random_split

SALT = int.from_bytes(os.urandom(2), "little") / 2**16  # another one in each process
STEPS: list[int] = []


class Points(Dataset):
    """Two-dimensional points that are disturbed differently whenever they are read, by all three global generators."""

    def __init__(self) -> None:
        self.inputs = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
        self.targets = (self.inputs.sum(1) > 0).long()

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> Any:
        return self.inputs[index] + self.noise(index), self.targets[index]

    def noise(self, index: int) -> Any:
        return torch.randn(4) * 0.1 + float(np.random.rand()) * 0.1 + random.random() * 0.1


class Data(L.LightningDataModule):
    points: type[Points] = Points

    def __init__(self, num_workers: int = 0) -> None:
        super().__init__()
        self.num_workers = num_workers

    def setup(self, stage: str) -> None:
        self.train, self.val = random_split(self.points(), [0.7, 0.3])

    def train_dataloader(self) -> Any:
        return DataLoader(self.train, batch_size=6, shuffle=True, num_workers=self.num_workers)

    def val_dataloader(self) -> Any:
        return DataLoader(self.val, batch_size=6)

    test_dataloader = val_dataloader


class Net(L.LightningModule):
    def __init__(self, lr: float = 0.05) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.started = time.perf_counter()  # which nothing depends on
        self.net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2))

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = F.cross_entropy(self.net(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", F.cross_entropy(self.net(batch[0]), batch[1]))

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.log("test_loss", F.cross_entropy(self.net(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
        return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)]


class Counting(Net):
    """A plain number and a list, which every checkpoint holds."""

    def __init__(self) -> None:
        super().__init__()
        self.steps, self.losses = 0, [1.0]

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.steps += 1
        loss = super().training_step(batch, batch_idx) * (1 + self.steps / 10) / (1 + self.losses[-1])
        self.losses.append(float(loss))
        return loss


class Stream(IterableDataset):
    """Goes on where its state says."""

    def __init__(self) -> None:
        self.place, self.epoch = 0, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Any:
        points = Points()
        while self.place < len(points):
            self.place += 1
            yield points[(self.place + 7 * self.epoch) % len(points)]

    def state_dict(self) -> dict[str, Any]:
        return {"place": self.place}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.place = state["place"]


class Streamed(Data):
    def train_dataloader(self) -> Any:
        return DataLoader(Stream(), batch_size=6)


class OwnGenerator(Points):
    def __init__(self) -> None:
        super().__init__()
        self.rng = np.random.default_rng()

    def noise(self, index: int) -> Any:
        return float(self.rng.normal())


class Hard:
    """A sampler that draws from a generator of its own, which it does not reset between epochs."""

    def __init__(self, length: int) -> None:
        self.length, self.rng = length, np.random.default_rng(0)

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Any:
        return iter(self.rng.permutation(self.length).tolist())


class Holding(Data):
    points: type[Points] = OwnGenerator
    sampler: type[Hard] = Hard

    def train_dataloader(self) -> Any:
        sampler = self.sampler(len(self.train))
        return DataLoader(self.train, batch_size=6, sampler=sampler, num_workers=self.num_workers)


class Meter:
    """An average, as many projects have one."""

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def update(self, value: float) -> float:
        self.total, self.count = self.total + value, self.count + 1
        return self.total / self.count


class WithMeter(Net):
    def __init__(self) -> None:
        super().__init__()
        self.meter = Meter()

    def measured(self, value: float) -> float:
        return self.meter.update(value)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        return loss / (1 + self.measured(float(loss)))


class Slower(L.Callback):
    """Lowers the learning rate by the mean of the last losses."""

    def __init__(self) -> None:
        self.last: collections.deque[float] = collections.deque([1.0], maxlen=5)

    @property
    def losses(self) -> Any:
        return self.last

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.losses.append(float(outputs["loss"]))
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = 0.05 / (1 + sum(self.losses))


# What follows is broken, each in one way.


class HiddenGenerator(Points):
    """Has generators where nobody looks for them."""

    def __init__(self) -> None:
        super().__init__()
        self.rngs = {"noise": np.random.default_rng()}

    def noise(self, index: int) -> Any:
        return float(self.rngs["noise"].normal())


class NewGenerator(Points):
    def noise(self, index: int) -> Any:
        return float(np.random.default_rng().normal())


class Clock(Points):
    def noise(self, index: int) -> Any:
        return time.time() % 1


class OncePerProcess(Points):
    def noise(self, index: int) -> Any:
        return SALT


class CountingPoints(Points):
    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def noise(self, index: int) -> Any:
        self.reads += 1
        return self.reads / 100


class WithHiddenGenerator(Data):
    points = HiddenGenerator


class WithNewGenerator(Data):
    points = NewGenerator


class WithClock(Data):
    points = Clock


class WithSalt(Data):
    points = OncePerProcess


class WithReads(Data):
    points = CountingPoints


class Hidden(Hard):
    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.rngs = {"order": self.rng}
        del self.rng

    def __iter__(self) -> Any:
        return iter(self.rngs["order"].permutation(self.length).tolist())


class WithHiddenSampler(Holding):
    points, sampler = Points, Hidden


class Once(IterableDataset):
    def __iter__(self) -> Any:
        points = Points()
        return (points[index] for index in range(len(points)))


class Forgotten(Data):
    def train_dataloader(self) -> Any:
        return DataLoader(Once(), batch_size=6)


class InOrder(Data):
    """The seed reaches nothing."""

    def setup(self, stage: str) -> None:
        points = Points()
        self.train = self.val = TensorDataset(points.inputs, points.targets)

    def train_dataloader(self) -> Any:
        return DataLoader(self.train, batch_size=6)


class FromZero(Net):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 2)
        nn.init.zeros_(self.net.weight)
        nn.init.zeros_(self.net.bias)


class Frozen(Net):
    """Its optimizer has the rate 0, and nothing in it counts."""

    def __init__(self) -> None:
        super().__init__(lr=0.0)
        self.net = nn.Linear(4, 2)


class WithMeters(WithMeter):
    def __init__(self) -> None:
        super().__init__()
        self.meters = [self.meter]
        del self.meter

    def measured(self, value: float) -> float:
        return self.meters[0].update(value)


class WithGlobal(Net):
    def training_step(self, batch: Any, batch_idx: int) -> Any:
        STEPS.append(batch_idx)
        return super().training_step(batch, batch_idx) * (1 + len(STEPS) / 10)


class WithClass(Net):
    count = 0

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        type(self).count += 1
        return super().training_step(batch, batch_idx) * (1 + self.count / 10)


class WithMemory(Net):
    """Learns from memory that nothing has written."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        found = torch.empty(1000).nan_to_num(1.0).clamp(0, 1).mean()
        return super().training_step(batch, batch_idx) * (1 + found)


class TimedValidation(Net):
    def validation_step(self, batch: Any, batch_idx: int) -> None:
        super().validation_step(batch, batch_idx)
        self.log("val_seconds", time.perf_counter())


class Saving(Net):
    """Counts how often it was saved, and trains by that."""

    def __init__(self) -> None:
        super().__init__()
        self.saved = 0

    def on_save_checkpoint(self, checkpoint: Any) -> None:
        self.saved += 1
        checkpoint["saved"] = self.saved

    def on_load_checkpoint(self, checkpoint: Any) -> None:
        self.saved = checkpoint["saved"]

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return super().training_step(batch, batch_idx) / (1 + self.saved)


class Failing(Net):
    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.log("share", 1 / (batch_idx * 0))


class SlowerByNamespace(Slower):
    """Holds them in an object that is not of the project's own."""

    def __init__(self) -> None:
        super().__init__()
        self.held = SimpleNamespace(last=self.last)
        del self.last

    @property
    def losses(self) -> Any:
        return self.held.last


class Forgetful(L.Callback):
    """Saves one of the two numbers that it works with."""

    def __init__(self) -> None:
        self.epochs, self.batches = 0, 0

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.batches += 1
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = 0.05 / self.batches

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.epochs = state_dict["epochs"]
