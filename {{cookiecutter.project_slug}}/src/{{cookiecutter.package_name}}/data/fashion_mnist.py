"""Zalando Research's Fashion-MNIST, in the format IDX of MNIST's files."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from reproml import ArrayDataModule, DataError, Examples, open_raw

_CHUNK = 4096  # examples in memory at a time


class FashionMNIST(ArrayDataModule):
    """70,000 images of 28 x 28 grey values, ten kinds of clothing. The last 10,000 are the official test set.

    Any data in the four files of MNIST's format can be read so.
    """

    @staticmethod
    def read(folder: Path) -> Examples:
        """Read the four files of MNIST's IDX format: `train-` and `t10k-`, images and labels, compressed or not."""
        counts, shape = {}, (0, 0)
        for part in ("train", "t10k"):
            with _part(folder, part) as (images, labels):
                counts[part], *shape = _header(images, 3)  # type: ignore[assignment]
                if _header(labels, 1)[0] != counts[part]:
                    raise DataError(
                        f"{folder} holds another number of {part} images than of {part} labels; fetch both files again"
                    )
        return Examples(
            count=counts["train"] + counts["t10k"],
            shape=(1, *shape),
            dtype="uint8",
            test_count=counts["t10k"],
            chunks=_idx_chunks(folder),
        )


@contextmanager
def _part(folder: Path, part: str) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    with _idx(folder, f"{part}-images-idx3-ubyte") as images, _idx(folder, f"{part}-labels-idx1-ubyte") as labels:
        yield images, labels


def _idx(folder: Path, name: str) -> IO[bytes]:
    compressed = folder / f"{name}.gz"
    return open_raw(compressed if compressed.exists() else folder / name)


def _header(stream: IO[bytes], dimensions: int) -> tuple[int, ...]:
    """Read the head of an IDX file: a magic number (0, 0, 8 for bytes, dimensions), then one size per dimension."""
    magic, *sizes = struct.unpack(f">{dimensions + 1}I", stream.read(4 * (dimensions + 1)))
    if magic != 0x800 + dimensions:
        raise DataError(f"{stream.name} is not an IDX file of {dimensions} dimension(s); fetch it again")
    return tuple(sizes)


def _idx_chunks(folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for part in ("train", "t10k"):
        with _part(folder, part) as (images, labels):
            count, height, width = _header(images, 3)
            _header(labels, 1)
            for start in range(0, count, _CHUNK):
                size = min(_CHUNK, count - start)
                pixels = np.frombuffer(images.read(size * height * width), np.uint8)
                yield (
                    pixels.reshape(size, 1, height, width),
                    np.frombuffer(labels.read(size), np.uint8).astype(np.int64),
                )
