"""Data and task of a user's own: any LightningDataModule and any LightningModule, which configs/ name by `_target_`.

Without `_target_` the data are prepared arrays, and the task is their classification: configs/task/classification.yaml.
"""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from .config import Config, OwnConfig
from .errors import ConfigError


def is_own(config: Mapping[str, Any]) -> bool:
    """Whether the data of a configuration, checked or not, are a class of the user's own."""
    return _target(config, "data") is not None


def check_own(cfg: DictConfig, recorded: bool = False) -> None:
    """Check that data and task are both of the user's own, or neither, and that a chosen network is used.

    Args:
        cfg: the configuration.
        recorded: whether it comes from a run folder, where no interpolation is left to tell what is used.

    Raises:
        ConfigError: naming the group and what to choose.
    """
    data, task = _target(cfg, "data"), _target(cfg, "task")
    if task is None and "task" in cfg:
        raise ConfigError("task names no class: give it a _target_, as in my_project.tasks.module.Class")
    if data is not None and task is None:
        raise ConfigError(
            f"data._target_={data} is data of your own, and task=classification learns from prepared arrays only: "
            "choose a task of your own, too, task=NAME for configs/task/NAME.yaml"
        )
    if task is not None and data is None:
        raise ConfigError(
            f"task._target_={task} is a task of your own, and data={_name(cfg)} are prepared arrays, for "
            "task=classification: choose data of your own, too, data=NAME for configs/data/NAME.yaml with a _target_"
        )
    if data is not None and "model" in cfg and not recorded and not _refers_to(cfg, "model"):
        raise ConfigError(
            f"model._target_={_target(cfg, 'model')} would not be used: let an argument in configs/task take it, "
            "as in network: ${model}"
        )


def name_of(config: OwnConfig) -> str:
    """Return what the record calls the data: the name of its class."""
    return str(config.data["_target_"]).rpartition(".")[2]


def refuse_own(config: Config | Mapping[str, Any], what: str) -> None:
    """Refuse what only makes sense for prepared arrays and classes.

    Args:
        config: of a run, checked or as it is recorded.
        what: begins the sentence, as in `a server`.

    Raises:
        ConfigError: data and task are of the user's own.
    """
    if isinstance(config, OwnConfig) or (isinstance(config, Mapping) and is_own(config)):
        task = config.task if isinstance(config, OwnConfig) else config["task"]
        raise ConfigError(
            f"{what} needs the classification of prepared arrays, task=classification, and this is a run of the task "
            f"{task['_target_']}: evaluate.py, report, compare and verify take it"
        )


def _target(cfg: Mapping[str, Any], group: str) -> Any:
    settings = cfg.get(group)
    return settings.get("_target_") if isinstance(settings, Mapping | DictConfig) else None


def _name(cfg: DictConfig) -> Any:
    data = cfg.get("data")
    return data.get("name") if isinstance(data, DictConfig) else data


def _refers_to(cfg: DictConfig, group: str) -> bool:
    """Whether data or task take a value of another group, as in `${model}` or `${model.hidden}`."""
    texts = [OmegaConf.to_yaml(cfg[name], resolve=False) for name in ("data", "task")]
    return any("${" + group + end in text for text in texts for end in "}.")
