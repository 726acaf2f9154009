"""Scikit-learn's digits."""

from pathlib import Path

import numpy as np

from reproml import ArrayDataModule, Examples, open_raw


class Digits(ArrayDataModule):
    """1,797 handwritten digits, images of 8 x 8 grey values from 0 to 16. They come with scikit-learn."""

    @staticmethod
    def read(folder: Path) -> Examples:
        """Read a table of 64 grey values and the digit."""
        with open_raw(folder / "digits.csv.gz") as stream:
            table = np.loadtxt(stream, delimiter=",")
        inputs = table[:, :64].astype(np.uint8).reshape(-1, 1, 8, 8)
        return Examples(len(inputs), (1, 8, 8), "uint8", 0, iter([(inputs, table[:, 64].astype(np.int64))]))
