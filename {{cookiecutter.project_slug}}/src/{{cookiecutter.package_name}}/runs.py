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
    newest = max(Path("outputs").glob(f"*/*/{CONFIG}"), key=lambda path: path.stat().st_mtime, default=None)
    hint = (
        f"the newest is run={newest.parent}"
        if newest
        else "there is none under outputs/ yet: python train.py makes one"
    )
    raise ConfigError(f"run={folder or ''} is not the folder of a run; {hint}")


def committable(cfg: DictConfig) -> str:
    """Return the configuration as YAML that may be committed: resolved, but for what it reads from the environment.

    DVC writes the same text when `dvc exp run -S` composes the configuration.
    """

    def resolved(raw: Any, value: Any) -> Any:
        if isinstance(raw, dict):
            return {key: resolved(raw[key], value[key]) for key in raw}
        if isinstance(raw, list):
            return [resolved(*pair) for pair in zip(raw, value, strict=True)]
        return raw if isinstance(raw, str) and "${oc.env:" in raw else value

    return OmegaConf.to_yaml(
        OmegaConf.create(resolved(OmegaConf.to_container(cfg), OmegaConf.to_container(cfg, resolve=True)))
    )
