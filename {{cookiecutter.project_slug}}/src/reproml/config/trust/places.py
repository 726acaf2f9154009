"""Where the settings of a run have files written, and what its classes are pointed at."""

import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ...errors import ConfigError
from ..own import is_own
from ..schema import Config, Data, OwnConfig
from .flag import FLAG, given
from .names import last, leaves, named, short

_KEYS = ("folder", "dirpath", "path", "filename", "save_dir")  # these say where a class writes
_GROUPS = ("callbacks", "trainer", "tracking")  # which name classes
_LOCAL = re.compile(r"(file:/*(?=/)|sqlite[^:/]*:///)")  # a place on this disk, as an address


def written(config: dict[str, Any]) -> dict[str, str]:
    """Return the settings of a configuration that say where a run writes: key -> path.

    Of the settings of a class these are the keys that are known to do so, and each that is absolute or holds `..`.

    Args:
        config: resolved, in plain types; groups may be missing.
    """
    places = {f"paths.{key}": str(value) for key, value in config["paths"].items()}
    chosen = {group: config[group] for group in _GROUPS if group in config}
    return places | {key: path for key, value in leaves(chosen) for path in _path(key, value)}


def check_places(config: Config, source: Path) -> None:
    """Refuse to write where only the folder of a run says so.

    It may say: into the folder itself; into `data/`, for data; anywhere in this project, for what a class writes, since
    none writes code. Other places have to stand in configs/, or already hold this data, so that it is only read.

    Args:
        config: of the run.
        source: the file of the run that it comes from.

    Raises:
        ConfigError: something would be written elsewhere, and `--trust` was not given.
    """
    if given():
        return
    project, own = Path.cwd().resolve(), source.parent.resolve()
    for key, value in written(asdict(config)).items():
        data = key in ("paths.raw", "paths.processed")
        homes = (own, (project / "data").resolve() if data else project)
        inside = any((project / value).resolve().is_relative_to(home) for home in homes)
        if key == "paths.run" or inside or value in _named(key, config.data) or (data and _is_there(key, config)):
            continue
        where = "data/" if data else "this project"
        raise ConfigError(
            f"{source} asks to write into {key}={short(value)}, outside of {where}: add {FLAG} if you trust its author"
        )


def check_arguments(config: dict[str, Any], source: Path) -> None:
    """Refuse to point task, network, or data of the user's own at places that only the folder of a run names.

    What such a class reads ends in its results, and the record would tell the digest; what it downloads, it writes
    there.

    Args:
        config: of the run, resolved, in plain types; its inputs and its folder are checked already.
        source: the file of the run that it comes from.

    Raises:
        ConfigError: an argument leads out of this project, and `--trust` was not given.
    """
    if given():
        return
    groups = ("data", "task", "model") if is_own(config) else ("task", "model")
    project = Path.cwd().resolve()
    paths = [path for key, path in config["paths"].items() if key == "run" or path in _named(key)]
    homes = [(project / place).resolve() for place in (".", source.parent, *config.get("inputs", {}).values(), *paths)]
    for key, value in leaves({group: config.get(group) for group in groups}):
        for path in _path(key, value):
            inside = any((project / path).resolve().is_relative_to(home) for home in homes)
            if not inside and path not in _named(key):
                raise ConfigError(
                    f"{source} asks for {key}={short(value)}, which is outside of this project, and which no file in "
                    f"configs/ names: add {FLAG} if you trust its author"
                )


def _path(key: str, value: Any) -> Iterator[str]:
    """Yield the path that a setting is, if it is one."""
    if not isinstance(value, str) or last(key).startswith("_"):
        return
    text = _LOCAL.sub("", value)
    if "://" in text:  # of a server
        return
    path = Path(text)
    if last(key) in _KEYS or text != value or path.is_absolute() or ".." in path.parts:
        yield text
    elif text.startswith("~"):
        yield str(path.expanduser())


def _named(key: str, data: Data | dict[str, Any] | None = None) -> set[str]:
    """Return the values that configs/ have for a key. The name of the data, whose form is checked, may be in them."""
    found = set()
    for name, text in named(Path("configs").resolve()):
        if name == last(key):
            try:
                known = {"name": data.name} if isinstance(data, Data) else {}
                value = OmegaConf.create({"data": known, "value": text}).value
            except OmegaConfBaseException:  # it depends on other keys of the run
                continue
            found.add(_LOCAL.sub("", str(value)))
    return found


def _is_there(key: str, config: Config) -> bool:
    """Whether a folder holds the data of these settings, so that nothing is written into it."""
    if isinstance(config, OwnConfig):
        return False
    if key == "paths.raw":
        return all((Path(config.paths.raw) / name).is_file() for name in config.data.files)
    from ...arrays.prepare import read_manifest  # imports NumPy, which is only needed here

    return read_manifest(config.data, Path(config.paths.processed)) is not None
