"""Run folders and the configuration files in them."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from .errors import ConfigError
from .files import write_text

CONFIG = "config.yaml"


def write_config(config: dict[str, Any], folder: Path) -> None:
    """Write the configuration of a run, in plain types and without secrets, into its folder."""
    write_text(folder / CONFIG, OmegaConf.to_yaml(OmegaConf.create(config)))


def read_config(folder: str | None) -> DictConfig:
    """Return the configuration that a run was made with.

    Raises:
        ConfigError: no folder is named, or it is not the folder of a run.
    """
    if folder and (Path(folder) / CONFIG).is_file():
        config = OmegaConf.load(Path(folder) / CONFIG)
        assert isinstance(config, DictConfig)
        return config
    runs = [path for path in Path("outputs").rglob(CONFIG) if path.parent.name != ".hydra"]
    newest = max(runs, key=lambda path: path.stat().st_mtime, default=None)
    hint = (
        f"the newest is run={newest.parent}"
        if newest
        else "there is none under outputs/ yet: python train.py makes one"
    )
    raise ConfigError(f"run={folder or ''} is not the folder of a run; {hint}")
