"""The best trial as a named experiment."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ..config.arguments import is_choice, parsed
from ..errors import ConfigError
from ..files import write_text

_CONFIGS = Path("configs")


def check_promotion(name: str, overrides: list[str]) -> None:
    """Refuse before the search what could not be written after it.

    Raises:
        ConfigError: the name cannot be used, or an experiment cannot hold an override.
    """
    if not is_choice(name):
        raise ConfigError(f"--promote {name} is not a valid name: use letters a to z, digits and underscores")
    for override in parsed(overrides):
        if override.key_or_group == "debug":
            raise ConfigError(
                f"--promote {name} cannot keep {override.input_line} in an experiment: leave one of them out"
            )


def promote(name: str, overrides: list[str], about: str) -> Path:
    """Write the settings of a trial as `configs/experiment/NAME.yaml`, and return its path.

    Args:
        name: of the experiment.
        overrides: all arguments that the trial was trained with.
        about: one line on where they come from.

    Raises:
        ConfigError: the file exists with other content.
    """
    defaults: list[Any] = []
    values = OmegaConf.create()
    for override in parsed(overrides):
        key, value = override.key_or_group, override.value()
        if key == "experiment":
            defaults.insert(0, value)  # the chosen groups win over its own
        elif (_CONFIGS / key).is_dir():
            defaults.append({f"override /{key}": value})
        else:
            OmegaConf.update(values, key, value, force_add=True)
    return write_experiment(name, defaults, values, about)


def write_experiment(name: str, defaults: list[Any], values: DictConfig, about: str) -> Path:
    """Write `configs/experiment/NAME.yaml`, and return its path.

    Args:
        name: of the experiment.
        defaults: the experiment that it begins from, and the groups that it chooses.
        values: the keys that it sets.
        about: one line on where they come from.

    Raises:
        ConfigError: the file exists with other content.
    """
    parts = [f"# @package _global_\n# {about}\n# python train.py experiment={name}\n"]
    parts += [OmegaConf.to_yaml(OmegaConf.create(part)) for part in ({"defaults": defaults},) if defaults]
    parts += [OmegaConf.to_yaml(values)] if values else []
    path, content = _CONFIGS / "experiment" / f"{name}.yaml", "".join(parts)
    if path.exists() and path.read_text(encoding="utf-8") != content:
        raise ConfigError(f"{path} exists with other content: choose another name than {name}")
    write_text(path, content)
    return path
