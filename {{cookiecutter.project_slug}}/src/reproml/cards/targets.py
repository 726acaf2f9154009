"""What a card says of the targets: what they are called, and how they are distributed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..tables import TextTable

_OTHERS = ("task", "model", "missing")  # what is built, and numbers that an input may lack
_PARTS = {"least": 0.0, "first quartile": 0.25, "median": 0.5, "third quartile": 0.75, "most": 1.0}


def answer(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a description of a model or of data says of the targets, in plain types: names, or a quantity."""
    return {name: value for name, value in described.items() if name not in _OTHERS and "input" not in name}


def distribution(manifest: dict[str, Any], processed: Path) -> TextTable:
    """Return how often each target occurs, or of quantities the quartiles, the mean and the standard deviation.

    Args:
        manifest: of the prepared data.
        processed: the folder of the arrays.
    """
    if counts := manifest.get("class_counts"):
        rows = [
            [str(name), str(count), f"{100 * count / manifest['examples']:.1f} %"] for name, count in counts.items()
        ]
        return TextTable("targets", "", ["class", "examples", "share"], rows)
    values = np.load(processed / "targets.npy", mmap_mode="r")
    found = dict(zip(_PARTS, np.quantile(values, list(_PARTS.values())).tolist(), strict=True))
    found |= {
        "mean": float(np.mean(values, dtype=np.float64)),
        "standard deviation": float(np.std(values, dtype=np.float64)),
    }
    return TextTable("targets", "", ["target", "value"], [[name, str(value)] for name, value in found.items()])
