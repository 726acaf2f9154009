"""What the folder of a run may make this project do. Anyone may have made that folder and sent it to you.

Such a folder names classes: in config.yaml, in the description inside model.safetensors, in the arguments in run.json.
This project only builds the classes of this package, and what the files in configs/ name. Anything else could be any
program, so it is refused unless the command is given `--trust`.
"""

import ast
import os
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from .errors import ConfigError, RecordError

FLAG = "--trust"
WRITTEN = ("folder", "dirpath", "path", "filename")  # keys of callbacks that say where they write
_GIVEN = "RUN_FOLDER_IS_TRUSTED"  # in the environment, so that processes of the same training know it too
_PACKAGE = __package__.partition(".")[0]
_RESOLVER = re.compile(r"\$\{\s*[\w.]+\s*:")  # `${oc.env:NAME}`, but not `${data.name}`
_IN_CACHE = re.compile(r"files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")  # DVC's, to which it can link from models/


def accept(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command without `--trust`, and remember whether it was among them."""
    if FLAG in arguments:
        os.environ[_GIVEN] = "1"
    return [argument for argument in arguments if argument != FLAG]


def check_names(config: Any, source: Path, project: Path = Path()) -> None:
    """Refuse classes, readers and interpolations that this project does not know.

    Args:
        config: what will be built, in plain types, with interpolations as they are written.
        source: the file that it comes from.
        project: whose package and configs/ say what is known.

    Raises:
        ConfigError: something in it is not known, and `--trust` was not given.
    """
    if _given():
        return
    known = _text((project / "configs").resolve())
    for key, value in _leaves(config):
        text = str(value)
        if key.endswith("_target_"):
            fine = _named("_target_", text, known) or _in_package(text, ast.ClassDef, project)
        elif key == "data.reader":
            fine = _named("reader", text, known) or (
                text.startswith(f"{_PACKAGE}.data.") and _in_package(text, ast.FunctionDef, project)
            )
        else:
            fine = not _RESOLVER.search(text) or text in known
        if not fine:
            raise ConfigError(
                f"{source} asks for {key}={_short(text)}, which neither this package nor a file in configs/ names: it "
                f"could run any program here. Read the file, and add {FLAG} if you trust its author"
            )


def check_places(config: Any, source: Path) -> None:
    """Refuse to write outside of this project and of the run folder where only that folder says so.

    Data that exists outside already is still read, as from a disk for data.

    Args:
        config: of the run, in plain types.
        source: the file of the run that it comes from.

    Raises:
        ConfigError: something would be written elsewhere, and `--trust` was not given.
    """
    if _given():
        return
    paths, files = config["paths"], config["data"]["files"]
    there = {
        "paths.raw": all((Path(paths["raw"]) / name).is_file() for name in files),
        "paths.processed": any(Path(paths["processed"]).glob("*.json")),
    }
    places = {f"paths.{key}": str(value) for key, value in paths.items() if key != "run"}
    for name, callback in config["callbacks"].items():
        written = [key for key in WRITTEN if isinstance(callback, dict) and isinstance(callback.get(key), str)]
        places |= {f"callbacks.{name}.{key}": callback[key] for key in written}
    homes = (Path.cwd().resolve(), source.parent.resolve())
    for key, value in places.items():
        inside = any((home / value).resolve().is_relative_to(home) for home in homes)
        if not inside and not there.get(key):
            raise ConfigError(
                f"{source} asks to write into {key}={_short(value)}, outside of this project: add {FLAG} if you trust "
                "its author"
            )


def check_links(folder: Path) -> None:
    """Refuse links that lead out of the folder of a run: what they lead to would be read, shown and packed as its own.

    Raises:
        RecordError: there is such a link, and `--trust` was not given.
    """
    if _given():
        return
    for place, folders, files in os.walk(folder):
        for path in (Path(place, name) for name in [*folders, *files]):
            if path.is_symlink() and not _stays(path, folder):
                raise RecordError(
                    f"{path} is a link to {path.readlink()}, which is not part of the run: put the file itself there, "
                    f"or add {FLAG} if you made the link"
                )


def _given() -> bool:
    return _GIVEN in os.environ


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _leaves(item, f"{key}.{number}")
    else:
        yield key, value


@cache
def _text(configs: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in sorted(configs.rglob("*.yaml")))


def _named(key: str, text: str, known: str) -> bool:
    return bool(re.search(rf"\b{key}[\"']?\s*:\s*[\"']?{re.escape(text)}(?![\w.])", known))


def _in_package(name: str, kind: type[ast.ClassDef] | type[ast.FunctionDef], project: Path) -> bool:
    """Whether a module of this package defines that class or function itself. What it imports does not count.

    The module is read, not imported: torch must not be imported before its settings are known.
    """
    first, *modules, member = name.split(".") if name.count(".") else [name, ""]
    package = project / "src" / _PACKAGE
    package = package if package.is_dir() else Path(__file__).parent
    path = package.joinpath(*modules)
    if first != _PACKAGE or member.startswith("_") or not all(part.isidentifier() for part in modules):
        return False
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not file.is_file():
        return False
    return any(isinstance(node, kind) and node.name == member for node in ast.parse(file.read_bytes()).body)


def _stays(link: Path, folder: Path) -> bool:
    target = link.resolve()
    return target.is_relative_to(folder.resolve()) or bool(_IN_CACHE.search(target.as_posix()))


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
