"""The short training of a rehearsal: the configuration of the real one, cut to a few batches and three epochs."""

import shutil
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from ...config.check import check
from ...config.schema import Config
from ...config.trust import written
from ...config.trust.names import last
from ...errors import ConfigError
from ...secrets import public

EPOCHS = 3  # what a callback has lost by an interruption of the second one shows in the third, if not before
_BATCHES = 4  # of an epoch, at least
_VALIDATED = 2  # batches of a validation, and of the test
_WRITES = ("dirpath", "folder", "save_dir")  # a folder under these keys is written to, and never read


@dataclass(frozen=True)
class Short:
    """A configuration cut short.

    Args:
        config: the checked configuration.
        settings: the same in plain types, without secrets; it goes into checkpoints.
        tracked: whether the real training has a tracker, so that callbacks find a logger here too.
    """

    config: Config
    settings: dict[str, Any]
    tracked: bool


def refuse_inexact(cfg: DictConfig) -> None:
    """Refuse what no rehearsal can prove.

    Raises:
        ConfigError: naming the key and the fix.
    """
    if cfg.get("resume") not in (None, "auto"):
        raise ConfigError(f"resume={cfg.resume} would resume a run, but a rehearsal starts from scratch: leave it out")
    if cfg.restore.mode == "continue":
        raise ConfigError(
            f"restore=continue continues the epochs of {cfg.restore.run}, and a rehearsal has only a few of its "
            "own: rehearse with restore=fresh"
        )
    if cfg.reproducibility.mode == "fast":
        raise ConfigError(
            "reproducibility=fast guarantees no bits, so there is nothing to prove: choose reproducibility=strict"
        )


def shortened(cfg: DictConfig, run: Path, seed: int) -> Short:
    """Return the configuration of a short training in a folder.

    Args:
        cfg: of the real training, as it is composed.
        run: where the training writes. Whatever else the settings of a class name as such a place is moved into it.
        seed: of the training.

    Raises:
        ConfigError: as in `check`.
    """
    short = deepcopy(cfg)
    with read_write(short), open_dict(short):
        tracked = bool(short.tracking)
        short.tracking, short.resume, short.seed, short.paths.run = {}, None, seed, str(run)
        short.training.epochs = EPOCHS
        _limit(short)
        _save_and_note_often(short, run)
        _move_into(short, run)
    config, settings = check(short), public(short)
    settings.pop("resume", None)
    return Short(config, settings, tracked)


def processes(cfg: DictConfig) -> int:
    """Return how many processes the real training has. A rehearsal has one."""
    devices = cfg.trainer.devices
    each = devices if isinstance(devices, int) else len(devices)
    return int(each * cfg.trainer.num_nodes)


def _limit(cfg: DictConfig) -> None:
    trainer = cfg.trainer
    if processes(cfg) > 1:
        trainer.strategy, trainer.num_nodes = "auto", 1
        trainer.devices = 1 if isinstance(trainer.devices, int) else trainer.devices[:1]
    # two steps of the optimizer, and batches after the second: no resume point is saved between those of one step
    batches = max(_BATCHES, 2 * cfg.training.accumulate + 1)
    for key, most in (
        ("limit_train_batches", batches),
        ("limit_val_batches", _VALIDATED),
        ("limit_test_batches", _VALIDATED),
    ):
        given = trainer.get(key)
        if given != 0 and not (isinstance(given, int) and given < most):
            trainer[key] = most
    if isinstance(interval := trainer.get("val_check_interval"), int) and interval > batches:
        trainer.val_check_interval = batches // 2
    if (trainer.get("check_val_every_n_epoch") or 1) > 1:
        trainer.check_val_every_n_epoch = 1
    trainer.log_every_n_steps = 1


def _save_and_note_often(cfg: DictConfig, run: Path) -> None:
    """Have resume points saved after every batch that can have one, and the weights of every step noted."""
    from ...training.resume import ResumePoint
    from ...training.step_trace import StepTrace
    from .witness import EveryBatch

    noted = False
    for settings in cfg.callbacks.values():
        named = get_object(settings._target_)
        if isinstance(named, type) and issubclass(named, ResumePoint):
            settings.every_seconds = 0
            if named is ResumePoint:
                settings._target_ = f"{EveryBatch.__module__}.{EveryBatch.__name__}"
        if isinstance(named, type) and issubclass(named, StepTrace):
            settings.every_n_steps, noted = 1, True
    if not noted:
        target = f"{StepTrace.__module__}.{StepTrace.__name__}"
        cfg.callbacks.rehearsed_trace = {"_target_": target, "folder": str(run), "every_n_steps": 1}


def _move_into(cfg: DictConfig, run: Path) -> None:
    """Move whatever callbacks and trainer write elsewhere into the run folder. Of a file, they get a copy."""
    groups: Any = {key: OmegaConf.to_container(cfg[key], resolve=True) for key in ("paths", "callbacks", "trainer")}
    for key, value in written(groups).items():
        if key.startswith("paths.") or last(key) == "filename" or Path(value).resolve().is_relative_to(run.resolve()):
            continue
        path, inside = Path(value), run / "elsewhere" / key
        if path.is_dir() and last(key) not in _WRITES:
            continue
        if path.is_file():
            inside.mkdir(parents=True, exist_ok=True)
            inside = Path(shutil.copy(path, inside))
        OmegaConf.update(cfg, key, str(inside))
