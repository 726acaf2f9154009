"""Data and task of a user's own: any LightningDataModule and any LightningModule, which configs/ name by `_target_`.

Data with an argument `files`, which maps the names of raw files to their digests, are prepared arrays, for a task that
takes those, as in configs/task/classification.yaml. So much is known without importing the class, which takes seconds.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ..errors import ConfigError
from .schema import OwnConfig

# Keys of `data` that groups in configs/task/classification.yaml set
_CHOSEN_WITH_ARRAYS = {"split", "storage", "folds"}
_REFERENCE = re.compile(r"\$\{([\w.]+)\}")
# Of the group `training`, what only models/array_task.py and arrays/datamodule.py read.
_ARRAYS_ONLY = ("batch_size", "lr", "optimizer", "weight_decay", "scheduler", "loss")


def is_own(config: Mapping[str, Any]) -> bool:
    """Whether the data of a configuration, checked or not, are of any class, and no prepared arrays."""
    files = config["data"].get("files") if _target(config, "data") is not None else {}
    return not isinstance(files, Mapping | DictConfig)


def check_own(cfg: DictConfig, recorded: bool = False) -> None:
    """Check that data and task fit together, and that a chosen network is used.

    A task that learns from prepared arrays chooses the groups which say how these are stored and split.

    Args:
        cfg: the configuration.
        recorded: whether it comes from a run folder, where no interpolation is left to tell what is used.

    Raises:
        ConfigError: naming the group and what to choose.
    """
    data, task, own = _target(cfg, "data"), _target(cfg, "task"), is_own(cfg)
    if data is None and recorded:
        raise ConfigError("an earlier version made this run and named no class: check out the commit of the run")
    if data is None:
        raise ConfigError(
            f"data={_name(cfg)} names no class: give it a _target_, as in package.module.Class; docs/data.md says how"
        )
    if task is None and recorded:
        raise ConfigError("an earlier version made this run and named no task: check out the commit of the run")
    if task is None:
        raise ConfigError("task names no class: give it a _target_, as in package.module.Class")
    for_arrays = recorded or set(cfg.data) >= _CHOSEN_WITH_ARRAYS
    if own and for_arrays and not recorded:
        raise ConfigError(
            f"data._target_={data} is your own data, and task._target_={task} needs prepared arrays: "
            "choose your own task too, task=NAME for configs/task/NAME.yaml, or name the raw files of arrays in "
            "data.files"
        )
    if not own and not for_arrays:
        raise ConfigError(
            f"task._target_={task} is a task of your own, and data={_name(cfg)} are prepared arrays, for tasks such as "
            "task=classification: choose data of your own, too, data=NAME for configs/data/NAME.yaml"
        )
    if own and cfg.get("model") and not recorded and not _refers_to(cfg, "model"):
        raise ConfigError(
            f"model._target_={_target(cfg, 'model')} would not be used: let an argument in configs/task take it, "
            "as in network: ${model}"
        )


def name_of(config: OwnConfig) -> str:
    """Return what the record calls the data: the name of its class."""
    return str(config.data["_target_"]).rpartition(".")[2]


def refuse_unused(cfg: DictConfig, keys: Iterable[str]) -> None:
    """Refuse to set what only tasks on prepared arrays take from the group `training`.

    Args:
        cfg: as it is composed, with its interpolations.
        keys: that are set, as in `training.lr` or `training/optimizer`.

    Raises:
        ConfigError: neither data nor task take such a key.
    """
    for key in keys if is_own(cfg) else ():
        group, _, name = key.replace("/", ".").partition(".")  # training/optimizer=sgd chooses a file of configs/
        if group == "training" and name.partition(".")[0] in _ARRAYS_ONLY and not _refers_to(cfg, group, name):
            raise ConfigError(
                f"{key} would not reach {cfg.task._target_}: set its own argument in the group task, or let that take "
                "it, as in lr: ${training.lr}"
            )


def _target(cfg: Mapping[str, Any], group: str) -> Any:
    settings = cfg.get(group)
    return settings.get("_target_") if isinstance(settings, Mapping | DictConfig) else None


def _name(cfg: DictConfig) -> Any:
    data = cfg.get("data")
    return data.get("name") if isinstance(data, DictConfig) else data


def _refers_to(cfg: DictConfig, group: str, name: str = "") -> bool:
    """Whether data or task take a key of another group, or what holds it. Without a name, any key of it will do."""
    text = _text_of_own(cfg)
    if not name:
        return any("${" + group + end in text for end in "}.")
    parts = [group, *name.split(".")]
    return any("${" + ".".join(parts[:end]) + "}" in text for end in range(1, len(parts) + 1))


def _text_of_own(cfg: DictConfig) -> str:
    """Return data and task as they are written, and all that they refer to: `${training.optimizer}` has a rate, too."""
    plain: Any = OmegaConf.to_container(cfg)
    waiting, seen, text = [plain["data"], plain["task"]], set[str](), ""
    while waiting:
        part = str(waiting.pop())
        text += part
        for name in set(_REFERENCE.findall(part)) - seen:
            seen.add(name)
            value = plain
            for key in name.split("."):
                value = value.get(key) if isinstance(value, dict) else None
            waiting.append(value)
    return text
