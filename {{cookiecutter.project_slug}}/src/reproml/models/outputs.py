"""What a task says of an input: the names and types that its `predict` declares."""

from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, Required, get_args, get_origin, get_type_hints, is_typeddict

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

    @property
    def plain(self) -> Any:
        """Its type without what else is annotated."""
        return get_args(self.type)[0] if get_origin(self.type) is Annotated else self.type


@dataclass(frozen=True)
class Outputs:
    """All of them.

    Args:
        doc: what the task says of its answers.
        method: what it says of `predict`.
        fields: in their order; none where it does not declare them.
    """

    doc: str
    method: str
    fields: tuple[Output, ...]


def declared(task: type) -> Outputs:
    """Return what the `predict` of a task is declared to return: a list of a TypedDict, one for each input.

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
    return Outputs(_first(item if fields else None), _first(predict), tuple(fields))


def _output(name: str, hint: Any, always: bool) -> Output:
    return Output(name, get_args(hint)[0] if get_origin(hint) in (Required, NotRequired) else hint, always)


def _first(documented: Any) -> str:
    """Return the first paragraph of a docstring."""
    return (getattr(documented, "__doc__", None) or "").strip().partition("\n\n")[0]
