"""A stream of examples from files too large for memory: gzipped JSON lines."""

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

Example = tuple[torch.Tensor, int]


def rows(file: Path) -> Iterator[Example]:
    """Yield pixels (64,) between 0 and 1, and the digit, of each line of a file."""
    with gzip.open(file, "rt") as stream:
        for line in stream:
            row = json.loads(line)
            yield scaled(row["pixels"]), row["digit"]


def scaled(pixels: list[float] | list[list[float]]) -> torch.Tensor:
    """Return pixels from 0 to 16 as numbers from 0 to 1."""
    return torch.tensor(pixels) / 16


def held(file: Path) -> TensorDataset:
    """Return all examples of a file."""
    pixels, digits = zip(*rows(file), strict=True)
    return TensorDataset(torch.stack(pixels), torch.tensor(digits))


class Stream(IterableDataset[Example]):
    """Reads file after file, in a different order in each epoch, and shuffles with a buffer.

    Its state is its position, so a resumed training continues with the next example.
    """

    def __init__(self, files: list[Path], buffer: int, seed: int = 0) -> None:
        self.files, self.buffer, self.seed = files, buffer, seed
        self.epoch = self.done = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order."""
        self.epoch = epoch

    def state_dict(self) -> dict[str, int]:
        """Return how many examples were read in this epoch."""
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue after that many examples."""
        self.done = state["done"]

    def __iter__(self) -> Iterator[Example]:
        for number, example in enumerate(self._shuffled()):
            if number >= self.done:
                self.done = number + 1
                yield example

    def _shuffled(self) -> Iterator[Example]:
        """Yield all examples of an epoch."""
        generator = random.Random(f"{self.seed} {self.epoch}")
        held: list[Example] = []
        for file in generator.sample(self.files, len(self.files)):
            for example in rows(file):
                held.append(example)
                if len(held) > self.buffer:
                    yield held.pop(generator.randrange(len(held)))
        generator.shuffle(held)
        yield from held


class Shards(LightningDataModule):
    """The files `train-*.jsonl.gz`, `val.jsonl.gz` and `test.jsonl.gz` of a folder."""

    def __init__(self, folder: str, batch_size: int, buffer: int, seed: int) -> None:
        super().__init__()
        self.folder, self.batch_size, self.buffer, self.seed = Path(folder), batch_size, buffer, seed

    def train_dataloader(self) -> DataLoader[Any]:
        files = sorted(self.folder.glob("train-*.jsonl.gz"))
        return DataLoader(Stream(files, self.buffer, self.seed), self.batch_size)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(held(self.folder / "val.jsonl.gz"), self.batch_size)

    def test_dataloader(self) -> DataLoader[Any]:
        return DataLoader(held(self.folder / "test.jsonl.gz"), self.batch_size)
