"""A CSV file with a header; a row has a date, numbers, categories, and gaps."""

import csv
import math
import zlib
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, TensorDataset

YEAR = 365.25  # days


def number(cell: str) -> float:
    """Return a number; nan where the cell is empty."""
    return float(cell) if cell else math.nan


def season(cell: str) -> list[float]:
    """Return the time of year of a date, as a point on a circle."""
    angle = 2 * math.pi * date.fromisoformat(cell).timetuple().tm_yday / YEAR
    return [math.sin(angle), math.cos(angle)]


def code(cell: str) -> int:
    """Return a number for a category, the same in every process; 0 where the cell is empty."""
    return zlib.crc32(cell.encode()) if cell else 0


def inputs(
    rows: Sequence[Mapping[str, str]], date: str, numbers: Sequence[str], categories: Sequence[str]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return numbers (n, numbers) with nan for gaps, those of the date at the end, and codes (n, categories)."""
    measured = [[*(number(row.get(name, "")) for name in numbers), *season(row[date])] for row in rows]
    codes = [[code(row.get(name, "")) for name in categories] for row in rows]
    return torch.tensor(measured), torch.tensor(codes)


class Table(LightningDataModule):
    """Numbers (n, numbers) with nan for gaps, codes of categories (n, categories), and the targets (n,).

    The newest rows are the test, and the rows before them the validation, as for a forecast.
    """

    def __init__(
        self,
        file: str,
        date: str,
        numbers: list[str],
        categories: list[str],
        target: str,
        classes: list[str] | None,
        batch_size: int,
        test_share: float = 0.2,
    ) -> None:
        super().__init__()
        self.file, self.date, self.numbers, self.categories = Path(file), date, numbers, categories
        self.target, self.classes = target, classes
        self.batch_size, self.test_share = batch_size, test_share

    def setup(self, stage: str) -> None:
        """Read the table and split it by date."""
        with self.file.open(newline="") as stream:
            rows = sorted(csv.DictReader(stream), key=lambda row: row[self.date])
        if self.classes is None:
            targets = torch.tensor([float(row[self.target]) for row in rows])
        else:
            targets = torch.tensor([self.classes.index(row[self.target]) for row in rows])
        columns = *inputs(rows, self.date, self.numbers, self.categories), targets
        size = round(self.test_share * len(rows))
        self.train = TensorDataset(*(column[: -2 * size] for column in columns))
        self.val = TensorDataset(*(column[-2 * size : -size] for column in columns))
        self.test = TensorDataset(*(column[-size:] for column in columns))

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.val, self.batch_size)

    def test_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.test, self.batch_size)
