"""What is searched, and the check of it before any trial."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from optuna import Trial

from ..check import check, check_search
from ..config import Parameter, Search
from ..errors import ConfigError
from ..secrets import refuse_in

_SET_HERE = ("hydra", "paths.run", "resume")  # a trial is a new run in a folder of the study


def read(overrides: list[str]) -> tuple[Search, int, list[str]]:
    """Return the search that `sweep=NAME` names, the seed, and the overrides that all trials share.

    Raises:
        ConfigError: there is no search, or a trial at an end of a range would be refused.
    """
    refuse_in(overrides)
    for override in overrides:
        key = override.partition("=")[0]
        if "=" not in override or not key[:1].isalpha() or key.startswith(_SET_HERE):
            raise ConfigError(f"{override} cannot be given to tune: give key=value, and not hydra, paths.run or resume")
    shared = [override for override in overrides if not override.startswith("sweep=")]
    cfg = _composed(overrides)
    if "search" not in cfg:
        raise ConfigError(f"sweep={' '.join(set(overrides) - set(shared)) or 'null'} is no search: give sweep=search")
    search = check_search(cfg)
    for key, parameter in search.space.items():
        _check_parameter(key, parameter)
        if any(override.partition("=")[0] == key for override in shared):
            raise ConfigError(f"{key} is given and searched: leave it out, or take it from search.space")
    first = {key: ends(parameter)[0] for key, parameter in search.space.items()}
    for key, parameter in search.space.items():
        for value in ends(parameter):
            check(_composed([*shared, *as_overrides({**first, key: value})]))
    return search, cfg.seed, shared


def ends(parameter: Parameter) -> list[Any]:
    """Return the values that are tried before the search: all choices, or both ends of the range."""
    return parameter.choices or [parameter.low, parameter.high]


def suggest(trial: Trial, space: dict[str, Parameter]) -> dict[str, Any]:
    """Return the settings that the sampler chose for a trial."""
    for key, parameter in space.items():
        low, high, step = parameter.low, parameter.high, parameter.step
        if parameter.choices:
            trial.suggest_categorical(key, parameter.choices)
        elif isinstance(low, int) and isinstance(high, int):
            trial.suggest_int(key, low, high, step=int(step or 1), log=parameter.log)
        else:
            assert low is not None and high is not None
            trial.suggest_float(key, low, high, step=step, log=parameter.log)
    return trial.params


def as_overrides(settings: dict[str, Any]) -> list[str]:
    """Return settings as arguments of train.py. Texts are Hydra's, so that a choice can be `[64,64]` or a group's."""
    return [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in settings.items()]


def _check_parameter(key: str, parameter: Parameter) -> None:
    name, low, high = f"search.space.{key}", parameter.low, parameter.high
    if parameter.choices is not None:
        if low is not None or high is not None or len(set(parameter.choices)) < 2:
            raise ConfigError(f"{name}.choices={parameter.choices} must be two values or more, without low and high")
    elif low is None or high is None or low >= high:
        raise ConfigError(f"{name} has low={low} and high={high}: give both, low below high, or choices")
    elif parameter.log and (low <= 0 or parameter.step is not None):
        raise ConfigError(f"{name}.log=true needs low above 0 and no step: it has low={low}, step={parameter.step}")


def _composed(overrides: Iterable[str]) -> DictConfig:
    with initialize_config_dir(str(Path("configs").resolve()), version_base="1.3"):
        return compose("config", overrides=list(overrides))
