"""Values that do not fit together, and settings that cannot be repeated, resumed or recorded exactly."""

import re
from importlib.util import find_spec
from pathlib import Path

from omegaconf import DictConfig

from ..errors import ConfigError
from ..secrets import is_private, values_from_environment
from .hardware import check_same_bits, check_strategy
from .inexact import refuse_named
from .own import is_own
from .schema import Config, Data, OwnConfig

# Arguments of Lightning's Trainer that this project sets from keys of its own.
_SET_ELSEWHERE = {
    "max_epochs": "training.epochs",
    "gradient_clip_val": "training.gradient_clip",
    "accumulate_grad_batches": "training.accumulate",
    "deterministic": "reproducibility",
    "benchmark": "reproducibility",
    "callbacks": "callbacks",
    "logger": "tracking",
    "default_root_dir": "hydra.run.dir",
    "fast_dev_run": "debug=fast",
    "num_sanity_val_steps": "debug=fast",
    "use_distributed_sampler": "training/keyed.py",
    "plugins": "training/trainer.py",
}
# Arguments of the Trainer whose effect is not a function of the configuration.
_NOT_REPEATABLE = {
    "max_time": "stops by the clock",
    "val_check_interval": "validates by the clock",
    "overfit_batches": "replaces the keyed order (data.train_examples is the way to learn a few examples)",
    "reload_dataloaders_every_n_epochs": "rebuilds the loaders in the middle of a training",
    "min_epochs": "continues after a signal to stop, and a resume does not know that",
    "min_steps": "continues after a signal to stop, and a resume does not know that",
}


_SKIPPING = ("finetune", "warmstart")  # restore=continue takes over everything


def check_together(config: Config) -> None:
    """Check values against each other, and against what is installed.

    Raises:
        ConfigError: naming the keys, their values and the fix.
    """
    for name, place in config.inputs.items():
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise ConfigError(f"inputs.{name}={place}: use letters, digits, hyphens and underscores only in the name")
        if not place or is_private(Path(place)) or is_private(Path(place).resolve()):
            raise ConfigError(
                f"inputs.{name}={place} is named like a file with secrets, and the record would show its digest: "
                "name a file or folder without secrets"
            )
    for argument, key in _SET_ELSEWHERE.items():
        if argument in config.trainer:
            raise ConfigError(f"trainer.{argument} is set by this project: use {key}")
    for key in ("devices", "num_nodes"):
        if key not in config.trainer:
            raise ConfigError(f"trainer.{key} has no value; give it one in configs/trainer")
    check_strategy(config)
    for argument, use in (
        ("limit_train_batches", "train on"),
        ("max_steps", "train"),
        ("limit_test_batches", "test, as each run does at its end"),
    ):
        if config.trainer.get(argument) == 0:
            raise ConfigError(f"trainer.{argument}={config.trainer[argument]} leaves nothing to {use}: give 1 or more")
    if not isinstance(config, OwnConfig):
        _check_arrays(config)
    for group in ("callbacks", "tracking"):
        for name, settings in getattr(config, group).items():
            if not isinstance(settings, dict) or "_target_" not in settings:
                raise ConfigError(
                    f"{group}.{name}={settings} names no class: give it a _target_, or remove it with ~{group}.{name}"
                )
    for package in config.tracking:  # each tracker is named like the package that it needs
        if find_spec(package) is None:
            raise ConfigError(
                f"tracking={package} needs the package {package}, which is not installed: pip install -e '.[{package}]'"
            )
    if (config.restore.mode == "fresh") != (config.restore.run is None):
        raise ConfigError(
            f"restore={config.restore.mode} and restore.run={config.restore.run} do not fit together: "
            "name the folder of the earlier run, or choose restore=fresh"
        )
    if config.restore.skip and config.restore.mode not in _SKIPPING:
        raise ConfigError(
            f"restore.skip={config.restore.skip} changes nothing with restore={config.restore.mode}: leave it out, or "
            f"choose restore={' or restore='.join(_SKIPPING)}"
        )


def _check_arrays(config: Config) -> None:
    """Check the keys of prepared arrays, and how processes share their batches."""
    data, training = config.data, config.training
    devices, nodes = config.trainer["devices"], config.trainer["num_nodes"]
    if not re.fullmatch(r"[\w-]+", data.name):
        raise ConfigError(f"data.name={data.name} names a folder: use letters, digits, hyphens and underscores only")
    for name in data.files:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ConfigError(f"data.files names {name}, which leads out of paths.raw: name files inside that folder")
    data.targets.check(data.split, str(config.trainer.get("precision")))
    _check_storage(data)
    if isinstance(devices, int) and devices > 0 and training.batch_size % (devices * nodes):
        raise ConfigError(
            f"training.batch_size={training.batch_size} cannot be shared equally by "
            f"{devices * nodes} processes: choose a multiple"
        )
    if data.validation_fraction + data.test_fraction >= 1:
        raise ConfigError(
            f"data.validation_fraction={data.validation_fraction} and data.test_fraction={data.test_fraction} "
            "leave nothing to train on: their sum must be below 1"
        )
    if (data.folds is None) != (data.fold is None) or (data.folds or 0) <= (data.fold or -1):
        raise ConfigError(
            f"data.folds={data.folds} and data.fold={data.fold} do not fit together: give both, "
            "and count the folds from 0, as in data.folds=5 data.fold=4"
        )
    if data.split == "given" and data.folds is not None:
        raise ConfigError(
            f"data.folds={data.folds} draws its own validation, but with data.split=given the data decides: "
            "set data.folds=null data.fold=null, or choose another data.split"
        )
    mixed = "mixed" in str(config.trainer.get("precision"))
    if mixed and training.optimizer.get("fused") and training.gradient_clip is not None:
        raise ConfigError(
            f"training.optimizer.fused=true scales the gradients itself, so training.gradient_clip="
            f"{training.gradient_clip} cannot clip them with trainer.precision={config.trainer['precision']}: leave "
            "one of the three out"
        )
    if training.optimizer.get("lr") not in (None, training.lr):
        raise ConfigError(
            f"training.optimizer.lr={training.optimizer['lr']} is not training.lr={training.lr}, by which cards, "
            "trackers and searches know the learning rate: set training.lr, and lr: ${training.lr} in "
            "configs/training/optimizer"
        )


def _check_storage(data: Data) -> None:
    """Check the keys of data beyond memory against each other."""
    if data.window is not None and data.shard_bytes is None:
        raise ConfigError(
            f"data.window={data.window} counts shards, and there is one file: set data.shard_bytes=67108864 too, "
            "or data.window=null"
        )
    if data.storage == "arrow" and data.window is None:
        raise ConfigError(
            f"data.storage=arrow is read shard by shard, but data.window={data.window}: "
            "choose storage=stream, which sets both, or data.storage=npy"
        )
    if data.storage == "arrow" and find_spec("datasets") is None:
        raise ConfigError(
            "data.storage=arrow needs the package datasets, which is not installed: pip install -e '.[stream]'"
        )
    if data.remote is not None and data.storage != "arrow":
        raise ConfigError(
            f"data.remote={data.remote} is read as a stream, but data.storage={data.storage}: set data.storage=arrow, "
            "or data.remote=null"
        )


def check_repeatable(config: Config) -> None:
    """Refuse what cannot be repeated or resumed exactly.

    Raises:
        ConfigError: naming the key and what to choose instead.
    """
    mode = config.reproducibility.mode
    refuse_named(config)
    for key, reason in _NOT_REPEATABLE.items():
        if config.trainer.get(key) and (
            key != "val_check_interval" or not isinstance(config.trainer[key], int | float)
        ):
            raise ConfigError(
                f"trainer.{key}={config.trainer[key]} {reason}, which reproducibility={mode} excludes: leave it out, "
                "or choose reproducibility=fast"
            )
    check_same_bits(config)


def check_recorded(cfg: DictConfig) -> None:
    """Refuse values from the environment, which are not recorded, where they would decide about the result.

    Raises:
        ConfigError: naming the key and the text that reads the environment.
    """
    places = () if is_own(cfg) else ("data.source", "data.remote")
    for key, text in values_from_environment(cfg).items():
        in_place = "oc.env" not in text and "paths." in text  # ${paths.run}/... says where, not what
        allowed = key.partition(".")[0] in ("tracking", "paths") or key in places or in_place
        if not allowed:
            raise ConfigError(
                f"{key}={text} would decide about the result without being recorded: write the value itself, "
                "or choose reproducibility=fast"
            )


def check_model_file(cfg: DictConfig) -> None:
    """Refuse what a model file cannot hold, since it has the group `task` alone, or `task` and `model`.

    Raises:
        ConfigError: naming the key and the text that reads the environment.
    """
    for group in ("task",) if is_own(cfg) else ("task", "model"):
        for key, text in values_from_environment(cfg[group]).items():
            if "oc.env" not in text:
                raise ConfigError(
                    f"{group}.{key}={text} reads the environment through another key: write $" + "{oc.env:NAME} there"
                )
