"""The schema of each folder of configs/, from the files and classes that it holds: `.vscode/schemas/<group>.json`."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from ...errors import ConfigError
from ...files import write_text
from ..schema import Config, Data, Evaluate, Paths, Reproducibility, Restore, Search, Training
from ..signatures import parameters_of
from .classes import changes_of, settings_of
from .types import Schema, of_dataclass

FOLDER = Path(".vscode", "schemas")  # .vscode/settings.json says which files each is for
_GLOBAL = "_global_"
_HEADER = re.compile(r"^# *@package +(\S+)", re.MULTILINE)
# Groups that name a class, and groups whose entries do
_CLASSES = ("task", "model", "trainer", "training.optimizer", "training.scheduler", "training.loss", "data")
_ENTRIES = ("callbacks", "tracking")
_OURS = {"data": Data, "training": Training, "reproducibility": Reproducibility, "restore": Restore, "paths": Paths}
_CHOICE: Schema = {"type": "string", "pattern": r"\$\{"}


@dataclass(frozen=True)
class _File:
    group: str  # its folder, as in training/optimizer; empty: configs/ itself
    name: str
    package: str  # where its keys belong, as in training.optimizer
    content: dict[str, Any]


def write(project: Path) -> list[str]:
    """Write the schemas of a project, and return a sentence for each class that cannot be imported.

    Raises:
        ConfigError: a file of configs/ is damaged.
    """
    schemas, missing = documents(project / "configs")
    for name, schema in schemas.items():
        content = {"$schema": "http://json-schema.org/draft-07/schema#", **schema}
        write_text(project / FOLDER / f"{name}.json", json.dumps(content, indent=1) + "\n")
    return missing


def documents(configs: Path) -> tuple[dict[str, Schema], list[str]]:
    """Return the schema of each group by its name, as in `training.optimizer`, and a sentence for what is missing.

    `config` is that of the files in configs/ itself, `evaluate` that of evaluate.yaml.
    """
    files = list(_files(configs))
    targets, missing = _targets(files)
    made = _Documents(files, targets)
    groups = sorted({file.group for file in files if file.group and not file.group.startswith("hydra")})
    found = {group.replace("/", "."): made.of_group(group) for group in groups}
    found["config"] = made.of_package("", _GLOBAL)
    found["evaluate"] = made.with_defaults("", of_dataclass(Evaluate))
    return {name: {**schema, "definitions": made.choices()} for name, schema in found.items()}, missing


def _files(configs: Path) -> Iterator[_File]:
    for path in sorted(configs.rglob("*.yaml")):
        group = path.parent.relative_to(configs).as_posix().removeprefix(".")
        text = path.read_text(encoding="utf-8")
        header = _HEADER.search(text.partition("\n\n")[0])
        yield _File(group, path.stem, header[1] if header else group.replace("/", "."), yaml.safe_load(text) or {})


def _targets(files: list[_File]) -> tuple[dict[str, set[str]], list[str]]:
    """Return the classes that the files name, by their group, and a sentence for each that cannot be imported."""
    found: dict[str, set[str]] = {group: set() for group in (*_CLASSES, *_ENTRIES)}
    missing = []
    for file in files:
        for group in found:
            settings = _at(file, group)
            for each in settings.values() if group in _ENTRIES else [settings]:
                if isinstance(each, dict) and isinstance(target := each.get("_target_"), str):
                    try:
                        parameters_of(group, target)
                        if group != "data" or not isinstance(each.get("files"), dict):
                            found[group].add(target)  # those of prepared arrays all have the keys of Data
                    except ConfigError as error:
                        missing.append(str(error))
    return found, missing


def _at(file: _File, group: str) -> dict[str, Any]:
    """Return what a file holds of a group."""
    package = [] if file.package == _GLOBAL else file.package.split(".")
    wanted = group.split(".") if file.group else []
    if package != wanted[: len(package)]:
        return {}
    found: Any = file.content
    for key in wanted[len(package) :]:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class _Documents:
    files: list[_File]
    targets: dict[str, set[str]]

    def of_group(self, group: str) -> Schema:
        """Return the schema of the files in a folder; one that has a key of the name of its group sets any key."""
        packages = sorted({file.package for file in self.files if file.group == group})
        schemas = [self.of_package(group, package) for package in packages if package != _GLOBAL]
        if _GLOBAL not in packages:
            return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        anything = self.of_package(group, _GLOBAL)
        if not schemas:
            return anything
        return {"if": {"required": [group.partition("/")[0]]}, "then": anything, "else": {"anyOf": schemas}}

    def of_package(self, group: str, package: str) -> Schema:
        """Return the schema of files in a folder whose keys belong to a package."""
        changes = self._changes(package)
        if package != group.replace("/", "."):
            return self.with_defaults(group, changes)
        whole = self.with_defaults(group, self._whole(package))
        return {"if": {"required": ["defaults"]}, "then": self.with_defaults(group, changes), "else": whole}

    def with_defaults(self, group: str, schema: Schema) -> Schema:
        """Return a schema whose files may have a list of defaults, and Hydra's own keys where they set any key."""
        names: dict[str, Schema] = {}
        for name in self.choices():
            inside = name.removeprefix(f"{group}/")  # a name is relative to the folder of its file
            chosen = {"$ref": "#/definitions/" + name.replace("/", "~1")}
            names |= {f"{mark}{form}": chosen for mark in ("", "override ") for form in (inside, f"/{name}")}
        known = "|".join(map(re.escape, names))
        item = {
            "type": "object",
            "properties": names,
            "patternProperties": {rf"^(optional |override )*/?hydra/|^(optional )?({known})(@[\w.]+)?$": {}},
            "additionalProperties": False,
        }
        text = "What this file is built on: files of groups; `_self_` stands for its own keys."
        defaults = {"type": "array", "description": text, "items": {"anyOf": [{"type": "string"}, item]}}
        return {**schema, "properties": {**schema.get("properties", {}), "defaults": defaults}}

    def choices(self) -> dict[str, Schema]:
        """Return what may be chosen of each group."""
        options: dict[str, list[str]] = {}
        for file in self.files:
            if file.group and not file.group.startswith("hydra"):
                options.setdefault(file.group, []).append(file.name)
        found = {}
        for group, names in sorted(options.items()):
            one = [{"enum": names}, _CHOICE]
            found[group] = {"anyOf": [*one, {"type": "null"}, {"type": "array", "items": {"anyOf": one}}]}
        return found

    def _whole(self, package: str) -> Schema:
        """Return the schema of a group that has all that it needs."""
        if package in _ENTRIES:
            return {"type": "object", "additionalProperties": settings_of(package, self.targets[package])}
        if package == "data":
            own = settings_of(package, self.targets[package])
            arrays = {"required": ["files"], "properties": {"files": {"type": "object"}}}  # as config/own.py knows them
            return {"if": {"required": ["_target_"], "not": arrays}, "then": own, "else": of_dataclass(Data)}
        if package in _CLASSES:
            return settings_of(package, self.targets[package])
        if package in _OURS:
            schema = of_dataclass(_OURS[package])
            return {**schema, "properties": {**schema["properties"], **self._inside(package)}}
        return {}

    def _changes(self, package: str) -> Schema:
        """Return the schema of some keys of a package."""
        if package in _ENTRIES:
            return {"type": "object", "additionalProperties": changes_of(package, self.targets[package])}
        if package == _GLOBAL:
            keys = of_dataclass(Config)["properties"]
            search = {**of_dataclass(Search), "required": []}
            groups = {name: self._changes(name) for name in (*_OURS, *_CLASSES, *_ENTRIES) if "." not in name}
            more = {"search": search, "hydra": {"type": "object"}}
            return {"type": "object", "properties": {**keys, **groups, **more}, "additionalProperties": False}
        found: Schema = {"type": "object", "properties": {}, "additionalProperties": False}
        if package in _CLASSES:
            found = changes_of(package, self.targets[package])
        if package in _OURS:
            ours = of_dataclass(_OURS[package])["properties"]
            found = {**found, "properties": {**found["properties"], **ours, **self._inside(package)}}
            found["additionalProperties"] = bool(found["additionalProperties"] and self.targets.get(package))
        return found

    def _inside(self, package: str) -> dict[str, Schema]:
        """Return the schemas of the groups inside of a package, as training/optimizer."""
        inside = [name for name in _CLASSES if name.startswith(f"{package}.")]
        return {name.rpartition(".")[2]: self._changes(name) for name in inside}
