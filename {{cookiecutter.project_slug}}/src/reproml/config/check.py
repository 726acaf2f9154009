"""The check of the configuration: unknown keys, wrong types, ranges; combinations.py has what does not fit together."""

from collections.abc import Iterator
from dataclasses import MISSING, asdict, fields, is_dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ..errors import ConfigError, unknown_key
from ..names import RECORD
from ..secrets import mask, refuse_in_configuration
from . import resolvers as _resolvers  # noqa: F401  (configs/ need them wherever they are composed)
from . import trust
from .combinations import check_model_file, check_recorded, check_repeatable, check_together
from .own import check_own, is_own
from .schema import Config, OwnConfig, Schedule, Search, Trainer, Training

_CLASSES = tuple(f"training.{item.name}" for item in fields(Training) if item.type == dict[str, Any])


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
        raise ConfigError("this sweep is a search, not a training: python -m reproml tune sweep=<the same>")
    _refuse_names(cfg)
    check_own(cfg, recorded)
    schema = OwnConfig if is_own(cfg) else Config
    try:
        merged = OmegaConf.merge(OmegaConf.structured(schema), cfg)
        config = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise _explain(error, cfg, schema) from error
    assert isinstance(config, Config)
    _check_ranges(config)
    _check_group(cfg, "trainer", Trainer)
    _check_group(cfg, "training.scheduler", Schedule)
    check_together(config)
    check_model_file(cfg)
    if config.resume not in (None, "auto"):
        trust.check_places(config, Path(config.resume) / RECORD)
        trust.check_inputs(config.inputs, Path(config.resume) / RECORD)
        trust.check_arguments(asdict(config), Path(config.resume) / RECORD)
    if config.reproducibility.mode != "fast":
        check_repeatable(config)
        check_recorded(cfg)
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


def _check_group(cfg: DictConfig, group: str, schema: type) -> Any:
    """Check the keys of an open group that its schema knows, and return them as an object of it."""
    given = OmegaConf.select(cfg, group)
    for item in fields(schema):
        if item.name not in given and item.default is MISSING and item.default_factory is MISSING:
            raise ConfigError(f"{group}.{item.name} has no value; give it one in configs/{group}")
    known = {item.name: given[item.name] for item in fields(schema) if item.name in given}
    try:
        checked = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(schema), known))
    except OmegaConfBaseException as error:
        key = f"{group}.{error.full_key or error.key}"
        raise _invalid(key, OmegaConf.select(cfg, key, throw_on_resolution_failure=False), error) from error
    _check_ranges(checked, f"{group}.")
    return checked


def _refuse_names(cfg: DictConfig) -> None:
    """Refuse a name where a class belongs, as `training.optimizer=sgd` was written in earlier versions."""
    for key in _CLASSES:
        if isinstance(value := OmegaConf.select(cfg, key, throw_on_resolution_failure=False), str):
            file = key.replace(".", "/")
            raise ConfigError(
                f"{key}={value} is a name, where a class and its arguments belong: choose a file of configs/{file}, "
                f"as in {file}={value}"
            )


def _explain(error: OmegaConfBaseException, cfg: DictConfig, schema: type[Config]) -> ConfigError:
    key = str(error.full_key or error.key)
    if "not in" in str(error):
        groups = {item.name: item.type for item in fields(schema)}
        known = [
            each
            for each in keys(cfg)
            if each.startswith(_CLASSES) or not is_dataclass(groups.get(each.partition(".")[0]))
        ]
        known += [f"{name}.{item.name}" for name, kind in groups.items() if is_dataclass(kind) for item in fields(kind)]
        return unknown_key(key, [*groups, *known])
    if "missing" in str(error).lower():
        return ConfigError(f"{key} has no value: give it one in {_place(key)}, or on the command line, {key}=...")
    return _invalid(key, OmegaConf.select(cfg, key, throw_on_resolution_failure=False), error)


def _place(key: str) -> str:
    """Return where a key of ours stands in configs/."""
    group = key.rpartition(".")[0]
    return f"configs/{group.replace('.', '/')}" if group else "configs/config.yaml"


def _invalid(key: str, value: Any, error: OmegaConfBaseException) -> ConfigError:
    reason = mask(str(error)).splitlines()[0]
    return ConfigError(f"{key}={value} is not valid: {reason}; fix the value in configs/ or on the command line")


def _check_ranges(group: Any, prefix: str = "") -> None:
    for item in fields(group):
        value, key = getattr(group, item.name), prefix + item.name
        if is_dataclass(value):
            _check_ranges(value, f"{key}.")
        elif isinstance(value, float) and not isfinite(value):
            raise ConfigError(f"{key}={value} is not a number that can be used: give a finite one")
        elif value is not None and "test" in item.metadata and not item.metadata["test"](value):
            raise ConfigError(f"{key}={value} is out of range: it must be {item.metadata['range']}")
