"""The classes, interpolations and environment variables that the folder of a run asks for.

It names classes: in config.yaml, in the description inside model.safetensors, in the arguments in run.json. This
project only builds the classes of its own packages, and what the files in configs/ name. Anything else could be any
program, so it is refused.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ...errors import ConfigError
from ...packages import own_packages
from ...secrets import values_from_environment
from .flag import FLAG, given

_RESOLVER = re.compile(r"\$\{[^}]*[:$]")  # `${oc.env:NAME}` and `${${a}...}`, but not `${data.name}`
_ENVIRONMENT = "reproducibility.environment."  # these variables are set; PYTHONPATH, say, would run any program


def check_names(config: Any, source: Path, project: Path = Path()) -> None:
    """Refuse classes, interpolations and environment variables that this project does not know.

    Args:
        config: what will be built, in plain types, with interpolations as they are written.
        source: the file that it comes from.
        project: whose packages and configs/ say what is known.

    Raises:
        ConfigError: something in it is not known or cannot be resolved, and `--trust` was not given.
    """
    if given():
        return
    known = named((project / "configs").resolve())
    for key, value in leaves(config):
        if _RESOLVER.search(str(value)) and not _is_named(key, value, known):
            raise _refused(source, key, value)
    # from here on, only resolvers that configs/ name are called
    try:
        whole = OmegaConf.create(config)
        reading = values_from_environment(whole)
        resolved = OmegaConf.to_container(whole, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{source} cannot be resolved: {str(error).splitlines()[0]}; fetch it again") from error
    for key, value in reading.items():  # by way of another key, too
        if not _is_named(key, value, known):
            raise _refused(source, key, value)
    for key, value in leaves(resolved):
        if not _is_known(key, str(value), known, project):
            raise _refused(source, key, value)


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested plain types with their keys, as in `trainer.plugins.0._target_`."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, f"{key}.{number}")
    else:
        yield key, value


@cache
def named(configs: Path) -> frozenset[tuple[str, str]]:
    """Return the values in the files of configs/, each after the last part of its key."""
    found = set()
    for path in sorted(configs.rglob("*.yaml")):
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8", errors="replace"))
        except yaml.YAMLError:  # Hydra says so where the file is used
            continue
        found |= {(last(key), str(value)) for key, value in leaves(content)}
    return frozenset(found)


def last(key: str) -> str:
    """Return the last part of a key that is not a position in a list."""
    return next((part for part in reversed(key.split(".")) if not part.isdigit()), key)


def short(value: Any) -> str:
    """Return a value as a sentence can hold it."""
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _is_named(key: str, value: Any, known: frozenset[tuple[str, str]]) -> bool:
    return (last(key), str(value)) in known


def _is_known(key: str, text: str, known: frozenset[tuple[str, str]], project: Path) -> bool:
    if key.endswith("_target_"):
        return _is_named(key, text, known) or _defines(text, project)
    if key.startswith(_ENVIRONMENT):
        return (key.removeprefix(_ENVIRONMENT), text) in known
    return True


def _refused(source: Path, key: str, value: Any) -> ConfigError:
    return ConfigError(
        f"{source} asks for {key}={short(value)}, which neither src/ nor a file in configs/ names: it could "
        f"run any program here, or leak a secret. Read the file, and add {FLAG} if you trust its author"
    )


def _defines(name: str, project: Path) -> bool:
    """Whether a module of this project defines that class itself. What it imports does not count.

    The module is read, not imported: torch must not be imported before its settings are known.
    """
    first, *modules, member = name.split(".") if name.count(".") else [name, ""]
    package = own_packages(project).get(first)
    if package is None or member.startswith("_") or not all(part.isidentifier() for part in modules):
        return False
    path = package.joinpath(*modules)
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not file.is_file():
        return False
    return any(isinstance(node, ast.ClassDef) and node.name == member for node in ast.parse(file.read_bytes()).body)
