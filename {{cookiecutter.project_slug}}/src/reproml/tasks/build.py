"""Data and task of a run: the user's own, or prepared arrays and a task that learns from them."""

from typing import Any

from hydra.utils import get_class, instantiate
from lightning import LightningDataModule, LightningModule
from lightning.pytorch.utilities.model_helpers import is_overridden

from ..arrays.datamodule import ArrayDataModule
from ..config.schema import Config, OwnConfig
from ..errors import ConfigError
from ..launch import rank
from ..models.array_task import build_task
from ..training.cluster import rank_zero_first
from ..training.keyed import keyed
from ..training.randomness import seed_everything


def build(config: Config) -> tuple[LightningDataModule, LightningModule]:
    """Return the data, prepared, and the task with its first weights; what both draw later is keyed by the seed.

    Raises:
        ConfigError: a class returns something else, or the training's settings do not fit the task.
        DataError: prepared arrays are missing or damaged.
    """
    if not isinstance(config, OwnConfig):
        arrays = build_arrays(config)
        seed_everything(config.seed, "weights")
        learner = build_task(config.task, config.model, arrays.interface, arrays.statistics(), config.training)
        for each in (arrays, learner):
            keyed(each, config.seed)
        return arrays, learner
    data = build_own(config)
    seed_everything(config.seed, "weights")
    task = _built("task", config.task, LightningModule)
    keyed(task, config.seed)
    _refuse_incomplete(config, data, task)
    if not task.automatic_optimization:
        _refuse_automatic(config)
    return data, task


def build_own(config: OwnConfig) -> LightningDataModule:
    """Return the data of a user's own class, prepared.

    Raises:
        ConfigError: the class is of another kind.
    """
    seed_everything(config.seed, "data")
    data: LightningDataModule = _built("data", config.data, LightningDataModule)
    keyed(data, config.seed)
    with rank_zero_first():
        if not rank():  # Lightning calls it too, but the record names the files, so they have to be there before it
            data.prepare_data()
    return data


def build_arrays(config: Config) -> ArrayDataModule:
    """Return the data of a configuration that names prepared arrays.

    Raises:
        ConfigError: the class is of another kind.
        DataError: they are missing or damaged.
    """
    named = get_class(config.data._target_)
    if not issubclass(named, ArrayDataModule):
        raise ConfigError(
            f"data._target_={config.data._target_} is no ArrayDataModule, which an argument `files` with digests is "
            "for: derive it from reproml.ArrayDataModule, or call that otherwise"
        )
    return named(config)  # called here: Hydra would make a configuration of what it is given


def description(settings: dict[str, Any], data: LightningDataModule) -> dict[str, Any]:
    """Return what the model file says of itself, in plain types.

    Args:
        settings: the configuration in plain types, to be written.
        data: that the model was trained with.
    """
    if isinstance(data, ArrayDataModule):
        task = {key: value for key, value in settings["task"].items() if key != "metrics"}  # a prediction needs none
        return {"task": task, "model": settings["model"], **data.interface.described()}
    return {"task": settings["task"]}


def _built(group: str, settings: dict[str, Any], base: type) -> Any:
    made = instantiate({"_convert_": "object", **settings})  # lists and dictionaries, as the class would get by hand
    if not isinstance(made, base):
        raise ConfigError(
            f"{group}._target_={settings['_target_']} makes a {type(made).__name__}, which is no {base.__name__}"
        )
    return made


def _refuse_incomplete(config: OwnConfig, data: LightningDataModule, task: LightningModule) -> None:
    """Refuse classes without what every training needs, before anything is written."""
    for group, made, base, names in (
        ("data", data, LightningDataModule, ("train_dataloader",)),
        ("task", task, LightningModule, ("training_step", "configure_optimizers")),
    ):
        for name in names:
            if not is_overridden(name, made, base):
                target = getattr(config, group)["_target_"]
                raise ConfigError(f"{group}._target_={target} has no {name}, which a training needs: add it")


def _refuse_automatic(config: OwnConfig) -> None:
    """Refuse what Lightning leaves to a task that steps its optimizers itself."""
    for key, value, without in (
        ("gradient_clip", config.training.gradient_clip, None),
        ("accumulate", config.training.accumulate, 1),
    ):
        if value != without:
            fix = "null" if without is None else without
            raise ConfigError(
                f"training.{key}={value} has no effect on a task with automatic_optimization=False, which steps its "
                f"own optimizers: set training.{key}={fix}, and do it in training_step"
            )
