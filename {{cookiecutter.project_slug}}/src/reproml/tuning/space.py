"""What is searched, and the check of it before any trial."""

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import OverrideType
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from optuna import Trial

from ..config.arguments import parsed, refuse_no_choice
from ..config.check import check, check_search
from ..config.composing import composed
from ..config.own import is_own, refuse_unused
from ..config.schema import Parameter, Search
from ..config.signatures import check_signatures
from ..errors import ConfigError
from ..runs.inputs import digests
from ..runs.named import named_files
from ..secrets import refuse_in


def read(overrides: list[str]) -> tuple[Search, int, list[str]]:
    """Return the search, the seed, and the overrides that all trials share.

    Args:
        overrides: `sweep=NAME`, which names the search, its keys, such as `search.trials=50`, and those of the trials.

    Raises:
        ConfigError: there is no search, or a trial at an end of a range would be refused.
    """
    refuse_in(overrides)
    given = parsed(overrides)
    for item in given:
        if item.type is not OverrideType.CHANGE or _is_set_here(str(item.key_or_group)):
            raise ConfigError(
                f"{item.input_line} cannot be given to tune: give key=value, and not hydra, paths.run or resume"
            )
    refuse_no_choice(given)
    sweeps = [str(item.input_line) for item in given if item.key_or_group == "sweep"]
    shared = [str(item.input_line) for item in given if not re.match(r"sweep$|search\.", str(item.key_or_group))]
    taken = {item.key_or_group for item in given}
    if "search" not in _composed([*sweeps, *shared]):
        raise ConfigError(f"{' '.join(sweeps) or 'sweep=null'} is not a search: give sweep=search")
    cfg = _composed(overrides)
    search = check_search(cfg)
    if settings(overrides) != settings(shared):
        raise ConfigError(
            f"{' '.join(sweeps)} sets more than search, and trials ignore the rest: "
            "put the other keys on the command line or into an experiment"
        )
    if is_own(cfg):
        refuse_unused(cfg, search.space)
    elif not search.metric.startswith(("train/", "val/")):
        raise ConfigError(f"search.metric={search.metric} is not a metric of an epoch: write it as in val/loss")
    for key, parameter in search.space.items():
        _check_parameter(key, parameter)
        if _is_set_here(key):
            raise ConfigError(f"search.space.{key} cannot be searched: each trial has its own folder")
        if key in taken:
            raise ConfigError(f"{key} is both given and searched: leave it out, or remove it from search.space")
    first = {key: ends(parameter)[0] for key, parameter in search.space.items()}
    for key, parameter in search.space.items():
        for value in ends(parameter):
            check_signatures(check(_composed([*shared, *as_overrides({**first, key: value})])))
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
        if any(isinstance(choice, list | dict) for choice in parameter.choices):
            raise ConfigError(f'{name}.choices={parameter.choices}: write lists as texts, as in "[64,64]"')
        if low is not None or high is not None or len(set(parameter.choices)) < 2:
            raise ConfigError(f"{name}.choices={parameter.choices} must be two values or more, without low and high")
    elif low is None or high is None or low >= high:
        raise ConfigError(f"{name} has low={low} and high={high}: give both, low below high, or choices")
    elif isinstance(low, int) and isinstance(high, int) and int(parameter.step or 1) != (parameter.step or 1):
        raise ConfigError(f"{name}.step={parameter.step} must be a whole number, as low={low} and high={high} are")
    elif parameter.log and (low <= 0 or parameter.step is not None):
        raise ConfigError(f"{name}.log=true needs low above 0 and no step: it has low={low}, step={parameter.step}")


def _is_set_here(key: str) -> bool:
    """Whether a key belongs to the search: a trial is a new run in a folder of the study."""
    return key in ("paths", "paths.run", "resume") or key.startswith("hydra")


def settings(overrides: Iterable[str]) -> dict[str, Any]:
    """Return the configuration of train.py with these arguments, in plain types, without what is searched."""
    plain = OmegaConf.to_container(_composed(overrides))
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items() if key != "search"}


def files(overrides: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of what all trials read besides data whose digests are in configs/, by name.

    These are the inputs, and the files that arguments of the user's own data and task name.

    Raises:
        ConfigError: one is not there, or cannot be read.
    """
    cfg = _composed(overrides)
    inputs: Any = OmegaConf.to_container(cfg.inputs, resolve=True)
    found = digests(inputs)
    if is_own(cfg):
        for group in ("data", "task"):
            with suppress(OmegaConfBaseException):  # it refers to the folder of a run
                settings: Any = OmegaConf.to_container(cfg[group], resolve=True)
                found |= named_files(settings, but=map(Path, inputs.values()))
    return found


def _composed(overrides: Iterable[str]) -> DictConfig:
    return composed("config", list(overrides))
