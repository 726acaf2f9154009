"""The optimizer, the schedule of its learning rate, and the loss, as `configs/training` names them."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Annotated, Any

import torch
from hydra.utils import instantiate
from pydantic import Field
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from ..config.schema import Schedule, Training

_CHOICES = ("fused", "foreach", "differentiable")  # arguments that say how an optimizer computes its step


def build_optimizer(parameters: Iterable[torch.nn.Parameter], training: Training, mixed: bool = False) -> Optimizer:
    """Return the optimizer that `training.optimizer` names.

    Args:
        parameters: the ones that it changes.
        training: the optimizer's class and its settings.
        mixed: whether Lightning trains in mixed precision, where it cannot clip gradients of a fused optimizer.
    """
    tensors = list(parameters)
    build = instantiate(training.optimizer, _partial_=True, _convert_="all")  # lists would not load from a checkpoint
    chosen = "fused" not in inspect.signature(build.func).parameters or any(name in build.keywords for name in _CHOICES)
    # One call in place of a dozen for each tensor: on a CPU that halves the time of a small network's step. On a GPU
    # PyTorch groups the tensors itself. In half precision the fused SGD reads uninitialized memory.
    exact = all(tensor.device.type == "cpu" and tensor.dtype in (torch.float32, torch.float64) for tensor in tensors)
    return build(tensors, fused=True) if exact and not chosen and not mixed else build(tensors)


def build_scheduler(optimizer: Optimizer, training: Training, steps: int) -> dict[str, Any] | None:
    """Return the schedule that `training.scheduler` names, as Lightning wants it, or None.

    Args:
        optimizer: whose learning rate is changed.
        training: the schedule's class and its settings.
        steps: optimizer steps of the whole training. The argument that `steps_as` names gets them.
    """
    if not training.scheduler:
        return None
    ours = {item.name for item in fields(Schedule)}
    arguments = {key: value for key, value in training.scheduler.items() if key not in ours}
    schedule = {key: value for key, value in training.scheduler.items() if key in ours}
    if (name := schedule.pop("steps_as", None)) is not None:
        arguments.setdefault(name, steps)
    return {"scheduler": instantiate(arguments, _partial_=True, _convert_="all")(optimizer), **schedule}


def build_loss(training: Training) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return the loss that `training.loss` names: of logits (n, classes) and targets (n,), their mean, a scalar."""
    return instantiate(training.loss, _convert_="all")


def warmup_cosine(
    optimizer: Optimizer,
    steps: int,
    warmup: Annotated[float, Field(gt=0, lt=1)] = 0.1,
    start_factor: Annotated[float, Field(gt=0, le=1)] = 0.01,
    eta_min: Annotated[float, Field(ge=0)] = 0.0,
) -> SequentialLR:
    """Return a schedule that raises the learning rate in a straight line, and lowers it along half a cosine.

    Args:
        optimizer: whose learning rate is changed.
        steps: of the whole training.
        warmup: share of the steps that raise the learning rate.
        start_factor: of the learning rate, at the first step.
        eta_min: learning rate at the end.
    """
    up = min(max(1, round(warmup * steps)), max(1, steps - 1))
    return SequentialLR(
        optimizer,
        [LinearLR(optimizer, start_factor, total_iters=up), CosineAnnealingLR(optimizer, max(1, steps - up), eta_min)],
        milestones=[up],
    )
