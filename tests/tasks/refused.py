"""What strict cannot keep, and the first words of what it says."""

from typing import Any

from torch.utils.data import DataLoader, IterableDataset

from .classified import Data, Module, Points, Stream
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


REFUSED = {
    "set num_workers=0": Task(Module, StreamedByWorkers),
    "give it state_dict() and load_state_dict(state)": Task(Module, Forgetting),
    "Listed.train_dataloader reads from _SingleProcessDataLoaderIter": Task(Module, Listed),
    "return a torch.utils.data.DataLoader": Task(Module, KeepingItsPlace),
    "because of mine['thing']": Task(Unloadable, Data),
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
