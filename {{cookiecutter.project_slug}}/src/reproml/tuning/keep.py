"""What a DVC experiment left in params.yaml, written into configs/ as an experiment that config.yaml selects."""

import re
from itertools import count
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ..config.arguments import is_choice
from ..errors import ConfigError
from ..files import write_text
from ..runs import params
from .promote import write_experiment

_CONFIG = Path("configs/config.yaml")
_CHOSEN = re.compile(r"^( *- *experiment: *)([^\s#]+)", re.MULTILINE)
_APART = ("tracking", "paths", "experiment", "sweep", "debug")  # groups that params.yaml says nothing about


def keep(name: str | None) -> Path:
    """Write what params.yaml holds beyond configs/ as an experiment, select it in config.yaml, and return its path.

    Args:
        name: of the experiment; None: `kept`, or `kept_2` and so on if that exists.

    Raises:
        ConfigError: there is nothing to keep, the name cannot be used, or configs/ cannot be made to compose it.
    """
    path = Path(params.PARAMS)
    held = params.values(path.read_text(encoding="utf-8")) if path.exists() else {}
    if not held:
        raise ConfigError(f"{path} is missing or damaged: git checkout {path}, or dvc exp apply, restores it")
    if held == _composed([]):
        raise ConfigError(f"{path} is what configs/ give: there is nothing to keep")
    before = _CONFIG.read_text(encoding="utf-8")
    chosen = _CHOSEN.search(before)
    if chosen is None:
        raise ConfigError(
            f"{_CONFIG} has no line `- experiment: null` among its defaults: put it back after the groups"
        )
    name = name or _free_name()
    check_name(name)
    groups = _groups(held)
    values = _values(held, groups)
    defaults: list[Any] = [chosen[2]] if chosen[2] not in ("null", "~") else []
    defaults += [{f"override /{group}": option} for group, _, option in (choice.partition("=") for choice in groups)]
    written = write_experiment(name, defaults, values, f"What an experiment left in {path}")
    write_text(_CONFIG, _CHOSEN.sub(rf"\g<1>{name}", before, count=1))
    if other := _difference(held):
        written.unlink()
        write_text(_CONFIG, before)
        raise ConfigError(f"no experiment makes configs/ compose {path} ({other}): write that into configs/ by hand")
    return written


def check_name(name: str) -> None:
    """Refuse a name that no new file of configs/experiment can have.

    Raises:
        ConfigError: there is such a file, or it could not be chosen.
    """
    if not is_choice(name) or not _is_free(name):
        raise ConfigError(f"{name} is not the name of a new experiment: use letters a to z, digits and underscores")


def _groups(held: dict[str, Any]) -> list[str]:
    """Return the groups to choose differently, because their files come closer to params.yaml than single keys."""
    groups = _named(_CONFIG)
    groups += [inner for group in groups for inner in _inside(group)]
    chosen: list[str] = []
    least, composed = _distance(held, chosen), _composed(chosen)
    for group in dict.fromkeys(groups):
        if group in _APART or not (Path("configs") / group).is_dir():
            continue
        if not any(least):
            break
        if group in held and held[group] == composed.get(group):
            continue  # task=regression would bring its network, too, but another task was not chosen
        options = [f"{group}={file.stem}" for file in sorted((Path("configs") / group).glob("*.yaml"))]
        found = {option: _distance(held, [*chosen, option]) for option in options}
        best = min(options, key=lambda option: found[option])
        lacking, other = found[best]
        if lacking < least[0] or (lacking == least[0] and other < least[1] - 1):  # a single key is better set by itself
            chosen.append(best)
            least, composed = found[best], _composed(chosen)
    return chosen


def _named(path: Path) -> list[str]:
    """Return the groups that a file chooses from."""
    entries = OmegaConf.select(OmegaConf.load(path), "defaults") or []
    return [str(group) for entry in entries if isinstance(entry, DictConfig) for group in entry]


def _inside(group: str) -> list[str]:
    """Return the groups inside a group, such as training/optimizer, and those that its files name, such as /model."""
    folder = Path("configs") / group
    named = [each[1:] for file in sorted(folder.glob("*.yaml")) for each in _named(file) if each.startswith("/")]
    return [*(f"{group}/{path.name}" for path in sorted(folder.glob("*/"))), *named]


def _values(held: dict[str, Any], groups: list[str]) -> DictConfig:
    """Return the keys to set beside the chosen groups: not those that follow others, as `lr: ${training.lr}` does."""
    composed = params.composed(Path(), groups)
    OmegaConf.set_struct(composed, False)
    values = OmegaConf.create(params.leading(params.beyond(held, params.plain(composed)), composed))
    assert isinstance(values, DictConfig)
    rest = params.beyond(held, params.plain(OmegaConf.merge(composed, values)))  # type: ignore[arg-type]
    return OmegaConf.merge(values, rest)  # type: ignore[return-value]


def _distance(held: dict[str, Any], overrides: list[str]) -> tuple[float, float]:
    """Return how many keys params.yaml lacks, which only another group can remove, and how many differ."""
    try:
        other = _composed(overrides)
    except (HydraException, OmegaConfBaseException):
        return float("inf"), float("inf")
    return len(params.lacking(held, other)), len(params.flat(params.beyond(held, other)))


def _difference(held: dict[str, Any]) -> str:
    try:
        return params.told(held, params.composed(Path()))
    except (HydraException, OmegaConfBaseException) as error:
        return " ".join(str(error).split())


def _composed(overrides: list[str]) -> dict[str, Any]:
    return params.plain(params.composed(Path(), overrides))


def _free_name() -> str:
    return next(name for number in count(1) if _is_free(name := "kept" if number == 1 else f"kept_{number}"))


def _is_free(name: str) -> bool:
    return not (Path("configs/experiment") / f"{name}.yaml").exists()
