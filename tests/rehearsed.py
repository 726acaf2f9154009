"""Rehearses several configurations in one process, and prints as JSON what was said of each.

A project's own Python runs it, in the project's folder. Its argument is JSON: the overrides of each, by a name.
"""

import contextlib
import importlib
import json
import multiprocessing
import os
import sys
from typing import Any

sys.path.insert(0, "src")
from reproml.cli.rehearse import composed
from reproml.errors import UserError
from reproml.verify.rehearsal.rehearse import rehearse

# These imports take longer than a training of a rehearsal. Nothing of the project is among them.
HEAVY = [
    "lightning.pytorch.loggers",
    "torchmetrics",
    "sklearn.datasets",
    "matplotlib.backends.backend_agg",
    "PIL.Image",
]
HEAVY += ["transformers.models.auto", "transformers.models.distilbert.modeling_distilbert"]  # if they are installed
# What strict pins before torch is imported
PINNED = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


def rehearsed(overrides: list[str]) -> dict[str, Any]:
    """Return the report and its lines, or why there is none."""
    lines: list[str] = []
    try:
        return {**rehearse(composed("config", overrides), lines.append).as_json(), "lines": lines}
    except UserError as error:
        return {"refused": str(error)}


def preload() -> None:
    """Import the packages, and have each fresh process forked from another one that has imported just these."""
    os.environ.update(PINNED)
    for name in HEAVY:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)
    context = multiprocessing.get_context
    context("forkserver").set_forkserver_preload(HEAVY)
    multiprocessing.get_context = lambda method=None: context("forkserver" if method == "spawn" else method)  # type: ignore[assignment]


if __name__ == "__main__":
    preload()
    with contextlib.redirect_stdout(sys.stderr):
        found = {name: rehearsed(overrides) for name, overrides in json.loads(sys.argv[1]).items()}
    print(json.dumps(found))
