"""Versions of the model: how they are written, and which one a change calls for, by records that are made for it."""

import copy
from typing import Any

import pytest

from reproml.release.suggestion import compare
from reproml.release.version import MAJOR, MINOR, PATCH, ReleaseError, Version, parse

INTERFACE: dict[str, Any] = {
    "model": {"_target_": "my.Network", "width": 8},
    "task": {"_target_": "my.Task", "lr": 0.1},
    "input_shape": [1, 8, 8],
}
RECORD: dict[str, Any] = {
    "code": {"train.py": "0"},
    "config": {
        "seed": 42,
        "paths": {"run": "models"},
        "data": {"_target_": "my.Data", "source": "here", "files": {}, "test_fraction": 0.1},
    },
    "environment": {"python": "3.11.1"},
    **{"data": {}, "inputs": {}, "locks": {}, "restored": None},
    "weights_sha256": "0" * 64,
}


def changed(parts: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Return a copy in which a key, such as `config|seed`, has another value."""
    copied = copy.deepcopy(parts)
    *names, last = key.split("|")
    place = copied
    for name in names:
        place = place[name]
    place[last] = value
    return copied


@pytest.mark.parametrize("text", ["", "1", "1.0", "1.0.0.0", "v1.1.0", "1.01.0", "1.1.0-rc", "1.1.x"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ReleaseError, match=f"VERSION={text} is not a version: give three numbers, such as 1.2.0"):
        parse(text)


def test_versions_follow_each_other() -> None:
    assert parse("1.9.9") < parse("1.10.0") == Version(1, 10, 0) < parse("2.0.0")
    assert [str(parse("1.9.9").next(level)) for level in (PATCH, MINOR, MAJOR)] == ["1.9.10", "1.10.0", "2.0.0"]


@pytest.mark.parametrize(
    ("key", "value", "level", "reason"),
    [
        ("model|width", 16, MAJOR, "the network changed"),
        ("input_shape", [1, 9, 9], MAJOR, "the shape of the input changed"),
        ("task|lr", 0.2, PATCH, "the weights are the same, bit for bit"),  # which only trains
        ("task|_target_", "my.Other", MAJOR, "the task changed"),
    ],
)
def test_what_breaks_users_of_a_model_is_major(key: str, value: Any, level: str, reason: str) -> None:
    found, reasons = compare(INTERFACE, RECORD, changed(INTERFACE, key, value), RECORD)
    assert (found, reasons[0]) == (level, reason)


def test_what_goes_in_is_named_before_the_network() -> None:
    both = changed(changed(INTERFACE, "model|width", 16), "input_shape", [1, 9, 9])
    level, reasons = compare(INTERFACE, RECORD, both, RECORD)
    assert (level, reasons) == (MAJOR, ["the shape of the input changed", "the network changed"])


@pytest.mark.parametrize(
    ("key", "value", "level", "reason"),
    [
        ("config|seed", 43, MINOR, "seed: seed was 42, is 43"),
        ("config|data|test_fraction", 0.2, MINOR, "configuration: data.test_fraction was 0.1, is 0.2"),
        ("code|train.py", "1", PATCH, "code: train.py changed"),
        ("environment|python", "3.11.2", PATCH, "Python: python was 3.11.1, is 3.11.2"),
    ],
)
def test_another_training_is_minor_and_other_code_a_patch(key: str, value: Any, level: str, reason: str) -> None:
    other = {**changed(RECORD, key, value), "weights_sha256": "1" * 64}
    assert compare(INTERFACE, RECORD, INTERFACE, other) == (level, [reason])


def test_the_same_weights_are_a_patch_whatever_else_changed() -> None:
    level, reasons = compare(INTERFACE, RECORD, INTERFACE, changed(RECORD, "config|seed", 43))
    assert (level, reasons[0]) == (PATCH, "the weights are the same, bit for bit")
    level, reasons = compare(INTERFACE, RECORD, INTERFACE, {**RECORD, "weights_sha256": "1" * 64})
    assert (level, reasons) == (PATCH, ["the same inputs gave other weights"])
