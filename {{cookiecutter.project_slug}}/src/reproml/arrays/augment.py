"""Random changes of training images: functions of the seed, the epoch and the example, in any process."""

from dataclasses import dataclass

import numpy as np

from ..training.randomness import derive


@dataclass(frozen=True)
class Augmentation:
    """Shifts and mirrors images, a whole batch at once.

    Args:
        seed: of the run.
        shift: pixels that an image is moved at most, in each direction; what is moved in is 0.
        flip: mirror a random half of the images, left to right.
    """

    seed: int
    shift: int
    flip: bool

    def __call__(self, images: np.ndarray, epoch: int, positions: np.ndarray) -> np.ndarray:
        """Return changed copies of images (n, channels, height, width); `positions` (n,) says which they are."""
        height, width = images.shape[2:]
        down, right = (
            self._uniform("shift", axis, epoch, positions, 2 * self.shift + 1) - self.shift for axis in (0, 1)
        )
        mirrored = self._uniform("flip", 0, epoch, positions, 2).astype(bool) & self.flip
        rows = np.arange(height) - down[:, None]  # (n, height): the row that each one comes from
        columns = np.arange(width) - right[:, None]
        columns = np.where(mirrored[:, None], columns[:, ::-1], columns)
        inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
        example = np.arange(len(images))[:, None, None]
        moved = images.transpose(0, 2, 3, 1)[
            example, rows.clip(0, height - 1)[:, :, None], columns.clip(0, width - 1)[:, None, :]
        ]
        return np.ascontiguousarray((moved * inside[..., None].astype(images.dtype)).transpose(0, 3, 1, 2))

    def _uniform(self, name: str, axis: int, epoch: int, positions: np.ndarray, choices: int) -> np.ndarray:
        """Return one number below `choices` for each position, shape (n,), int64."""
        keys = np.uint64(derive(self.seed, "augment", name, axis, epoch)) + positions.astype(np.uint64)
        return (_mix(keys) % np.uint64(choices)).astype(np.int64)


def _mix(keys: np.ndarray) -> np.ndarray:
    """Return 64 random bits for each key, by the generator SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    keys = keys * np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))
