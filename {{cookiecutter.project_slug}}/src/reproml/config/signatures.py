"""Checks groups with a `_target_` against the signature of what they name: its arguments, their types and ranges.

A range is in the signature, as a type of pydantic: `hidden: PositiveInt`, or
`dropout: Annotated[float, Field(ge=0, lt=1)]`.

This imports what they name, and so torch. Except for trackers, the training needs all of it anyway.
"""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, get_type_hints

from hydra.utils import get_object
from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from ..errors import ConfigError, unknown_key
from .schema import Config, OwnConfig, Schedule

OF_HYDRA = ("_target_", "_args_", "_partial_", "_recursive_", "_convert_")


@dataclass(frozen=True)
class Role:
    """What the machinery adds to the settings of a class, and what it reads of them itself.

    Args:
        given: arguments that the class will be given by name.
        first: what it will be given before all others, if anything.
        ours: keys that are none of its arguments.
    """

    given: tuple[str, ...] = ()
    first: str = ""
    ours: tuple[str, ...] = ()


# By the group of configs/; a class in any other one only gets its settings.
ROLES = {
    "model": Role(given=("input_shape", "outputs")),  # models/array_task.py gives them to each network
    "task": Role(given=("network", "interface", "statistics", "training")),  # and to each task
    "training.optimizer": Role(first="the parameters"),
    "training.scheduler": Role(first="the optimizer", ours=tuple(item.name for item in fields(Schedule))),
    "tracking": Role(ours=("wait_seconds",)),  # tracking/loggers.py reads it
}
_NO_ROLE = Role()


def check_signatures(config: Config) -> None:
    """Check the groups that name classes.

    Raises:
        ConfigError: a class cannot be imported, does not take a given key or value, or needs one that is missing.
    """
    if isinstance(config, OwnConfig):
        _check_own(config)
    else:
        parameters_of("data", config.data._target_)  # which says so where it cannot be imported
        _check_task(config)
        _check("model", config.model, ROLES["model"])
    _check("trainer", config.trainer)
    _check("training.optimizer", config.training.optimizer, ROLES["training.optimizer"])
    if schedule := config.training.scheduler:
        name = schedule.get("steps_as")
        given = (name,) if name and name not in schedule else ()
        _check("training.scheduler", schedule, replace(ROLES["training.scheduler"], given=given))
    _check("training.loss", config.training.loss)
    if "lr" not in config.training.optimizer and "lr" in parameters_of("", config.training.optimizer["_target_"]):
        raise ConfigError(
            "training.optimizer.lr has no value, so training.lr would have no effect: write lr: ${training.lr} in "
            "configs/training/optimizer"
        )
    for name, callback in config.callbacks.items():
        _check(f"callbacks.{name}", callback)
    for name, tracker in config.tracking.items():
        _check(f"tracking.{name}", tracker, ROLES["tracking"])


def _check_task(config: Config) -> None:
    """Check the task on prepared arrays, and whether their targets are of the kind that it learns."""
    _check("task", config.task, ROLES["task"])
    target = config.task["_target_"]
    config.data.targets.check_learned(getattr(get_object(target), "learns", None), target, config.data.name)


def _check_own(config: OwnConfig) -> None:
    from lightning import LightningDataModule, LightningModule

    for group, settings, base in (
        ("data", config.data, LightningDataModule),
        ("task", config.task, LightningModule),
    ):
        target = settings["_target_"]
        parameters_of(group, target)  # which says so where it cannot be imported
        named = get_object(target)
        if isinstance(named, type) and not issubclass(named, base):  # what a function returns, tasks/build.py checks
            raise ConfigError(
                f"{group}._target_={target} is no {base.__name__}: derive it from lightning.{base.__name__}"
            )
        _check(group, settings)


def _check(group: str, settings: Any, role: Role = _NO_ROLE) -> None:
    """Check a group, of which `settings` is what it holds."""
    if not isinstance(settings, dict) or "_target_" not in settings:
        raise ConfigError(f"{group} names no class: give it a _target_, as in package.module.Class")
    target = settings["_target_"]
    arguments = {key: value for key, value in settings.items() if key not in (*OF_HYDRA, *role.ours)}
    parameters = parameters_of(group, target)
    takes_any = takes_any_key(parameters)
    names = by_name(parameters)
    if role.first:
        taken = first_of(parameters)
        if taken is None:
            raise ConfigError(f"{group}={target} takes no positional argument, but it is given {role.first}")
        names = [name for name in names if name != taken]
    for name in role.given:
        if name not in names and not takes_any:
            fix = f"correct {group}.steps_as" if "steps_as" in role.ours else "add it to its arguments"
            raise ConfigError(f"{group}={target} does not take {name}, which it is given: {fix}")
    own = [name for name in names if name not in role.given]
    for key, value in arguments.items():
        if key not in own and not takes_any:
            raise unknown_key(
                f"{group}.{key}", [f"{group}.{name}" for name in [*own, *role.ours]], f"an argument of {target}"
            )
        if key in own:
            _check_type(f"{group}.{key}", value, parameters[key], target)
    missing = [name for name in own if parameters[name].default is inspect.Parameter.empty and name not in arguments]
    called = role.first or not settings.get("_partial_")  # what is given first is given when it is called
    if missing and called and not settings.get("_args_"):
        raise ConfigError(f"{group}.{missing[0]} has no value, but {target} needs one: set it in configs/")
    if settings.get("_recursive_", True):
        for key, nested in _nested(group, arguments):
            _check(key, nested)


def by_name(parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    """Return which of the arguments can be given by name."""
    return [name for name, each in parameters.items() if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]


def takes_any_key(parameters: Mapping[str, inspect.Parameter]) -> bool:
    """Whether arguments of any name can be given."""
    return any(each.kind is each.VAR_KEYWORD for each in parameters.values())


def first_of(parameters: Mapping[str, inspect.Parameter]) -> str | None:
    """Return which of the arguments can be given by position, before all others."""
    named = (name for name, each in parameters.items() if each.kind not in (each.KEYWORD_ONLY, each.VAR_KEYWORD))
    return next(named, None)


def parameters_of(group: str, target: str) -> Mapping[str, inspect.Parameter]:
    """Return the arguments of a class or function, by name.

    Raises:
        ConfigError: it cannot be imported, or cannot be called.
    """
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
    except TypeError as error:
        raise ConfigError(f"{group}._target_={target} cannot be called: name a class or a function") from error
    except ValueError:  # written in C, such as torch.tensor: it does not say what it takes
        kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        return {str(kind): inspect.Parameter(f"any_{number}", kind) for number, kind in enumerate(kinds)}


def _check_type(key: str, value: Any, parameter: inspect.Parameter, target: str) -> None:
    """Refuse a value that does not have the declared type, or is out of the range that is declared with it."""
    declared = parameter.annotation
    if declared is parameter.empty or isinstance(declared, str) or value == parameter.default or _builds(value):
        return
    try:
        plain = _without_ranges(declared)
    except (NameError, TypeError):
        return  # it names what is imported for type checkers only, or is not a type
    if _problem(value, plain):
        kind = inspect.formatannotation(plain).replace("collections.abc.", "")
        raise ConfigError(f"{key}={value} is not valid: {target} takes {kind} there")
    if problem := _problem(value, declared):
        place, reason = ".".join(map(str, (key, *problem["loc"]))), problem["msg"]
        asked = reason.replace("Input should be", "it must be")
        raise ConfigError(f"{place}={problem['input']} is out of range: {asked}")


def _problem(value: Any, declared: Any) -> ErrorDetails | None:
    """Return what is wrong with a value of a declared type, or None. What YAML holds is never a Tensor, say."""
    try:
        try:
            adapter = TypeAdapter(declared)
        except PydanticUserError:
            adapter = TypeAdapter(declared, config=ConfigDict(arbitrary_types_allowed=True))
        adapter.validate_json(json.dumps(value), strict=True)  # in JSON a list may be a tuple, say
    except ValidationError as error:
        return error.errors()[0]
    except (PydanticUserError, NameError, TypeError):
        pass  # it is not a type that can be checked
    return None


def _without_ranges(declared: Any) -> Any:
    """Return a type without the ranges in it, as in `Annotated[float, Field(ge=0)]`."""
    return get_type_hints(type("Typed", (), {"__annotations__": {"value": declared}}))["value"]


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
