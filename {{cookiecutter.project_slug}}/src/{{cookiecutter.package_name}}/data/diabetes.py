"""Scikit-learn's diabetes table: a CSV file with a categorical column, and with numbers that may be missing."""

from pathlib import Path

import numpy as np

from reproml import ArrayDataModule, Examples

from .tables import numbers, one_hot, read_columns

_COLUMNS = ["age", "sex", "bmi", "blood_pressure", "s1", "s2", "s3", "s4", "s5", "s6"]


class Diabetes(ArrayDataModule):
    """442 patients with ten measurements each, and how far their diabetes had progressed a year later: a quantity.

    They come with scikit-learn.
    """

    @staticmethod
    def read(folder: Path) -> Examples:
        """Read nine measurements and the sex from one file, and the progression from another."""
        table = read_columns(folder / "diabetes_data_raw.csv.gz", _COLUMNS, delimiter=" ")
        sex = one_hot(table.pop("sex"), ["1", "2"], "sex")
        inputs = np.hstack([*(numbers(column, name) for name, column in table.items()), sex]).astype(np.float32)
        features = (*table, "sex_1", "sex_2")
        targets = read_columns(folder / "diabetes_target.csv.gz", ["progression"])["progression"]
        chunk = (inputs, numbers(targets, "progression")[:, 0])
        return Examples(len(inputs), inputs.shape[1:], "float32", 0, iter([chunk]), missing=True, features=features)
