"""What an editor is told about the files in configs/: right for each of them, and wrong for mistakes."""

import json
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from jsonschema import Draft7Validator

from reproml.config.editor.docstrings import argument_texts
from reproml.config.editor.documents import FOLDER, documents, write

from .conftest import ROOT

FILES = sorted(path for path in (ROOT / "configs").rglob("*.yaml") if "hydra" not in path.parts)
EARLY = "# @package _global_\ncallbacks:\n  early_stopping:"
TRAINING = "_target_: torch.optim.SGD\n_partial_: true\n"


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    """Return the schema of each group of this project, all of whose classes can be imported."""
    found, _ = documents(ROOT / "configs")
    for schema in found.values():
        Draft7Validator.check_schema(schema)
    return found


def schema_of(path: Path) -> str:
    """Return the name of the schema that VS Code takes for a file; there is one."""
    wired = json.loads((ROOT / ".vscode" / "settings.json").read_text(encoding="utf-8"))["yaml.schemas"]
    name = path.relative_to(ROOT).as_posix()
    [found] = [
        Path(schema)
        for schema, patterns in wired.items()
        for pattern in ([patterns] if isinstance(patterns, str) else patterns)
        if fnmatch(name, pattern) and name.count("/") == pattern.count("/")
    ]
    assert found.parent == FOLDER
    return found.stem


def wrong(schemas: dict[str, Any], group: str, text: str) -> list[str]:
    """Return what is wrong about a file of a group, the parts of alternatives included."""

    def said(errors: Any) -> Iterator[str]:
        for error in errors:
            yield error.message
            yield from said(error.context)

    return list(said(Draft7Validator(schemas[group]).iter_errors(yaml.safe_load(text) or {})))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_file_is_right(schemas: dict[str, Any], path: Path) -> None:
    assert wrong(schemas, schema_of(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("group", "text", "expected"),
    [
        ("config", "seed: -1", "-1 is less than the minimum of 0"),
        ("config", "sed: 1", "'sed' was unexpected"),
        ("config", "defaults:\n  - training: defautl", "'defautl' is not one of"),
        ("config", "defaults:\n  - modle: mlp", "'modle' does not match any of the regexes"),
        ("experiment", "training:\n  lr: fast", "'fast' is not of type 'number'"),
        ("experiment", "training:\n  optimizer:\n    lrr: 1", "'lrr' was unexpected"),
        ("experiment", "data:\n  folds: 1", "1 is less than the minimum of 2"),
        ("sweep", "search:\n  direction: up", "'up' is not one of"),
        ("callbacks", f"{EARLY}\n    patience: soon", "'soon' is not of type 'integer'"),
        ("callbacks", "mine: {folder: x}", "'_target_' is a required property"),
        ("training.optimizer", f"{TRAINING}momentun: 0.9", "'momentun' was unexpected"),
        (
            "training.scheduler",
            "_target_: torch.optim.lr_scheduler.CosineAnnealingLR",
            "'T_max' is a required property",
        ),
        (
            "training.scheduler",
            "_target_: torch.optim.lr_scheduler.ExponentialLR\ninterval: batch",
            "'batch' is not one of",
        ),
        ("trainer", "_target_: lightning.Trainer\naccelerator: cpu", "'num_nodes' is a required property"),
        ("data", "name: mine", "'_target_' is a required property"),
        ("restore", "mode: finetune", "'skip' is a required property"),
        ("split", "splitt: random", "'splitt' was unexpected"),
    ],
)
def test_a_mistake_is_seen(schemas: dict[str, Any], group: str, text: str, expected: str) -> None:
    found = wrong(schemas, group, text)
    assert any(expected in message for message in found), found


@pytest.mark.parametrize(
    ("group", "text"),
    [
        ("training", "defaults: [default]\nlr: ${oc.env:LR}\nepochs: ???"),
        ("training.optimizer", "_target_: torch.optim.AdamW\nlr: ${training.lr}\nbetas: [0.9, '${x}']"),
        ("training.optimizer", "_target_: somewhere.Else\nanything: 1"),
        ("training.scheduler", "_target_: torch.optim.lr_scheduler.CosineAnnealingLR\nsteps_as: T_max"),
        ("training.loss", "_target_: torch.nn.CrossEntropyLoss\nweight: {_target_: torch.tensor, data: [1.0, 3.0]}"),
        (
            "experiment",
            "defaults:\n  - override /tracking: [none]\n  - optional /debug: null\n  - _self_\nhydra: {mode: RUN}",
        ),
        ("trainer", "defaults: [cpu]\ndevices: 2"),
    ],
)
def test_what_is_right_is_not_marked(schemas: dict[str, Any], group: str, text: str) -> None:
    assert wrong(schemas, group, text) == []


def test_a_class_of_the_users_own_gets_a_schema_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "layers.py").write_text(
        "class Deep:\n"
        '    """A deep network.\n\n'
        "    Args:\n"
        "        depth: how many layers\n"
        '            there are.\n    """\n'
        "    def __init__(self, input_shape, outputs, depth: int, wide: bool = False): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    files = {"deep": "_target_: layers.Deep\ndepth: 3\n", "gone": "_target_: layers.Gone\n"}
    for name, text in files.items():
        path = tmp_path / "configs" / "model" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    [missing] = write(tmp_path)
    assert "model._target_=layers.Gone cannot be imported" in missing
    schema = {"model": json.loads((tmp_path / FOLDER / "model.json").read_text())}
    assert all(wrong(schema, "model", text) == [] for text in files.values())
    assert wrong(schema, "model", "_target_: layers.Deep\ndept: 3")
    assert wrong(schema, "model", "_target_: layers.Deep\ndepth: three")
    assert wrong(schema, "model", "_target_: layers.Deep\nwide: true")
    [branch] = schema["model"]["else"]["allOf"]
    assert branch["then"]["properties"]["depth"]["description"] == "how many layers there are."
    assert branch["then"]["properties"]["wide"]["default"] is False
    assert "input_shape" not in branch["then"]["properties"]


def test_texts_of_arguments_as_libraries_write_them() -> None:
    from lightning import Trainer
    from torch.optim import SGD

    assert argument_texts(SGD)["momentum"].startswith("momentum factor")
    assert argument_texts(Trainer)["num_nodes"].startswith("Number of GPU nodes")
