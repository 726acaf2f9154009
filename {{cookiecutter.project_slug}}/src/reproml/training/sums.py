"""What an epoch has summed up so far, which Lightning's checkpoints do not hold: its own sums, and torchmetrics.

Lightning keeps a sum for each `self.log(..., on_epoch=True)`. The states of metric objects are not in a state dict.
Only this file uses private parts of torchmetrics, which the template's tests check, too.
"""

from typing import Any

import torch
from lightning import LightningModule, Trainer
from torch import Tensor
from torchmetrics import Metric, MetricCollection, MetricTracker

from ..lightning_internals import described, epoch_results, result_of, shared_by_a_group


def can_be_saved(trainer: Trainer) -> bool:
    """Whether a checkpoint can hold all sums: not those that are shared by a group of processes."""
    return not any(map(shared_by_a_group, epoch_results(trainer).values()))


def sums(trainer: Trainer, model: LightningModule) -> dict[str, Any]:
    """Return all sums in plain types, with tensors on the CPU."""
    results = epoch_results(trainer) if can_be_saved(trainer) else {}
    logged = {key: {**described(result), "state": _state(result)} for key, result in results.items()}
    collections = [module for module in model.modules() if isinstance(module, MetricCollection)]
    for collection in collections:
        collection.values(copy_state=False)  # brings those up to date that share the state of another one
    states = {name: _state(metric) for name, metric in _metrics(model).items()}
    groups = [dict(each._groups) if each._groups_checked else None for each in collections]
    made = {name: tracker.n_steps for name, tracker in _trackers(model).items()}
    return {"logged": logged, "metrics": states, "groups": groups, "made": made}


def set_sums(trainer: Trainer, model: LightningModule, saved: dict[str, Any]) -> None:
    """Go on from these sums."""
    made = saved.get("made", {})  # an earlier version saved none
    for name, tracker in _trackers(model).items():
        while tracker.n_steps < made.get(name, 0):
            tracker.increment()
    for name, metric in _metrics(model).items():
        if name in saved["metrics"]:
            _set_state(metric, saved["metrics"][name], model.device)
    collections = [module for module in model.modules() if isinstance(module, MetricCollection)]
    for collection, groups in zip(collections, saved["groups"], strict=True):
        if groups is not None:
            collection._groups, collection._groups_checked, collection._state_is_copy = dict(groups), True, False
            collection._compute_groups_create_state_ref()
    results = epoch_results(trainer)
    for key, entry in saved["logged"].items():
        results[key] = result_of(entry, trainer, model)
        _set_state(results[key], entry["state"], model.device)


def state_names(metric: Metric) -> frozenset[str]:
    """Return the names of the attributes that hold the state of a metric."""
    return frozenset(metric._defaults)


def _metrics(model: LightningModule) -> dict[str, Metric]:
    return {name: module for name, module in model.named_modules() if isinstance(module, Metric)}


def _trackers(model: LightningModule) -> dict[str, MetricTracker]:
    """Return what makes a metric for each epoch."""
    return {name: module for name, module in model.named_modules() if isinstance(module, MetricTracker)}


def _state(metric: Metric) -> dict[str, Any]:
    values = {name: _cpu(getattr(metric, name)) for name in state_names(metric)}
    return {"values": values, "updates": metric._update_count, "last": _cpu(_only_tensor(metric._forward_cache))}


def _set_state(metric: Metric, state: dict[str, Any], device: torch.device) -> None:
    for name, value in state["values"].items():
        setattr(metric, name, _on(value, device))
    metric._update_count, metric._computed = state["updates"], None
    metric._forward_cache = _on(state["last"], device)


def _only_tensor(value: Any) -> Tensor | None:
    return value if isinstance(value, Tensor) else None


def _cpu(value: Any) -> Any:
    """Copy a tensor, or a list of them, to the CPU."""
    if isinstance(value, Tensor):
        return value.detach().clone().cpu()
    return [_cpu(each) for each in value] if isinstance(value, list) else value


def _on(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device, copy=True)
    return [_on(each, device) for each in value] if isinstance(value, list) else value
