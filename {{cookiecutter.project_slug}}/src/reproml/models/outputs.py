"""What a task takes and says of it: the names and types that its `predict` declares."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import typing_extensions

from ..errors import ConfigError


@dataclass(frozen=True)
class Output:
    """One of them.

    Args:
        name: of it.
        type: as it is annotated.
        always: whether every answer has it.
    """

    name: str
    type: Any
    always: bool


@dataclass(frozen=True)
class Outputs:
    """All of them.

    Args:
        doc: what the task says of its answers.
        method: what it says of `predict`.
        fields: in their order; none where it does not declare them.
        item: the type of one input, where `predict` takes a list of them; None: it takes a tensor, or does not say.
    """

    doc: str
    method: str
    fields: tuple[Output, ...]
    item: Any = None


def declared(task: type) -> Outputs:
    """Return what the `predict` of a task is declared to take, and to return: a list with a TypedDict for each input.

    Raises:
        ConfigError: the task has no `predict`.
    """
    predict = getattr(task, "predict", None)
    if not callable(predict):
        raise ConfigError(
            f"{task.__module__}.{task.__qualname__} cannot be served, because it has no predict: let "
            "predict(inputs) return a list with a TypedDict for each input"
        )
    item = dict
    try:
        [item] = get_args(get_type_hints(predict).get("return"))
        hints = get_type_hints(item, include_extras=True) if is_typeddict(item) else {}
    except (NameError, TypeError, ValueError):  # a name that is imported for type checkers only, or no list of one type
        hints = {}
    fields = [_output(name, hint, name in item.__required_keys__) for name, hint in hints.items()]  # type: ignore[attr-defined]
    return Outputs(_first(item if fields else None), _first(predict), tuple(fields), _input(predict))


def _input(predict: Any) -> Any:
    try:
        [name] = [name for name in inspect.signature(predict).parameters if name != "self"]
        taken = get_type_hints(predict, include_extras=True)[name]
    except (KeyError, NameError, TypeError, ValueError):
        return None
    return _checkable(get_args(taken)[0]) if get_origin(taken) in (list, Sequence) else None


def _checkable(declared: Any) -> Any:
    """Return a type with the TypedDicts in it as pydantic takes them: before Python 3.12 only those of this library."""
    if is_typeddict(declared):
        hints = get_type_hints(declared, include_extras=True)
        fields = {name: _checkable(hint) for name, hint in hints.items()}
        for name in declared.__optional_keys__:
            if get_origin(fields[name]) is not NotRequired:
                fields[name] = NotRequired[fields[name]]
        made = typing_extensions.TypedDict(declared.__name__, fields)  # type: ignore[misc, operator]
        made.__doc__ = declared.__doc__
        return made
    origin, arguments = get_origin(declared), get_args(declared)
    if origin in (None, Literal):
        return declared
    if origin is Annotated:
        return Annotated[(_checkable(arguments[0]), *arguments[1:])]  # type: ignore[return-value]
    parts = tuple(_checkable(each) for each in arguments)
    return (Union if origin is UnionType else origin)[parts if len(parts) > 1 else parts[0]]


def _output(name: str, hint: Any, always: bool) -> Output:
    return Output(name, _checkable(get_args(hint)[0] if get_origin(hint) in (Required, NotRequired) else hint), always)


def _first(documented: Any) -> str:
    """Return the first paragraph of a docstring."""
    return (getattr(documented, "__doc__", None) or "").strip().partition("\n\n")[0]
