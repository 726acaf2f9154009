"""Give a finished run to a tracker later: one that was down, or one that the run did not have."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ..config import trust
from ..errors import ConfigError, TrackerError
from ..names import CONFIG
from ..runs import tracked
from ..runs.folder import read_config
from ..runs.integrity import EVERYTHING
from ..secrets import masked, public
from . import failures
from .loggers import build_logger
from .tracked_run import TrackedRun


def sync(folder: Path, trackers: Sequence[str] = ()) -> list[str]:
    """Send everything that a tracker lacks of a finished run, and return a sentence for each tracker.

    Args:
        folder: of the run.
        trackers: their names; none: those that have missed something, else those that the run has.

    Raises:
        RecordError: the run is not finished.
        ConfigError: a tracker is not known.
        TrackerError: a tracker cannot be reached, or refuses what it is sent.
    """
    run = TrackedRun.read(folder, reads=EVERYTHING)
    config = read_config(str(folder))
    names = list(trackers or tracked.missed(folder) or [str(name) for name in config.tracking])
    if not names:
        raise ConfigError(f"{folder} was not tracked: name a tracker, such as --to mlflow")
    return [_send(name, config, run) for name in names]


def _send(name: str, config: DictConfig, run: TrackedRun) -> str:
    logger = None
    try:
        logger = build_logger(name, _settings(name, config, run.folder), run.folder)
        tracked.note(run.folder, name, str(logger.version))
        logger.log_hyperparams(masked(public(config)))
        logger.send(run)
        logger.finalize("success")
    except Exception as error:
        if not failures.is_of_tracker(error):
            raise
        raise TrackerError(
            f"{name} did not accept {run.folder} ({failures.named(error)}): "
            f"nothing is lost, so run sync again when {name} answers"
        ) from error
    tracked.note_sent(run.folder, name)
    return f"{name} has {run.folder} now, as {logger.version}"


def _settings(name: str, config: DictConfig, folder: Path) -> dict[str, Any]:
    """Return the settings that configs/ have for the tracker. Others in the run's folder may be anybody's.

    Raises:
        ConfigError: configs/ do not have the tracker, or the run has settings of it that they do not have.
    """
    files = {file.stem: file for file in Path("configs/tracking").glob("*.yaml") if file.stem != "none"}
    if name not in files and not (trust.given() and name in config.tracking):
        raise ConfigError(f"{name} is not a tracker of this project: choose one of {', '.join(sorted(files))}")
    ours: Any = OmegaConf.to_container(OmegaConf.load(files[name])) if name in files else {}
    whole: Any = OmegaConf.to_container(OmegaConf.merge(config, {"paths": {"run": str(folder)}, "tracking": ours}))
    tracker = whole["tracking"][name]
    more = [key for key in tracker if key not in ours.get(name, {})]
    if more and not trust.given():
        raise ConfigError(
            f"{folder / CONFIG} asks for tracking.{name}.{more[0]}={tracker[more[0]]}, which {files[name]} does not "
            f"have: write it there, or add {trust.FLAG} if you trust its author"
        )
    whole |= {"tracking": {name: tracker}, "callbacks": {}}
    trust.check_names(whole, folder / CONFIG)
    settings: Any = OmegaConf.to_container(OmegaConf.create(whole).tracking[name], resolve=True)
    settings.pop("wait_seconds", None)
    if settings.get("mode") == "offline":
        settings["mode"] = "online"
    return dict(settings)
