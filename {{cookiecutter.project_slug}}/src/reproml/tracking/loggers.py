"""The trackers that `configs/tracking` names, for the training and for what comes after it."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from ..config.schema import Config
from ..launch import rank
from ..runs import tracked
from ..runs.integrity import EVERYTHING
from ..secrets import masked
from .names import run_name
from .resilient import ResilientLogger
from .tracked_run import TrackedRun

# How a tracker is told to continue a run. TensorBoard needs nothing: it adds a file to its folder in the run folder.
_GO_ON = {"mlflow": "run_id", "wandb": "id"}
# What it calls the name of a run
_NAME = {"mlflow": "run_name", "wandb": "name"}
_WAIT = 60.0  # seconds


def build_loggers(trackers: dict[str, Any], public_config: dict[str, Any], folder: Path) -> list[Logger]:
    """Start the configured trackers and give each the configuration, which holds no secret.

    A run that is resumed in its `folder` continues the trackers' runs too. A tracker that cannot be reached is left
    out, with a warning.
    """
    loggers = []
    for name, tracker in trackers.items():
        settings = dict(tracker)
        wait = float(settings.pop("wait_seconds", _WAIT))
        build = partial(build_logger, name, settings, folder) if rank() == 0 else None
        guarded = ResilientLogger(name, build, folder, wait)
        guarded.start(masked(public_config))
        loggers.append(guarded)
    return loggers  # type: ignore[return-value]


def build_logger(name: str, settings: dict[str, Any], folder: Path) -> Any:
    """Return a tracker's own logger. It continues the tracker's run that the run in `folder` has, if it has one."""
    run = tracked.read(folder).get(name)
    going_on = {_GO_ON[name]: run} if run and name in _GO_ON else {}
    named = {_NAME[name]: run_name(folder)} if name in _NAME and _NAME[name] not in settings else {}
    return instantiate(settings, **going_on, **named)


@rank_zero_only
def send(config: Config, loggers: Sequence[Logger]) -> None:
    """Give the run that this process has finished to the trackers: its metrics, figures, files and model."""
    guarded = [logger for logger in loggers if isinstance(logger, ResilientLogger)]
    if guarded:
        run = TrackedRun.read(Path(config.paths.run), reads=EVERYTHING, trained_with=config)
        for logger in guarded:
            logger.finish(run)
