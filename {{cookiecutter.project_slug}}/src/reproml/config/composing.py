"""Composing configs/ where a file of it may be damaged: which one, what is wrong, and the fix, in one sentence."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from hydra import compose, initialize_config_dir
from hydra.errors import MissingConfigException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from ..errors import ConfigError, UserError

_KEY = re.compile(rb"^[^\s#-][^\n]*:", re.MULTILINE)  # a file with one is not empty


@contextmanager
def composing(project: Path = Path(), script: str = "app") -> Iterator[None]:
    """Let Hydra compose the configuration of a project inside, and name the damaged file where it cannot.

    Args:
        project: its folder.
        script: name of the script, without `.py`.

    Raises:
        ConfigError: naming the file, what is wrong with it, and the fix.
    """
    configs = project / "configs"
    if not configs.is_dir():
        raise ConfigError(f"{configs} is not a folder, but all settings belong there: {_back(configs)}")
    try:
        with initialize_config_dir(str(configs.resolve()), job_name=script, version_base="1.3"):
            yield
    except UserError:
        raise
    except MissingConfigException as error:
        if said := _missing(error, configs):
            raise ConfigError(said) from error
        raise
    except Exception as error:
        if said := next(filter(None, map(damage, sorted(configs.rglob("*.yaml")))), None):
            raise ConfigError(said) from error
        raise


def composed(name: str, overrides: Sequence[str] = (), project: Path = Path()) -> DictConfig:
    """Return a configuration of a project, without Hydra's own part.

    Raises:
        ConfigError: a file of configs/ is damaged.
    """
    with composing(project):
        refuse_empty(project / "configs" / f"{name}.yaml")
        cfg = compose(name, overrides=list(overrides), return_hydra_config=True)
        for _, file in chosen(cfg.hydra):
            refuse_empty(project / "configs" / file)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg


def chosen(hydra: DictConfig) -> Iterator[tuple[str, Path]]:
    """Yield what is chosen, as in `model=cnn`, with its file in configs/; Hydra's own files are not there."""
    choices: Any = OmegaConf.to_container(hydra.runtime.choices)
    for group, given in choices.items():
        for choice in given if isinstance(given, list) else [given]:
            if choice is not None:
                yield f"{group}={choice}", Path(group.partition("@")[0], f"{str(choice).removesuffix('.yaml')}.yaml")


def refuse_empty(path: Path) -> None:
    """Refuse a file without a single key, as a crash leaves one; `{}` says that it is meant so.

    Raises:
        ConfigError: naming the file and the fix.
    """
    if path.is_file() and not _KEY.search(path.read_bytes()) and (said := damage(path)):
        raise ConfigError(said)


def damage(path: Path) -> str | None:
    """Return what is wrong with a file of configs/, with the fix, or None."""
    if path.is_dir():
        return f"{path} is a folder, where a file belongs: remove it; {_back(path)}"
    if not path.exists():
        return f"{path} is a link to a file that does not exist: remove it; {_back(path)}"
    try:
        content = OmegaConf.load(path)
        defaults = content.get("defaults") if isinstance(content, DictConfig) else None
        named = OmegaConf.to_container(defaults) if OmegaConf.is_config(defaults) else defaults
        whole = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return f"{path}, line {line}, is not text in UTF-8: save it in UTF-8, or {_back(path)}"
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        place = f"{path}, line {mark.line + 1}," if mark else str(path)
        return f"{place} is not valid YAML ({' '.join(str(problem or error).split())}): fix it there, or {_back(path)}"
    except OmegaConfBaseException as error:
        return f"{path} holds an interpolation that cannot be read at {error.full_key}: write it as in ${{training.lr}}"
    except OSError as error:
        if error.errno is not None:  # of the file system, which names file and reason
            return None
        whole = 0
    if whole is None:
        return f"{path} is empty: {_back(path)}; where it is meant to be empty, write {{}} into it"
    if not isinstance(whole, dict):
        return (
            f"{path} holds {_kind(whole)}, where keys with values belong: write it as in key: value, or {_back(path)}"
        )
    return _list_of_defaults(path, named) if "defaults" in whole else None


def _list_of_defaults(path: Path, defaults: Any) -> str | None:
    """Return what is wrong with the list of defaults of a file; whether its entries exist, Hydra says."""
    if not isinstance(defaults, list):
        return f"{path} has {_kind(defaults)} as its defaults: write a list, as in defaults: [_self_]"
    for entry in defaults:
        if not isinstance(entry, str) and not (isinstance(entry, dict) and len(entry) == 1):
            return f"{path} has {entry} in its list of defaults: write the name of a file, or one group: file"
    return None


def _missing(error: MissingConfigException, configs: Path) -> str | None:
    """Return a sentence for a file that does not exist, unless it was chosen where others are."""
    path = configs / f"{str(error.missing_cfg_file).removesuffix('.yaml')}.yaml"
    if path.is_dir() or path.is_symlink():
        return damage(path)
    if error.options:
        return None
    if by := re.match(r"In '([^']+)'", str(error)):
        list_of = configs / f"{by[1]}.yaml"
        return f"{list_of} has {path} in its list of defaults, which does not exist: correct the list, or {_back(path)}"
    return f"{path} does not exist: {_back(path)}"


def _kind(value: Any) -> str:
    kinds: dict[type, str] = {list: "a list", dict: "a mapping", str: "a text"}
    return kinds.get(type(value), f"the value {value}")


def _back(path: Path) -> str:
    return f"git checkout {path} restores the committed one"
