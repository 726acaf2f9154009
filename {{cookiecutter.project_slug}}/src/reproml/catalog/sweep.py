"""The table at the end of a sweep."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from ..runs.folder import run_folders
from ..secrets import mask
from .entries import read_entry
from .table import SWEEP_COLUMNS, in_order, print_table


class SweepTable(Callback):
    """Prints the runs of a sweep, the best result first. configs/config.yaml adds it to Hydra's callbacks."""

    def on_multirun_end(self, config: DictConfig, **named: Any) -> None:
        """Print the table."""
        folder = Path(config.hydra.sweep.dir)
        runs = [read_entry(each) for each in run_folders(folder)]
        shared = set.intersection(*(set(each.settings) for each in runs)) if len(runs) > 1 else set()
        runs = [replace(each, settings=tuple(own for own in each.settings if own not in shared)) for each in runs]
        if runs:
            ordered, _ = in_order(runs, "result")
            print(mask(f"\n{len(runs)} runs in {folder}, best result first:"))
            print_table(ordered, SWEEP_COLUMNS)
