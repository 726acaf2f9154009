"""Photos of any size, in one folder for each class: `photos/cat/1.png`, `photos/dog/2.jpg`."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from PIL import Image, ImageEnhance
from torch.utils.data import DataLoader, Dataset, Subset

SUFFIXES = {".png", ".jpg", ".jpeg"}


class PhotoFolder(Dataset[tuple[torch.Tensor, int]]):
    """Pixels (3, size, size) between 0 and 1, and the number of the class."""

    def __init__(self, folder: Path, classes: Sequence[str], size: int, augment: bool) -> None:
        self.photos = [
            (path, number)
            for number, name in enumerate(classes)
            for path in sorted((folder / name).iterdir())
            if path.suffix.lower() in SUFFIXES
        ]
        self.size, self.augment = size, augment

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        path, target = self.photos[index]
        with Image.open(path) as file:
            image = file.convert("RGB")
        if self.augment:
            image = augmented(image)
        return pixels(image, self.size), target


def pixels(image: Image.Image, size: int) -> torch.Tensor:
    """Return the pixels (3, size, size), from 0 to 1, of an RGB image: large ones shrink, small ones get a margin."""
    image.thumbnail((size, size))
    square = Image.new("RGB", (size, size))
    square.paste(image)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1) / 255


def augmented(image: Image.Image) -> Image.Image:
    """Return the image with a slightly different size, angle and brightness."""
    scale = random.uniform(0.8, 1.2)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    image = image.rotate(random.uniform(-15, 15), Image.Resampling.BILINEAR)
    return ImageEnhance.Brightness(image).enhance(random.uniform(0.7, 1.3))


class Photos(LightningDataModule):
    """Photos in a folder, split at random; those for training are augmented."""

    def __init__(
        self,
        folder: str,
        classes: list[str],
        size: int,
        batch_size: int,
        test_share: float = 0.15,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        self.folder, self.classes, self.size, self.test_share = Path(folder), classes, size, test_share
        self.batch_size, self.num_workers = batch_size, num_workers

    def setup(self, stage: str) -> None:
        """Split the photos."""
        plain = PhotoFolder(self.folder, self.classes, self.size, augment=False)
        order = torch.randperm(len(plain)).tolist()
        size = round(self.test_share * len(plain))
        self.test, self.val = Subset(plain, order[:size]), Subset(plain, order[size : 2 * size])
        self.train = Subset(PhotoFolder(self.folder, self.classes, self.size, augment=True), order[2 * size :])

    def _loader(self, photos: Subset[Any], shuffle: bool = False) -> DataLoader[Any]:
        return DataLoader(photos, self.batch_size, shuffle, num_workers=self.num_workers)

    def train_dataloader(self) -> DataLoader[Any]:
        return self._loader(self.train, shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        return self._loader(self.val)

    def test_dataloader(self) -> DataLoader[Any]:
        return self._loader(self.test)
