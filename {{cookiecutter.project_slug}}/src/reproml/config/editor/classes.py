"""The JSON Schema of settings with a `_target_`: what the signature and the docstring of the class say."""

import inspect
import json
from collections.abc import Iterable, Mapping
from typing import Any

from hydra.utils import get_object

from ..schema import Schedule, Trainer
from ..signatures import OF_HYDRA, ROLES, Role, by_name, first_of, parameters_of, takes_any_key
from .docstrings import argument_texts, summary
from .types import Schema, of_dataclass, of_type

_HYDRA: dict[str, Schema] = {
    "_args_": {"type": "array", "description": "Arguments by position."},
    "_partial_": {"type": "boolean", "description": "Whether it is called later, with more arguments."},
    "_recursive_": {"type": "boolean", "description": "Whether what is nested in it is built, too."},
    "_convert_": {"enum": ["none", "partial", "object", "all"], "description": "What its arguments become."},
}
assert {"_target_", *_HYDRA} == set(OF_HYDRA)
# Keys of a group that its class alone would not ask for, and of which ours are not arguments of it
_MORE = {"trainer": of_dataclass(Trainer), "training.scheduler": {**of_dataclass(Schedule), "required": []}}
_WAIT: Schema = {"type": "number", "description": "Seconds at the end of a training, for what is not sent yet."}


def settings_of(group: str, targets: Iterable[str]) -> Schema:
    """Return the schema of a group that names one of some classes, or another one, about which nothing is known.

    Args:
        group: with dots, as in `training.optimizer`.
        targets: the classes, all of which can be imported.
    """
    known = sorted(targets)
    names: list[Schema] = [{"enum": known}] if known else []
    target = {"description": "The class, as in package.module.Class.", "anyOf": [*names, {"type": "string"}]}
    is_target = {name: {"properties": {"_target_": {"const": name}}, "required": ["_target_"]} for name in known}
    needed = [] if group == "training.scheduler" else ["_target_"]  # without one, the learning rate stays as it is
    branches = [{"if": is_target[name], "then": _of_class(group, name)} for name in known]
    schema = {"type": "object", "properties": {"_target_": target}, "required": needed}
    return {**schema, "allOf": branches} if branches else schema


def changes_of(group: str, targets: Iterable[str]) -> Schema:
    """Return the schema of some settings of a group, where another file names the class."""
    found: dict[str, Schema] = {"_target_": {"type": "string"}}
    takes_any = False
    for target in sorted(targets):
        of_one = _of_class(group, target)
        takes_any |= of_one["additionalProperties"]
        for key, schema in of_one["properties"].items():
            other = found.setdefault(key, schema)
            if schema != other and schema not in (several := other.get("anyOf", [other])):
                found[key] = {"anyOf": [*several, schema]}
    return {"type": "object", "properties": found, "additionalProperties": takes_any or not targets}


def _of_class(group: str, target: str) -> Schema:
    named, parameters, role = get_object(target), parameters_of(group, target), ROLES.get(group, Role())
    names = by_name(parameters)
    if set(role.given) <= set(names):  # else it is for a task of the user's own, which gives nothing
        names = [name for name in names if name not in role.given]
    if role.first:
        names = [name for name in names if name != first_of(parameters)]
    texts, more = argument_texts(named), _MORE.get(group, {"properties": {}, "required": []})
    own = {name: _argument(parameters[name], texts.get(name)) for name in names}
    ours = {**{name: _WAIT for name in role.ours if name not in more["properties"]}, **more["properties"]}
    asked = [name for name in names if parameters[name].default is inspect.Parameter.empty]
    return {
        "properties": {"_target_": {"description": summary(named)}, **_HYDRA, **own, **_described(ours, own)},
        "additionalProperties": takes_any_key(parameters),
        "allOf": [{"required": more["required"]}, *_required(asked, role)],
    }


def _described(ours: Mapping[str, Schema], own: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return our narrower schema of an argument with the text of the class, where we have none."""
    return {name: {**{key: own.get(name, {})[key] for key in ("description",) if key in own.get(name, {})}, **schema}
            for name, schema in ours.items()}  # fmt: skip


def _required(asked: list[str], role: Role) -> list[Schema]:
    """Return what demands the arguments without a default, unless they come otherwise."""
    otherwise: list[Schema] = [{"required": ["_args_"]}]
    if not role.first:  # what is given first is given when it is called
        otherwise.append({"properties": {"_partial_": {"const": True}}, "required": ["_partial_"]})
    demanded = []
    for name in asked:
        one: list[Schema] = [{"required": [name]}, *otherwise]
        if "steps_as" in role.ours:
            one.append({"properties": {"steps_as": {"const": name}}, "required": ["steps_as"]})
        demanded.append({"anyOf": one})
    return demanded


def _argument(parameter: inspect.Parameter, text: str | None) -> Schema:
    schema: dict[str, Any] = of_type(parameter.annotation)
    if parameter.default is None and schema and {"type": "null"} not in schema.get("anyOf", []):
        schema = {"anyOf": [*schema.pop("anyOf", [schema]), {"type": "null"}]}
    if text:
        schema["description"] = text
    if parameter.default is not inspect.Parameter.empty and _is_plain(parameter.default):
        schema["default"] = parameter.default
    return schema


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
