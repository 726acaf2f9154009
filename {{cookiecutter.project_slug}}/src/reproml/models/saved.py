"""The final model: weights as safetensors, with what is needed to build the network again."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..config import trust
from ..errors import ConfigError, DataError
from ..files import whole_path
from .array_task import ArrayTask, build_task
from .description import parse
from .interface import Interface


@rank_zero_only
def save_model(model: LightningModule, description: dict[str, Any], path: Path) -> None:
    """Write the weights and their description. Equal models give equal bytes.

    Args:
        model: the trained model.
        description: plain types: `task` (its configuration); of one on prepared arrays `model` (the configuration of
            its network) too, and what `Interface` describes.
        path: the file to write.
    """
    weights, seen = {}, set[int]()
    for name, tensor in model.state_dict().items():
        plain = tensor.detach().cpu().contiguous()
        place = plain.untyped_storage().data_ptr()
        # layers that share a tensor write it twice, which safetensors refuses; nothing else is copied
        weights[name] = plain.clone() if place in seen else plain
        seen.add(place)
    with whole_path(path) as part, _as_of_the_system(part):
        # one key only: safetensors writes several keys in random order
        save_file(weights, part, metadata={"description": json.dumps(description, sort_keys=True)})


@contextmanager
def _as_of_the_system(path: Path) -> Iterator[None]:
    """Say what the system has refused, such as a full disk, in its own words: safetensors has an error for all."""
    try:
        yield
    except SafetensorError as error:
        if code := re.search(r"\(os error (\d+)\)", str(error)):
            raise OSError(int(code[1]), os.strerror(int(code[1])), str(path)) from error
        raise


class SetWeights(Callback):
    """Sets the weights of a model before its test, and after set-up, whose hooks may make layers, or replace them.

    Args:
        weights: by name.
        unfit: what is wrong where the model has other ones.
    """

    def __init__(self, weights: dict[str, torch.Tensor], unfit: str) -> None:
        self.weights, self.unfit = weights, unfit

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set them.

        Raises:
            DataError: the model has other weights.
        """
        try:
            pl_module.load_state_dict(self.weights)
        except RuntimeError as error:
            raise DataError(self.unfit) from error


def load_into(path: Path, trainer: Trainer) -> None:
    """Have the model that a trainer tests get the weights of a file.

    Raises:
        DataError: there is no such file, or it is damaged. If it holds the weights of another model, the test says so.
    """
    weights, _ = load_weights(path)
    unfit = f"{path} does not hold the weights of the model that the run names; train it again"
    trainer.callbacks.append(SetWeights(weights, unfit))  # type: ignore[attr-defined]


def load_model(path: str | Path, trusted: bool = False) -> tuple[LightningModule, dict[str, Any]]:
    """Return the model, an `ArrayTask` around its network or a task of the user's own, and its description.

    Args:
        path: of the file.
        trusted: whether any class that the file names may be built.

    Raises:
        ConfigError: this project does not know the class of its network.
        DataError: there is no such file, or it is damaged.
    """
    weights, description = load_weights(path)
    if "task" not in description:
        raise DataError(f"{path} was written by an earlier version, which names no task: train it again")
    if not trusted:
        trust.check_names(
            {group: description[group] for group in ("task", "model") if group in description}, Path(path)
        )
    try:
        build = _array_task if "model" in description else _own_task
        return build(weights, description), description
    except (KeyError, RuntimeError) as error:
        raise DataError(f"{path} does not hold the weights of the network that it names; train it again") from error


def _array_task(weights: dict[str, torch.Tensor], description: dict[str, Any]) -> ArrayTask:
    # what lies in neither the network nor the loss are statistics of the training examples
    statistics = {name: torch.zeros_like(tensor) for name, tensor in weights.items() if "." not in name}
    model = build_task(description["task"], description["model"], Interface.of(description), statistics)
    if weights["mean"].dtype != torch.get_default_dtype():
        model.to(weights["mean"].dtype)  # as after trainer.precision=64-true: loading must not round
    # class weights, say, or parameters of the loss itself: only training needs them
    model.load_state_dict({name: tensor for name, tensor in weights.items() if not name.startswith("loss.")})
    return model


def _own_task(weights: dict[str, torch.Tensor], description: dict[str, Any]) -> LightningModule:
    model: LightningModule = instantiate({"_convert_": "object", **description["task"]})
    try:
        model.configure_model()
        model.setup("predict")  # either may make layers
    except (AttributeError, RuntimeError) as error:
        raise ConfigError(
            f"task._target_={description['task']['_target_']} cannot be built without a trainer ({error}): let its "
            "constructor, configure_model or setup make its layers from its arguments alone"
        ) from error
    dtypes = {tensor.dtype for tensor in weights.values() if tensor.is_floating_point()}
    if dtypes == {torch.float64}:
        model.double()  # as after trainer.precision=64-true
    model.load_state_dict(weights)
    return model


def load_weights(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the weights and the description of a model. No class that the file names is needed, or built.

    Raises:
        DataError: there is no such file, or it is damaged.
    """
    try:
        with safe_open(path, framework="pt") as stream:
            description = parse(stream.metadata()["description"])
            weights = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 (not a dict)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; train a model first: python train.py") from error
    except (SafetensorError, TypeError, KeyError, ValueError) as error:
        raise DataError(
            f"{path} is not a model written by train.py, or is damaged ({error}); train it again"
        ) from error
    return weights, description
