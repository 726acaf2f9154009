"""Checks groups with a `_target_` against the signature of what they name: its arguments and their types.

This imports what they name, and so torch. Except for trackers, the training needs all of it anyway.
"""

import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from hydra.utils import get_object
from pydantic import PydanticUserError, TypeAdapter, ValidationError

from .config import Config, OwnConfig
from .errors import ConfigError, unknown_key

_OF_HYDRA = ("_target_", "_args_", "_partial_", "_recursive_", "_convert_")
_OF_THE_DATA = ("input_shape", "classes")  # what models/classifier.py gives each network
_OF_EACH_TRACKER = ("wait_seconds",)  # what tracking/loggers.py reads itself


def check_signatures(config: Config) -> None:
    """Check the groups that name classes.

    Raises:
        ConfigError: a class cannot be imported, does not take a given key or value, or needs one that is missing.
    """
    if isinstance(config, OwnConfig):
        _check_own(config)
    else:
        _check("model", config.model, given=_OF_THE_DATA)
    _check("trainer", config.trainer)
    for name, callback in config.callbacks.items():
        _check(f"callbacks.{name}", callback)
    for name, tracker in config.tracking.items():
        _check(f"tracking.{name}", {key: value for key, value in tracker.items() if key not in _OF_EACH_TRACKER})


def _check_own(config: OwnConfig) -> None:
    from lightning import LightningDataModule, LightningModule

    for group, settings, base in (
        ("data", config.data, LightningDataModule),
        ("task", config.task, LightningModule),
    ):
        target = settings["_target_"]
        _parameters(group, target)  # which says so where it cannot be imported
        named = get_object(target)
        if isinstance(named, type) and not issubclass(named, base):  # what a function returns, training/build.py checks
            raise ConfigError(
                f"{group}._target_={target} is no {base.__name__}: derive it from lightning.{base.__name__}"
            )
        _check(group, settings)


def _check(group: str, settings: Any, given: Iterable[str] = ()) -> None:
    if not isinstance(settings, dict) or "_target_" not in settings:
        raise ConfigError(f"{group} names no class: give it a _target_, as in package.module.Class")
    target = settings["_target_"]
    arguments = {key: value for key, value in settings.items() if key not in _OF_HYDRA}
    parameters = _parameters(group, target)
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    names = [name for name, each in parameters.items() if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    for name in given:
        if name not in names and not takes_any:
            raise ConfigError(f"{group}={target} does not take {name}, which it will be given: add it to its arguments")
    own = [name for name in names if name not in given]
    for key, value in arguments.items():
        if key not in own and not takes_any:
            raise unknown_key(f"{group}.{key}", [f"{group}.{name}" for name in own], f"an argument of {target}")
        if key in own:
            _check_type(f"{group}.{key}", value, parameters[key], target)
    missing = [name for name in own if parameters[name].default is inspect.Parameter.empty and name not in arguments]
    if missing and not settings.get("_args_") and not settings.get("_partial_"):
        raise ConfigError(f"{group}.{missing[0]} has no value, but {target} needs one: set it in configs/")
    if settings.get("_recursive_", True):
        for key, nested in _nested(group, arguments):
            _check(key, nested)


def _parameters(group: str, target: str) -> Mapping[str, inspect.Parameter]:
    """Return the arguments of a class or function, by name."""
    try:
        named: Callable[..., Any] = get_object(target)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"{group}._target_={target} cannot be imported: name a class, as in package.module.Class ({reason})"
        ) from error
    try:
        return inspect.signature(named, eval_str=True).parameters
    except NameError:  # a type that is imported for type checkers only
        return inspect.signature(named).parameters
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{group}._target_={target} cannot be called: name a class or a function") from error


def _check_type(key: str, value: Any, parameter: inspect.Parameter, target: str) -> None:
    """Refuse a value that does not have the declared type. Types that YAML cannot hold are left to the class."""
    declared = parameter.annotation
    if declared is parameter.empty or isinstance(declared, str) or value == parameter.default or _builds(value):
        return
    try:
        TypeAdapter(declared).validate_json(json.dumps(value), strict=True)  # in JSON a list may be a tuple, say
    except ValidationError as error:
        kind = inspect.formatannotation(declared).replace("collections.abc.", "")
        raise ConfigError(f"{key}={value} is not valid: {target} takes {kind} there") from error
    except (PydanticUserError, NameError, TypeError):
        return  # it is not a plain type


def _builds(value: Any) -> bool:
    """Whether an object is built from a value, or a part of it."""
    return any(True for _ in _nested("", {"": value}))


def _nested(group: str, value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the settings of the objects that Hydra builds for an argument, with their keys."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        if isinstance(item, dict) and "_target_" in item:
            yield f"{group}.{name}", item
        else:
            yield from _nested(f"{group}.{name}", item)
