"""Runs of one sweep belong together in a tracker."""

from pathlib import Path


def sweep_of(folder: Path) -> Path | None:
    """Return the folder of the sweep that a run is part of, where Hydra has left its `multirun.yaml`."""
    return folder.parent if (folder.parent / "multirun.yaml").exists() else None
