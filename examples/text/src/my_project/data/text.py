"""Text files as bytes. They are memory-mapped, so they may be larger than memory."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset


class Windows(Dataset[torch.Tensor]):
    """Windows of bytes (length + 1,): all but the last byte are inputs, all but the first are targets.

    Args:
        files: the files to read.
        begin: where to begin in each file, as a share of it.
        end: where to end.
        length: bytes in a window.
        stride: bytes from one window's beginning to the next one's.
    """

    def __init__(self, files: list[Path], begin: float, end: float, length: int, stride: int) -> None:
        self.length = length
        self.places = [
            (file, start)
            for file, size in ((file, file.stat().st_size) for file in files)
            for start in range(int(begin * size), int(end * size) - length, stride)
        ]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> torch.Tensor:
        file, start = self.places[index]
        mapped = np.memmap(file, np.uint8, mode="r", offset=start, shape=(self.length + 1,))
        return torch.from_numpy(mapped.astype(np.int64))


class Text(LightningDataModule):
    """The files in a folder: the beginning of each is for training, the end of each for the test."""

    def __init__(
        self, folder: str, length: int, stride: int, batch_size: int, test_share: float, num_workers: int = 0
    ) -> None:
        super().__init__()
        self.folder, self.length, self.stride, self.test_share = Path(folder), length, stride, test_share
        self.batch_size, self.num_workers = batch_size, num_workers

    def setup(self, stage: str) -> None:
        """Find the windows."""
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        ends = 1 - 2 * self.test_share, 1 - self.test_share
        self.train = Windows(files, 0, ends[0], self.length, self.stride)
        self.val = Windows(files, *ends, self.length, self.length)
        self.test = Windows(files, ends[1], 1, self.length, self.length)

    def _loader(self, windows: Windows, shuffle: bool = False) -> DataLoader[Any]:
        return DataLoader(windows, self.batch_size, shuffle, num_workers=self.num_workers, drop_last=shuffle)

    def train_dataloader(self) -> DataLoader[Any]:
        return self._loader(self.train, shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        return self._loader(self.val)

    def test_dataloader(self) -> DataLoader[Any]:
        return self._loader(self.test)
