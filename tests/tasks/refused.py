"""What strict cannot keep, and the first words of what it says."""

from threading import Lock
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from .classified import Data, Module, Points, Stream
from .holding import Meter
from .task import Task


class Forgetful(IterableDataset):
    def __iter__(self) -> Any:
        points = Points()
        return (points[index] for index in range(len(points)))


class Forgetting(Data):
    def train_dataloader(self) -> Any:
        return DataLoader(Forgetful(), batch_size=6)


class StreamedByWorkers(Data):
    def train_dataloader(self) -> Any:
        return DataLoader(Stream(), batch_size=6, num_workers=1)


class Listed(Data):
    def train_dataloader(self) -> Any:
        return iter(super().train_dataloader())


class Placed(DataLoader):
    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


class KeepingItsPlace(Data):
    def train_dataloader(self) -> Any:
        return Placed(self.train, batch_size=6)


class Thing:
    pass


class Unloadable(Module):
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["mine"] = {"thing": Thing(), "number": 1}


class Extra(nn.Module):
    """Keeps what is not a tensor by PyTorch's own hooks."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def get_extra_state(self) -> Any:
        return {"steps": 1}


class WithExtraState(Module):
    def __init__(self) -> None:
        super().__init__()
        self.net.append(Extra())


class Diverging(Module):
    """Has no loss in its third step, and a good one in the next."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return super().training_step(batch, batch_idx) * (float("nan") if batch_idx == 2 else 1)


class Late(L.Callback):
    """Has a state that no checkpoint can hold, but not at first."""

    def __init__(self) -> None:
        self.best: Any = None

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.best = np.float64(batch_idx) if batch_idx == 3 else self.best

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}


class Locked(Module):
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["mine"] = {"lock": Lock()}


class Timed(Module):
    def configure_callbacks(self) -> Any:
        return [L.pytorch.callbacks.Timer("01:00:00:00")]


class Reading(Module):
    def training_step(self, dataloader_iter: Any) -> Any:
        return super().training_step(*next(dataloader_iter)[:2])


REFUSED = {
    "set num_workers=0": Task(Module, StreamedByWorkers),
    "give it state_dict() and load_state_dict(state)": Task(Module, Forgetting),
    "Listed.train_dataloader reads from _SingleProcessDataLoaderIter": Task(Module, Listed),
    "return a torch.utils.data.DataLoader": Task(Module, KeepingItsPlace),
    "because of mine['thing']": Task(Unloadable, Data),
    "because of mine['lock']": Task(Locked, Data),
    "because of callbacks['Late']": Task(Module, Data, callbacks=(Late,)),
    "Timed.configure_callbacks adds Timer, which stops by the clock": Task(Timed, Data),
    "net.5._extra_state in the state of WithExtraState is a dict": Task(WithExtraState, Data),
    "the loss of step 3 (epoch 0) is not finite": Task(Diverging, Data),
    "Reading.training_step takes dataloader_iter": Task(Reading, Data),
}


class Hiding(Module):
    """Keeps in an attribute what no checkpoint can hold."""

    def __init__(self) -> None:
        super().__init__()
        self.things: list[Any] = []

    def on_train_epoch_start(self) -> None:
        self.things = []

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.things.append(Thing())
        return super().training_step(batch, batch_idx)


HIDING = Task(Hiding, Data)


class Replacing(Module):
    """Makes an object of its own for each epoch. Where there was none at first, a resumed run has none to set."""

    def __init__(self) -> None:
        super().__init__()
        self.meter: Any = None

    def on_train_epoch_start(self) -> None:
        self.meter = Meter()

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        return loss * (1 + self.meter.add(float(loss)))


REPLACING = Task(Replacing, Data)
