"""The inputs that a run's test gives to its task's forward."""

import inspect
from typing import Any

import torch
from lightning import LightningModule

from ..config.schema import Config
from ..errors import ConfigError
from ..evaluation.measure import evaluate
from ..models.saved import load_into
from ..names import MODEL
from ..runs.completed import CompletedRun
from ..tasks.build import build
from ..tasks.data import refuse_other_data
from ..training.trainer import build_tester

Inputs = dict[str, torch.Tensor]  # by their names in forward, on the CPU

_MOST = 2**28  # bytes of inputs to keep


def captured(run: CompletedRun, config: Config) -> list[Inputs]:
    """Test a run's model, and return what its forward was given at each call, up to 256 MiB of it.

    Raises:
        ConfigError: the task has no test that calls its forward, or forward takes something else than tensors.
        UserError: the data are not those of the run.
    """
    data, task = build(config)
    refuse_other_data(data, run.record["data"], config)
    found: list[Inputs] = []
    kept = 0

    def keep(module: LightningModule, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        nonlocal kept
        if kept < _MOST:
            found.append(_named(task, args, kwargs))
            kept += sum(tensor.nbytes for tensor in found[-1].values())

    task.register_forward_pre_hook(keep, with_kwargs=True)
    tester = build_tester(config)
    load_into(run.folder / MODEL, tester)
    evaluate(tester, task, data)
    if not found:
        raise ConfigError(
            f"the test of {name_of(task)} never calls forward, so there is no input to export with: define forward, "
            "test_step and test_dataloader, and call self(...) in test_step"
        )
    return found


def _named(task: LightningModule, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Inputs:
    given = inspect.signature(task.forward).bind(*args, **kwargs).arguments
    given = {name: value for name, value in given.items() if value is not None}
    for name, value in given.items():
        if not isinstance(value, torch.Tensor) or not value.ndim:
            raise ConfigError(
                f"forward of {name_of(task)} takes {name} as {type(value).__name__}, but an exported model takes "
                "only tensors with a batch dimension: give forward a tensor for each input"
            )
    with torch.inference_mode(False):  # in inference mode, the test would make tensors that cannot be exported
        return {name: value.detach().cpu().clone() for name, value in given.items()}


def name_of(task: LightningModule) -> str:
    """Return the name of a task's class, as in configs/."""
    return f"{type(task).__module__}.{type(task).__qualname__}"
