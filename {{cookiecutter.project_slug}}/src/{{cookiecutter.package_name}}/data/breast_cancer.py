"""Scikit-learn's breast cancer table."""

from pathlib import Path

import numpy as np

from reproml import ArrayDataModule, Examples, open_raw


class BreastCancer(ArrayDataModule):
    """569 tumours with 30 measurements each, malignant or benign. They come with scikit-learn."""

    @staticmethod
    def read(folder: Path) -> Examples:
        """Read a heading, then 30 measurements and the class of each tumour."""
        with open_raw(folder / "breast_cancer.csv") as stream:
            table = np.loadtxt(stream, delimiter=",", skiprows=1)
        inputs = table[:, :30].astype(np.float32)
        return Examples(len(inputs), (30,), "float32", 0, iter([(inputs, table[:, 30].astype(np.int64))]))
