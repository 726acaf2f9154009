"""The check of the configuration: unknown keys, wrong types, ranges, and values that do not fit together."""

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import fields, is_dataclass
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from . import trust
from .config import CNN, MLP, Config, Data, Search, Trainer
from .errors import ConfigError, unknown_key
from .reproducibility.integrity import finished
from .runs import CONFIG, RECORD, read_config
from .secrets import mask, refuse_in_configuration, values_from_environment
from .training.inexact import refuse_named

# The project's own networks, whose values also have ranges. signatures.py checks keys and types of every class.
_NETWORKS = {f"{__package__}.models.cnn.CNN": CNN, f"{__package__}.models.mlp.MLP": MLP}
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
    "use_distributed_sampler": "data/sampler.py",
    "plugins": "training/trainer.py",
}
# Arguments of the Trainer whose effect is not a function of the configuration.
_NOT_REPEATABLE = {
    "max_time": "stops by the clock",
    "val_check_interval": "validates by the clock",
    "overfit_batches": "replaces the keyed order (data.train_examples is the way to learn a few examples)",
    "reload_dataloaders_every_n_epochs": "builds the order anew in the middle of a training",
    "min_epochs": "outlives a signal to stop, which a resume forgets",
    "min_steps": "outlives a signal to stop, which a resume forgets",
}


def check(cfg: DictConfig, recorded: bool = False) -> Config:
    """Return the composed configuration as typed objects.

    Args:
        cfg: the configuration.
        recorded: whether it comes from a run folder. If not, it will be recorded, so it must hold no secret.

    Raises:
        ConfigError: a key is unknown or missing, a value has the wrong type, is out of range or is a secret, or a
            resumed run asks for something that this project does not know.
    """
    if cfg.get("resume") not in (None, "auto"):  # then the arguments come from a record, which anybody may have written
        trust.check_names(OmegaConf.to_container(cfg), Path(str(cfg.resume)) / RECORD)
    if not recorded:
        refuse_in_configuration(cfg)
    if "search" in cfg:
        raise ConfigError(f"this sweep is a search, not a training: python -m {__package__} tune sweep=<the same>")
    try:
        merged = OmegaConf.merge(OmegaConf.structured(Config), cfg)
        config = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise _explain(error, cfg) from error
    assert isinstance(config, Config)
    _check_ranges(config)
    network = _NETWORKS.get(str(config.model.get("_target_")))
    for group, schema in (("model", network), ("trainer", Trainer)):
        if schema is not None:
            _check_group(cfg, group, schema)
    _check_together(config)
    _check_model_file(cfg)
    if config.resume not in (None, "auto"):
        trust.check_places(config, Path(config.resume) / RECORD)
    if config.reproducibility.mode != "fast":
        _check_repeatable(config)
        _check_recorded(cfg)
    return config


def check_run(folder: str | Path | None, needs: Collection[str] = (), reads: Collection[str] = ()) -> Config:
    """Return the configuration of a finished run without trackers and callbacks, to test or serve its model.

    Args:
        folder: of the run.
        needs: files of the run that must exist, as recorded; see reproducibility/integrity.py.
        reads: files of the run that must be as recorded if they exist.

    Raises:
        ConfigError: no folder is named, it is not that of a run, its configuration is not valid here, or it asks for
            what this project does not know.
        RecordError: the run is not finished, or its configuration or one of the files is not the recorded one.
    """
    saved, path = read_config(folder), Path(str(folder))
    trust.check_links(path)
    saved.tracking, saved.callbacks = {}, {}  # so no tracker's package is needed
    trust.check_names(OmegaConf.to_container(saved), path / CONFIG)
    finished(path, needs=(CONFIG, *needs), reads=reads)
    config = check(_moved(saved, path), recorded=True)
    trust.check_places(config, path / CONFIG)
    return config


def check_search(cfg: DictConfig) -> Search:
    """Return the search that a file of configs/sweep describes.

    Raises:
        ConfigError: as in `check`.
    """
    known = [f"search.{item.name}" for item in fields(Search)]
    for key in cfg.search:
        if f"search.{key}" not in known:
            raise unknown_key(f"search.{key}", known)
    search: Search = _check_group(cfg, "search", Search)
    if not search.space:
        raise ConfigError("search.space is empty: name a key, as in training.lr: {low: 0.001, high: 0.1}")
    return search


def keys(cfg: DictConfig, group: str = "") -> Iterator[str]:
    """Yield every key of a configuration with its groups, as in `training.lr`; the groups are keys, too."""
    for name in map(str, cfg):
        yield f"{group}{name}"
        node = cfg._get_node(name)
        if isinstance(node, DictConfig) and not node._is_missing() and not node._is_none():
            yield from keys(node, f"{group}{name}.")


def _moved(saved: DictConfig, folder: Path) -> DictConfig:
    """Return the configuration of a run with `folder` as the run's, which can have been moved since."""
    before, place = OmegaConf.select(saved, "paths.run"), os.path.relpath(folder)
    if not before or not isinstance(before, str):  # the check says so
        return saved

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: moved(item) for key, item in value.items()}
        if isinstance(value, list):
            return [moved(item) for item in value]
        inside = isinstance(value, str) and (value == before or value.startswith(f"{before}/"))
        return place + value.removeprefix(before) if inside else value

    plain: Any = OmegaConf.to_container(saved)
    place_of_run = {"paths": {**plain["paths"], "run": place}}
    return OmegaConf.create({**plain, "trainer": moved(plain.get("trainer")), **place_of_run})


def _check_recorded(cfg: DictConfig) -> None:
    """Refuse values from the environment, which are not recorded, where they would decide about the result."""
    for key, text in values_from_environment(cfg).items():
        in_place = "oc.env" not in text and "paths." in text  # ${paths.run}/... says where, not what
        allowed = key.partition(".")[0] in ("tracking", "paths") or key in ("data.source", "data.remote") or in_place
        if not allowed:
            raise ConfigError(
                f"{key}={text} would decide about the result without being recorded: write the value itself, "
                "or choose reproducibility=fast"
            )


def _check_model_file(cfg: DictConfig) -> None:
    """Refuse what a model file cannot hold, since it has the group `model` alone."""
    for key, text in values_from_environment(cfg["model"]).items():
        if "oc.env" not in text:
            raise ConfigError(
                f"model.{key}={text} reads the environment through another key: write $" + "{oc.env:NAME} there"
            )


def _check_group(cfg: DictConfig, group: str, schema: type) -> Any:
    """Check the keys of an open group that its schema knows, and return them as an object of it."""
    for item in fields(schema):
        if item.name not in cfg[group]:
            raise ConfigError(f"{group}.{item.name} has no value; give it one in configs/{group}")
    known = {item.name: cfg[group][item.name] for item in fields(schema)}
    try:
        checked = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(schema), known))
    except OmegaConfBaseException as error:
        key = f"{group}.{error.full_key or error.key}"
        raise _invalid(key, OmegaConf.select(cfg, key, throw_on_resolution_failure=False), error) from error
    _check_ranges(checked, f"{group}.")
    return checked


def _explain(error: OmegaConfBaseException, cfg: DictConfig) -> ConfigError:
    key = str(error.full_key or error.key)
    if "not in" in str(error):
        groups = {item.name: item.type for item in fields(Config)}
        known = [each for each in keys(cfg) if not is_dataclass(groups.get(each.partition(".")[0]))]
        known += [f"{name}.{item.name}" for name, kind in groups.items() if is_dataclass(kind) for item in fields(kind)]
        return unknown_key(key, [*groups, *known])
    if "missing" in str(error).lower():
        return ConfigError(f"{key} has no value; give it one, for example {key}=...")
    return _invalid(key, OmegaConf.select(cfg, key, throw_on_resolution_failure=False), error)


def _invalid(key: str, value: Any, error: OmegaConfBaseException) -> ConfigError:
    reason = mask(str(error)).splitlines()[0]
    return ConfigError(f"{key}={value} is not valid: {reason}; mend the value in configs/ or on the command line")


def _check_ranges(group: Any, prefix: str = "") -> None:
    for item in fields(group):
        value, key = getattr(group, item.name), prefix + item.name
        if is_dataclass(value):
            _check_ranges(value, f"{key}.")
        elif isinstance(value, float) and not isfinite(value):
            raise ConfigError(f"{key}={value} is not a number that can be used: give a finite one")
        elif value is not None and "test" in item.metadata and not item.metadata["test"](value):
            raise ConfigError(f"{key}={value} is out of range: it must be {item.metadata['range']}")


def _check_together(config: Config) -> None:
    data, training = config.data, config.training
    if not re.fullmatch(r"[\w-]+", data.name):
        raise ConfigError(f"data.name={data.name} names a folder: use letters, digits, hyphens and underscores only")
    for name in data.files:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ConfigError(f"data.files names {name}, which leads out of paths.raw: name files inside that folder")
    if len(set(data.classes)) < max(2, len(data.classes)):
        raise ConfigError(f"data.classes={data.classes} must name at least two classes, each once")
    _check_storage(data)
    for argument, key in _SET_ELSEWHERE.items():
        if argument in config.trainer:
            raise ConfigError(f"trainer.{argument} is set by this project: use {key}")
    for key in ("devices", "num_nodes"):
        if key not in config.trainer:
            raise ConfigError(f"trainer.{key} has no value; give it one in configs/trainer")
    processes = config.trainer["devices"]
    if isinstance(processes, int) and processes > 0 and training.batch_size % (processes * config.trainer["num_nodes"]):
        raise ConfigError(
            f"training.batch_size={training.batch_size} cannot be shared equally by "
            f"{processes * config.trainer['num_nodes']} processes: choose a multiple"
        )
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
    if (config.restore.mode == "fresh") != (config.restore.run is None):
        raise ConfigError(
            f"restore={config.restore.mode} and restore.run={config.restore.run} do not fit together: "
            "name the folder of the earlier run, or choose restore=fresh"
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


def _check_repeatable(config: Config) -> None:
    """Refuse what cannot be repeated or resumed exactly."""
    mode, training = config.reproducibility.mode, config.training
    refuse_named(config)
    for key, reason in _NOT_REPEATABLE.items():
        if config.trainer.get(key) and (
            key != "val_check_interval" or not isinstance(config.trainer[key], int | float)
        ):
            raise ConfigError(
                f"trainer.{key}={config.trainer[key]} {reason}, which reproducibility={mode} excludes: leave it out, "
                "or choose reproducibility=fast"
            )
    devices, accelerator = config.trainer["devices"], config.trainer["accelerator"]
    if not isinstance(devices, int | list) or devices == -1 or accelerator not in ("cpu", "gpu", "cuda"):
        raise ConfigError(
            f"trainer.accelerator={accelerator} trainer.devices={devices} leaves the choice to the machine, which "
            f"reproducibility={mode} excludes: name cpu or gpu, and a number of devices"
        )
    if training.scheduler == "plateau":
        # Lightning skips one of its updates after a resume, so an interrupted run would not end with the same bits.
        raise ConfigError(
            f"training.scheduler=plateau cannot be resumed exactly, which reproducibility={mode} promises: "
            "choose training.scheduler=cosine, or reproducibility=fast"
        )
