"""What DVC's stages depend on besides files: params.yaml, and code.yaml.

params.yaml is what configs/ give for the pipeline, as DVC tracks it, or what an experiment has left there.

`configure.py` begins the file with a digest of what follows. `dvc exp run -S` writes it without one, and an edit by
hand leaves a wrong one. So the digest tells whether configs/ may replace what is there.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from omegaconf import DictConfig, OmegaConf

from ..config import composing
from ..config import resolvers as _resolvers  # noqa: F401  (configs/ need them)
from ..config.own import is_own
from ..errors import ConfigError
from ..programs import git
from .code import code_digests, deciding_code, summed_up
from .imported import code_now, module_of

PARAMS = "params.yaml"
CODE = "code.yaml"
LOCK = "dvc.lock"
_SHOWN = 3
# Settings of prepared arrays: what decides no bit (the files are known by their digests), and what is used after.
_HOW_IT_IS_READ = ("source", "archives", "remote", "num_workers", "persistent_workers", "start_method")
_ONCE_PREPARED = ("unit", "train_examples", "shift", "flip", "window", "folds", "fold")
_MARK = "# Written by configure.py from configs/, where changes belong; SHA-256 of what follows: "


def composed(project: Path, overrides: Sequence[str] = ()) -> DictConfig:
    """Return the configuration of the pipeline as configs/ compose it."""
    return composing.composed("snapshot", overrides, project)


def plain(config: DictConfig) -> dict[str, Any]:
    """Return a configuration in plain types, with everything in it resolved."""
    values = OmegaConf.to_container(config, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def text(config: DictConfig) -> str:
    """Return a configuration as the content of params.yaml."""
    body = OmegaConf.to_yaml(config, resolve=True)
    return f"{_MARK}{_digest(body)}\n{body}"


def code_text(project: Path) -> str:
    """Return the content of code.yaml: digests of the code of stages, and of the settings of data, of whatever class.

    `prepare` is of the code and the settings that decide what is prepared, `data` of the settings of the data that
    decide a run's bits, `run` of the code that does, and `documents` of the code that writes cards.

    Args:
        project: folder of the project, whose params.yaml names the data.

    Raises:
        ConfigError: params.yaml names none.
    """
    try:
        data = values(_content(project, PARAMS, None) or "")["data"]
        prepare = preparation(data)
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{PARAMS} is damaged, or names no data._target_: python configure.py writes it") from error
    digests = {
        "prepare": prepare,
        "data": summed_up(_read(data)),
        "run": summed_up(deciding_code(code_digests(project))),
        "documents": summed_up(code_now("reproml.cards.data_card", "reproml.cards.model_card")),
    }
    note = "# Written by `dvc repro` from src/ and params.yaml, so that its stages see every edit that concerns them\n"
    return note + "".join(f"{name}: '{digest}'\n" for name, digest in digests.items())


def preparation(data: dict[str, Any]) -> str:
    """Return a digest of the code and the settings that decide what is prepared, given the settings of the data."""
    arrays = not is_own({"data": data})
    settings = {key: value for key, value in _read(data).items() if not (arrays and key in _ONCE_PREPARED)}
    return summed_up(code_now(module_of(data["_target_"]), "reproml.arrays.prepare") | settings)


def _read(data: dict[str, Any]) -> dict[str, Any]:
    arrays = not is_own({"data": data})
    return {key: value for key, value in data.items() if not (arrays and key in _HOW_IT_IS_READ)}


def read_lock(path: Path) -> Any:
    """Return the content of dvc.lock, with every value as text. OmegaConf would take a hundred times as long.

    Raises:
        YAMLError: it is not valid YAML.
        OSError: it cannot be opened.
        UnicodeDecodeError: it is not text.
    """
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # a build without libyaml lacks the first
    return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 (it makes nothing but texts)


def refuse_damaged_lock(project: Path) -> None:
    """Refuse a dvc.lock that DVC cannot read: a kill while DVC writes it leaves an empty one, or a part.

    DVC asks the file before any stage runs, and what it says then does not tell what to do.

    Raises:
        ConfigError: with the command that brings the file back, or removes it.
    """
    path = project / LOCK
    try:
        found = read_lock(path) if path.exists() else {"schema": "", "stages": {}}
        whole = isinstance(found, dict) and "schema" in found and isinstance(found.get("stages"), dict)
    except Exception:  # of the parser, or because it cannot be opened
        whole = False
    if not whole:
        committed = git(project, "cat-file", "-e", f"HEAD:./{LOCK}") is not None
        fix = f"git checkout HEAD {LOCK} restores the committed one" if committed else f"rm {LOCK} starts a new one"
        raise ConfigError(f"{LOCK} is damaged, probably because a kill interrupted DVC: {fix}, then dvc repro")


def of_configs(content: str) -> bool:
    """Whether configure.py wrote a params.yaml, and nothing has changed it since."""
    mark, _, body = content.partition("\n")
    return mark == f"{_MARK}{_digest(body)}"


def values(content: str) -> dict[str, Any]:
    """Return what a params.yaml holds, or nothing if it is not a YAML mapping."""
    try:
        found = OmegaConf.to_container(OmegaConf.create(content))
    except Exception:  # of the parser or of OmegaConf
        return {}
    return {str(key): value for key, value in found.items()} if isinstance(found, dict) else {}


def beyond(held: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a configuration that another one lacks or sets differently, nested as they are."""
    found = {}
    for key, value in held.items():
        if isinstance(value, dict) and isinstance(other.get(key), dict):
            if part := beyond(value, other[key]):
                found[key] = part
        elif key not in other or other[key] != value:
            found[key] = value
    return found


def lacking(held: dict[str, Any], other: dict[str, Any], prefix: str = "") -> list[str]:
    """Return the dotted keys that a configuration lacks and another one has."""
    found = []
    for key, value in other.items():
        if key not in held:
            found.append(f"{prefix}{key}")
        elif isinstance(value, dict) and isinstance(held[key], dict):
            found += lacking(held[key], value, f"{prefix}{key}.")
    return found


def leading(values: dict[str, Any], config: Any) -> dict[str, Any]:
    """Return the values without those that follow others in a configuration, as `lr: ${training.lr}` does."""
    found = {}
    for key, value in values.items():
        inside = config if isinstance(config, DictConfig) and key in config else OmegaConf.create()
        if not OmegaConf.is_interpolation(inside, key):
            found[key] = leading(value, inside.get(key)) if isinstance(value, dict) else value
    return {key: value for key, value in found.items() if value or not isinstance(value, dict) or not values[key]}


def told(held: dict[str, Any], config: DictConfig) -> str:
    """Return, for people, the first settings in which params.yaml differs from what configs/ give."""
    other = plain(config)
    different = beyond(held, other)
    said = [f"{key}={value}" for key, value in flat(leading(different, config) or different).items()]
    said += [f"no {key}" for key in lacking(held, other)]
    more = f" and {len(said) - _SHOWN} more" if len(said) > _SHOWN else ""
    return ", ".join(said[:_SHOWN]) + more


def flat(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of a nested dictionary by their dotted keys."""
    found: dict[str, Any] = {}
    for key, value in nested.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return found


def unkept(project: Path, config: DictConfig, commit: str | None = None) -> str:
    """Return what would be lost if configs/ were written into params.yaml: an experiment's settings, or nothing.

    Args:
        project: folder of the project.
        config: what configs/ give.
        commit: the commit to read params.yaml from; None: the working tree.
    """
    content, lock = (_content(project, name, commit) for name in (PARAMS, LOCK))
    if content is None or lock is None or of_configs(content):  # or the pipeline has never run: nothing can be lost
        return ""
    return told(values(content), config)


def _content(project: Path, name: str, commit: str | None) -> str | None:
    if commit is not None:
        shown = git(project, "show", "--end-of-options", f"{commit}:./{name}")
        return None if shown is None else f"{shown}\n"
    path = project / name
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else None


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
