"""One supervised task, and the ways in which people feed and train it."""

import random
from functools import partial
from typing import Any

import lightning as L
import numpy as np
import torch
import torchmetrics
from lightning.pytorch.callbacks import EMAWeightAveraging
from lightning.pytorch.utilities import CombinedLoader
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset, WeightedRandomSampler, random_split

from .task import Task


class Points(Dataset):
    """Two-dimensional points that are disturbed differently whenever they are read, by all three global generators."""

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


class Compiled(Module):
    def __init__(self) -> None:
        super().__init__()
        self.net.compile(backend="aot_eager")  # the default one needs a compiler for C++


class Weighted(Data):
    def train_dataloader(self) -> Any:
        weights = [1.0 if self.train.dataset.targets[i] else 3.0 for i in self.train.indices]
        sampler = WeightedRandomSampler(weights, len(weights))
        return DataLoader(self.train, batch_size=6, sampler=sampler, num_workers=self.num_workers)


class Padded(Data):
    """Samples of several lengths, as in text: a function puts them together."""

    def train_dataloader(self) -> Any:
        return DataLoader(
            self.train, batch_size=6, shuffle=True, num_workers=self.num_workers, collate_fn=pad, drop_last=True
        )


def pad(samples: list[Any]) -> Any:
    longest = random.randint(3, 4)
    parts = [x[: random.randint(2, longest)] for x, _ in samples]
    padded = nn.utils.rnn.pad_sequence(parts, batch_first=True)
    return F.pad(padded, (0, 4 - padded.shape[1])), torch.stack([y for _, y in samples])


class Ragged(Module):
    """Batches are dictionaries with text in them, whatever the size of the last one."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return super().training_step((batch["x"], batch["y"]), batch_idx)


def named(samples: list[Any]) -> Any:
    return {
        "x": torch.stack([x for x, _ in samples]),
        "y": torch.stack([y for _, y in samples]),
        "names": [str(float(x[0])) for x, _ in samples],
    }


class Named(Data):
    def train_dataloader(self) -> Any:
        return DataLoader(self.train, 8, shuffle=True, num_workers=self.num_workers, collate_fn=named)


class OwnBatches(Data):
    """A batch sampler of the user's own, which draws as it goes, from two generators."""

    def train_dataloader(self) -> Any:
        return DataLoader(self.train, batch_sampler=Buckets(len(self.train)), num_workers=self.num_workers)


class Buckets:
    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return 5

    def __iter__(self) -> Any:
        for _ in range(5):
            size = random.randint(4, 8)
            yield np.random.choice(self.length, size, replace=False).tolist()


class TwoValidations(Data):
    def val_dataloader(self) -> Any:
        return [super().val_dataloader(), DataLoader(self.train, batch_size=9, shuffle=True)]


class Both(Module):
    """Learns from two loaders at once, the shorter of which begins again."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        first, second = batch["a"], batch["b"]
        return super().training_step((torch.cat([first[0], second[0]]), torch.cat([first[1], second[1]])), batch_idx)


class Combined(Data):
    mode = "max_size_cycle"

    def train_dataloader(self) -> Any:
        loaders = {
            "a": super().train_dataloader(),
            "b": DataLoader(Points(8), batch_size=4, shuffle=True, num_workers=self.num_workers),
        }
        return CombinedLoader(loaders, self.mode)


class Dictionary(Combined):
    def train_dataloader(self) -> Any:
        return super().train_dataloader().iterables


class Unbatched(Data):
    """The dataset makes the batches itself."""

    def train_dataloader(self) -> Any:
        return DataLoader(Batches(), batch_size=None, shuffle=True, num_workers=self.num_workers)


class Batches(Points):
    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Any:
        return self.inputs[index::5] + torch.randn(4) * 0.1, self.targets[index::5]


class Endless(Data):
    """A sampler that never ends, for trainings that count steps."""

    def train_dataloader(self) -> Any:
        return DataLoader(self.train, batch_size=6, sampler=Forever(len(self.train)), num_workers=self.num_workers)


class Forever:
    def __init__(self, length: int) -> None:
        self.length = length

    def __iter__(self) -> Any:
        while True:
            yield random.randrange(self.length)


class Hooks(Module):
    """Keeps outputs in a list, as Lightning's guide to version 2 shows it, and a slow copy of its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: list[Any] = []
        self.seen = 0
        self.best = torchmetrics.MinMetric()
        self.both = torchmetrics.MetricCollection(
            [
                torchmetrics.classification.MulticlassPrecision(num_classes=2),
                torchmetrics.classification.MulticlassRecall(num_classes=2),
                torchmetrics.classification.MulticlassF1Score(num_classes=2),
            ]
        )
        self.slow = nn.Linear(4, 8)
        self.history: dict[str, Any] = {"mean": np.zeros(4, np.float32), "last": (0, np.float64(0)), "names": set()}

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        with torch.no_grad():
            logits = self.net(batch[0])
        self.both(logits, batch[1])
        self.log_dict(self.both, on_step=False, on_epoch=True)
        self.outputs.append({"loss": loss.detach(), "size": len(batch[0])})
        self.history["mean"] += batch[0].mean(0).numpy()
        self.history["last"] = (batch_idx, np.float64(loss.item()) + self.history["last"][1])
        self.history["names"].add(f"batch {self.seen}")
        loss = loss + float(
            self.history["mean"].sum() + self.history["last"][1] + len(self.history["names"])
        ) * logits_sum(self.net(batch[0]))
        return loss + 0.01 * self.slow(batch[0]).square().mean()

    @torch.no_grad()
    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.seen += len(batch[0])
        self.slow.weight.lerp_(self.net[0].weight, 0.2)
        self.log("slow", self.slow.weight.sum())

    def on_train_epoch_start(self) -> None:
        self.log("noise", torch.randn(()))

    def on_train_epoch_end(self) -> None:
        total = sum(float(each["loss"]) * each["size"] for each in self.outputs)
        self.best.update(total)
        self.log_dict({"total": total, "best": self.best.compute(), "seen": float(self.seen)})
        self.outputs.clear()


def logits_sum(logits: torch.Tensor) -> torch.Tensor:
    return logits.square().mean() * 1e-3


class Schedules(Module):
    def configure_optimizers(self) -> Any:
        groups = [{"params": self.net[0].parameters(), "lr": 0.01}, {"params": self.net[1:].parameters()}]
        optimizer = torch.optim.AdamW(groups, lr=0.05)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, [warm_up, lambda step: 0.9**step])
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def warm_up(step: int) -> float:
    return min(1.0, (step + 1) / 7)


class OneCycle(Module):
    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)
        steps = self.trainer.estimated_stepping_batches  # builds the loaders before Lightning restores its loops
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=steps)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


class EpochSchedule(Module):
    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)
        return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)]


class Plateau(Module):
    monitor, interval = "val_loss", "epoch"

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=0.05)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="max", patience=0, factor=0.5)
        settings = {"scheduler": schedule, "monitor": self.monitor, "interval": self.interval}
        return {"optimizer": optimizer, "lr_scheduler": settings}


class TrainPlateau(Plateau):
    monitor = "train_loss_epoch"


class StepPlateau(Plateau):
    monitor, interval = "train_loss_step", "step"


class Freezing(Module):
    def on_train_epoch_start(self) -> None:
        self.net[0].requires_grad_(self.current_epoch >= 1)
        self.net[1].train(self.current_epoch != 1)


class GAN(L.LightningModule):
    """Two optimizers in manual optimization, one of which adds up gradients over two batches."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 4))
        self.critic = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1))

    def training_step(self, batch: Any, batch_idx: int) -> None:
        real, _ = batch
        g, d = self.optimizers()
        fake = self.generator(torch.randn(len(real), 3))
        self.toggle_optimizer(g)
        loss = F.softplus(-self.critic(fake)).mean()
        self.manual_backward(loss / 2)
        if batch_idx % 2:
            g.step()
            g.zero_grad()
        self.untoggle_optimizer(g)
        self.toggle_optimizer(d)
        d.zero_grad()
        d_loss = F.softplus(self.critic(fake.detach())).mean() + F.softplus(-self.critic(real)).mean()
        self.manual_backward(d_loss)
        d.step()
        self.untoggle_optimizer(d)
        for schedule in self.lr_schedulers():
            schedule.step()
        self.log_dict({"g": loss, "d": d_loss}, on_step=True, on_epoch=True)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("score", self.critic(self.generator(torch.randn(8, 3))).mean())

    def configure_optimizers(self) -> Any:
        optimizers = [
            torch.optim.Adam(self.generator.parameters(), lr=0.02, betas=(0.5, 0.9)),
            torch.optim.Adam(self.critic.parameters(), lr=0.01),
        ]
        return optimizers, [torch.optim.lr_scheduler.CosineAnnealingLR(each, 10) for each in optimizers]


class Stream(IterableDataset):
    """A stream that mixes its examples in a buffer, and can save its state."""

    def __init__(self) -> None:
        self.position, self.buffer, self.epoch, self.left = 0, [], 0, None

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Any:
        points = Points()
        while self.position < 33 or self.buffer:
            while self.position < 33 and len(self.buffer) < 5:
                self.buffer.append((self.position + 7 * self.epoch) % 48)
                self.position += 1
            yield points[self.buffer.pop(random.randrange(len(self.buffer)))]

    def state_dict(self) -> dict[str, Any]:
        return {"position": self.position, "buffer": self.buffer}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.position, self.buffer = state["position"], list(state["buffer"])


class Streamed(Data):
    def train_dataloader(self) -> Any:
        return DataLoader(Stream(), batch_size=6)


class Partials(Module):
    """Takes a network and a partial function, as the most used template has it, and notes them as hyperparameters."""

    def __init__(self, net: nn.Module, optimizer: Any) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.net = net

    def configure_optimizers(self) -> Any:
        return self.hparams.optimizer(self.parameters())


def with_partials() -> Partials:
    return Partials(nn.Sequential(nn.Linear(4, 8), nn.Dropout(), nn.Linear(8, 2)), partial(torch.optim.Adam, lr=0.05))


class Tested(Module):
    """Draws random numbers in a test and in a prediction too."""

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.log("test_loss", F.cross_entropy(self.net(batch[0] + torch.randn(4)), batch[1]))

    def predict_step(self, batch: Any, batch_idx: int) -> Any:
        return self.net(batch[0] + torch.randn(4))


class Split(Data):
    """Splits again in each `setup`: the same examples have to be left for the test."""

    def test_dataloader(self) -> Any:
        return DataLoader(self.val, batch_size=5, shuffle=True, num_workers=self.num_workers)

    predict_dataloader = test_dataloader


class OwnLoaders(Module):
    """A module that brings its data itself."""

    def train_dataloader(self) -> Any:
        return DataLoader(Points(), batch_size=8, shuffle=True)

    def val_dataloader(self) -> Any:
        return DataLoader(Points(20), batch_size=8)


class Counting(L.Callback):
    """A user's callback without a state dict: it lowers the learning rate after so many batches."""

    def __init__(self) -> None:
        self.batches, self.sums = 0, {}

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.batches += 1
        self.sums[trainer.current_epoch] = self.sums.get(trainer.current_epoch, 0.0) + float(outputs["loss"])
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = 0.05 / self.batches + sum(self.sums.values()) * 1e-3


TASKS = {
    "metrics, shuffled": Task(Module, Data),
    "weighted sampler": Task(Module, Weighted),
    "padding collate_fn": Task(Module, Padded),
    "dictionaries, uneven": Task(Ragged, Named),
    "batch sampler of one's own": Task(Module, OwnBatches),
    "batches by the dataset": Task(Module, Unbatched),
    "loaders in the module": Task(OwnLoaders),
    "two validation loaders": Task(Module, TwoValidations),
    "CombinedLoader, cycling": Task(Both, Combined),
    "dictionary of loaders": Task(Both, Dictionary),
    "hooks and attributes": Task(Hooks, Data),
    "callback without a state": Task(Module, Data, callbacks=(Counting,)),
    "LambdaLR per step, groups": Task(Schedules, Data),
    "OneCycleLR": Task(OneCycle, Data),
    "ExponentialLR per epoch": Task(EpochSchedule, Data),
    "ReduceLROnPlateau": Task(Plateau, Data),
    "ReduceLROnPlateau, train": Task(TrainPlateau, Data),
    "ReduceLROnPlateau per step": Task(StepPlateau, Data),
    "freezing by epoch": Task(Freezing, Data),
    "GAN, manual": Task(GAN, Data),
    "GAN, weighted sampler": Task(GAN, Weighted),
    "max_steps, one epoch": Task(Module, Endless, trainer={"max_steps": 11, "val_check_interval": 4}),
    "val_check_interval": Task(Plateau, Data, trainer={"val_check_interval": 2}),
    "max_steps over epochs": Task(OneCycle, Data, trainer={"max_steps": 10}),
    "limit_train_batches": Task(Module, Weighted, trainer={"limit_train_batches": 4}),
    "accumulation": Task(OneCycle, Data, accumulate=2, clip=0.5),
    "EMA": Task(Module, Data, callbacks=(partial(EMAWeightAveraging, decay=0.8),)),
    "torch.compile": Task(Compiled, Data),
    "bf16-mixed": Task(Module, Data, trainer={"precision": "bf16-mixed"}),
    "iterable with a state": Task(Module, Streamed, one_worker_count=True),
    "networks as hyperparameters": Task(with_partials, Data),
    "test and prediction": Task(Tested, Split),
}
