"""Images and masks with the same names, in two folders. Each pixel of a mask holds the number of a class."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Subset

Example = tuple[torch.Tensor, torch.Tensor]


class SceneFolder(Dataset[Example]):
    """An image (1, height, width) between 0 and 1, and its mask (height, width)."""

    def __init__(self, folder: Path, augment: bool) -> None:
        self.images = sorted((folder / "images").glob("*.png"))
        self.augment = augment

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Example:
        path = self.images[index]
        image = pixels(path)[None] / 255
        mask = pixels(path.parents[1] / "masks" / path.name).long()
        if self.augment:  # image and mask together
            if torch.rand(()) < 0.5:
                image, mask = image.flip(-1), mask.flip(-1)
            turns = int(torch.randint(4, ()))
            image, mask = image.rot90(turns, (-2, -1)), mask.rot90(turns, (-2, -1))
        return image, mask


def pixels(source: Path | BytesIO) -> torch.Tensor:
    """Return the pixels (height, width), from 0 to 255, of an image in a file, in gray."""
    with Image.open(source) as file:
        return torch.from_numpy(np.array(file.convert("L")))


class Scenes(LightningDataModule):
    """Images in a folder, split at random; those for training are augmented."""

    def __init__(self, folder: str, batch_size: int, test_share: float = 0.15, num_workers: int = 0) -> None:
        super().__init__()
        self.folder, self.test_share = Path(folder), test_share
        self.batch_size, self.num_workers = batch_size, num_workers

    def setup(self, stage: str) -> None:
        """Split the images."""
        plain = SceneFolder(self.folder, augment=False)
        order = torch.randperm(len(plain)).tolist()
        size = round(self.test_share * len(plain))
        self.test, self.val = Subset(plain, order[:size]), Subset(plain, order[size : 2 * size])
        self.train = Subset(SceneFolder(self.folder, augment=True), order[2 * size :])

    def _loader(self, scenes: Subset[Any], shuffle: bool = False) -> DataLoader[Any]:
        return DataLoader(scenes, self.batch_size, shuffle, num_workers=self.num_workers)

    def train_dataloader(self) -> DataLoader[Any]:
        return self._loader(self.train, shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        return self._loader(self.val)

    def test_dataloader(self) -> DataLoader[Any]:
        return self._loader(self.test)
