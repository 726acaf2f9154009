"""The part of JSON Schema that run.schema.json uses, to check a record before it is believed."""

import json
import math
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

_DEEPEST, _LONGEST = 40, 100_000
_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # moves a cursor, ends a path, or is invalid
_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "null": type(None)}


@cache
def _schema() -> dict[str, Any]:
    return json.loads(Path(__file__).with_name("run.schema.json").read_text(encoding="utf-8"))


def problem(value: Any, part: str = "") -> str | None:
    """Return what is wrong with a value that was read from JSON, with its key, or None.

    Args:
        value: a whole record, or what `part` is about.
        part: one of the definitions in the schema.
    """
    schema = _schema()["$defs"][part] if part else _schema()
    return next((f"{key or 'it'} {reason}" for key, reason in [*_unfit(value, ""), *_against(value, schema, "")]), None)


def _unfit(value: Any, key: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield what no record may hold anywhere."""
    if depth > _DEEPEST:
        yield key, "is nested too deeply"
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _unfit(name, f"a key in {key or 'it'}")
            yield from _unfit(item, _join(key, name), depth + 1)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _unfit(item, _join(key, number), depth + 1)
    elif isinstance(value, str) and (len(value) > _LONGEST or _HIDDEN.search(value)):
        yield key, "is too long, or holds invisible characters"
    elif isinstance(value, float) and not math.isfinite(value):
        yield key, "is not a finite number"
    elif isinstance(value, int) and abs(value) >= 2**64:
        yield key, "is too large"


def _against(value: Any, schema: dict[str, Any], key: str) -> Iterator[tuple[str, str]]:
    """Yield each place where a value is not what the schema says."""
    if "$ref" in schema:
        yield from _against(value, _schema()["$defs"][schema["$ref"].rpartition("/")[2]], key)
    if "anyOf" in schema:
        found = [list(_against(value, choice, key)) for choice in schema["anyOf"]]
        # of the choice that fits best: first of all, one of the same type
        yield from min(found, key=lambda unfit: (any(place == key for place, _ in unfit), len(unfit)))
    if "type" in schema and not _is(value, schema["type"]):
        yield key, f"is not of the type {schema['type']}"
    elif (choices := _choices(schema)) and not any(type(value) is type(one) and value == one for one in choices):
        yield key, f"is not {' or '.join(map(str, choices))}"
    elif isinstance(value, dict):
        yield from _against_object(value, schema, key)
    elif isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield key, "is empty"
        for number, item in enumerate(value):
            yield from _against(item, schema.get("items", {}), _join(key, number))
    elif isinstance(value, str):
        # the whole text, because Python's `$` also matches before a final line end
        if len(value) > schema.get("maxLength", _LONGEST) or not re.fullmatch(schema.get("pattern", r"[\s\S]*"), value):
            yield key, f"has a form that no training writes: {value[:60]!r}"
    elif _is(value, "number") and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield key, f"is out of range: {value}"


def _against_object(value: dict[str, Any], schema: dict[str, Any], key: str) -> Iterator[tuple[str, str]]:
    known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    for name in schema.get("required", []):
        if name not in value:
            yield _join(key, name), "is missing"
    for name, item in value.items():
        yield from _against(name, schema.get("propertyNames", {}), f"a key in {key or 'it'}")
        if name in known:
            yield from _against(item, known[name], _join(key, name))
        elif others is False:
            yield _join(key, name), "is not a known key"
        else:
            yield from _against(item, others, _join(key, name))


def _choices(schema: dict[str, Any]) -> list[Any]:
    return [schema["const"]] if "const" in schema else schema.get("enum", [])


def _is(value: Any, kind: str) -> bool:
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _join(key: str, name: Any) -> str:
    return f"{key}.{str(name)[:60]}".lstrip(".")
