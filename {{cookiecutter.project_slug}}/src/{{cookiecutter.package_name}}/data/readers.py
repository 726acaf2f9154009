"""Readers: from the raw files of a data set to a stream of examples.

To use your own data, write a function like these and name it as `reader` in a file under configs/data.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from reproml import DataError, Examples, open_raw

from .tables import numbers, one_hot, read_columns

_CHUNK = 4096  # examples in memory at a time


def read_digits(folder: Path) -> Examples:
    """Read scikit-learn's digits: a table of 64 grey values (0 to 16) and the digit."""
    with open_raw(folder / "digits.csv.gz") as stream:
        table = np.loadtxt(stream, delimiter=",")
    inputs = table[:, :64].astype(np.uint8).reshape(-1, 1, 8, 8)
    return Examples(len(inputs), (1, 8, 8), "uint8", 0, iter([(inputs, table[:, 64].astype(np.int64))]))


def read_breast_cancer(folder: Path) -> Examples:
    """Read scikit-learn's breast cancer table: a heading, then 30 measurements and the class."""
    with open_raw(folder / "breast_cancer.csv") as stream:
        table = np.loadtxt(stream, delimiter=",", skiprows=1)
    inputs = table[:, :30].astype(np.float32)
    return Examples(len(inputs), (30,), "float32", 0, iter([(inputs, table[:, 30].astype(np.int64))]))


def read_diabetes(folder: Path) -> Examples:
    """Read scikit-learn's diabetes table: nine measurements, the sex, and how far the disease has progressed."""
    names = ["age", "sex", "bmi", "blood_pressure", "s1", "s2", "s3", "s4", "s5", "s6"]
    table = read_columns(folder / "diabetes_data_raw.csv.gz", names, delimiter=" ")
    sex = one_hot(table.pop("sex"), ["1", "2"], "sex")
    inputs = np.hstack([*(numbers(column, name) for name, column in table.items()), sex]).astype(np.float32)
    features = (*table, "sex_1", "sex_2")
    targets = read_columns(folder / "diabetes_target.csv.gz", ["progression"])["progression"]
    chunk = (inputs, numbers(targets, "progression")[:, 0])
    return Examples(len(inputs), inputs.shape[1:], "float32", 0, iter([chunk]), missing=True, features=features)


def read_idx(folder: Path) -> Examples:
    """Read the four files of MNIST's IDX format: `train-` and `t10k-`, images and labels, compressed or not."""
    counts, shape = {}, (0, 0)
    for part in ("train", "t10k"):
        with _idx(folder, f"{part}-images-idx3-ubyte") as images, _idx(folder, f"{part}-labels-idx1-ubyte") as labels:
            counts[part], *shape = _header(images, 3)  # type: ignore[assignment]
            if _header(labels, 1)[0] != counts[part]:
                raise DataError(
                    f"{folder} holds another number of {part} images than of {part} labels; fetch both files anew"
                )
    return Examples(
        count=counts["train"] + counts["t10k"],
        shape=(1, *shape),
        dtype="uint8",
        test_count=counts["t10k"],
        chunks=_idx_chunks(folder),
    )


def _idx(folder: Path, name: str) -> IO[bytes]:
    compressed = folder / f"{name}.gz"
    return open_raw(compressed if compressed.exists() else folder / name)


def _header(stream: IO[bytes], dimensions: int) -> tuple[int, ...]:
    """Read the head of an IDX file: a magic number (0, 0, 8 for bytes, dimensions), then one size per dimension."""
    magic, *sizes = struct.unpack(f">{dimensions + 1}I", stream.read(4 * (dimensions + 1)))
    if magic != 0x800 + dimensions:
        raise DataError(f"{stream.name} is not an IDX file of {dimensions} dimension(s); fetch it anew")
    return tuple(sizes)


def _idx_chunks(folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for part in ("train", "t10k"):
        with _idx(folder, f"{part}-images-idx3-ubyte") as images, _idx(folder, f"{part}-labels-idx1-ubyte") as labels:
            count, height, width = _header(images, 3)
            _header(labels, 1)
            for start in range(0, count, _CHUNK):
                size = min(_CHUNK, count - start)
                pixels = np.frombuffer(images.read(size * height * width), np.uint8)
                yield (
                    pixels.reshape(size, 1, height, width),
                    np.frombuffer(labels.read(size), np.uint8).astype(np.int64),
                )
