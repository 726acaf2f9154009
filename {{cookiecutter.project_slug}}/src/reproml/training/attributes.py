"""What a module or a callback keeps in plain attributes and changes while it trains: lists of outputs, counters, flags.

No state dict holds them. What never changes stays out of a checkpoint, so a path or a setting is not taken over.
"""

import hashlib
import pickle
from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch import nn
from torchmetrics import Metric, MetricCollection

_ROOT = __name__.rsplit(".", 2)[0]
_OURS = tuple(f"{_ROOT}.{room}." for room in ("training", "verify", "tracking", "tuning"))
_LIBRARIES = ("torch.", "torchmetrics.", "lightning.", "pytorch_lightning.", "torchvision.", "transformers.")
_SCALARS = (bool, int, float, complex, str, bytes, type(None))


class Attributes:
    """The plain attributes of a module, its submodules and the callbacks of its trainer, as they were at first."""

    def __init__(self, trainer: Trainer, model: LightningModule) -> None:
        self._owners = _owners(trainer, model)
        self._first = {key: _digest(value) for key, value in self._plain().items()}

    def changed(self) -> dict[tuple[str, str], Any]:
        """Return those that differ from what they were, by owner and name, with tensors on the CPU."""
        return {key: value for key, value in self._plain().items() if _digest(value) != self._first.get(key)}

    def lost(self) -> list[str]:
        """Return the names of those that were plain once, and now hold what a checkpoint cannot."""
        now = self._plain()
        return [
            f"{type(self._owners[owner]).__name__}.{name}" for owner, name in self._first if (owner, name) not in now
        ]

    def set(self, saved: dict[tuple[str, str], Any], device: torch.device) -> None:
        """Set attributes as `changed` returned them."""
        for (owner, name), value in saved.items():
            if owner in self._owners:
                setattr(self._owners[owner], name, _restored(value, device))

    def _plain(self) -> dict[tuple[str, str], Any]:
        found = {}
        for owner, each in self._owners.items():
            known = _own_to_base(each)
            for name, value in vars(each).items():
                if name not in known:
                    try:
                        found[owner, name] = _plain(value)
                    except TypeError:
                        continue
        return found


def _owners(trainer: Trainer, model: LightningModule) -> dict[str, Any]:
    """Return whose attributes are kept. What saves a state of its own is left to that."""
    owners: dict[str, Any] = {
        f"module {name}": module
        for name, module in model.named_modules()
        if module is model or not (_of_a_library(module) or isinstance(module, Metric | MetricCollection))
    }
    for number, callback in enumerate(trainer.callbacks):  # type: ignore[attr-defined]
        own = any(is_overridden(name, callback) for name in ("state_dict", "on_save_checkpoint"))
        if not own and not _of_a_library(callback):
            owners[f"callback {number} {type(callback).__qualname__}"] = callback
    return owners


def _of_a_library(each: object) -> bool:
    return f"{type(each).__module__}.".startswith((*_LIBRARIES, *_OURS))


def _own_to_base(each: object) -> set[str]:
    if isinstance(each, nn.Module):
        return {"training", *vars(LightningModule() if isinstance(each, LightningModule) else nn.Module())}
    return set(vars(Callback()))


def _plain(value: Any) -> Any:
    """Return a copy in types that a checkpoint holds; arrays as tensors, marked.

    Raises:
        TypeError: there is something else in it.
    """
    if type(value) in _SCALARS:
        return value
    if type(value) in (list, tuple, set):
        return {"kind": type(value).__name__, "items": [_plain(each) for each in value]}
    if type(value) is dict:
        return {"kind": "dict", "items": [(_plain(key), _plain(each)) for key, each in value.items()]}
    if type(value) is torch.Tensor:
        return value.detach().clone().cpu()
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufc":
        return {"kind": type(value).__name__, "items": torch.from_numpy(np.array(value))}
    raise TypeError(type(value).__name__)


def _restored(value: Any, device: torch.device) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(device, copy=True)
    if not isinstance(value, dict):
        return value
    items, kind = value["items"], value["kind"]
    if kind == "dict":
        return {_restored(key, device): _restored(each, device) for key, each in items}
    if isinstance(items, torch.Tensor):
        array = items.numpy().copy()
        return array if kind == "ndarray" else array[()]
    return {"list": list, "tuple": tuple, "set": set}[kind](_restored(each, device) for each in items)


def _digest(value: Any) -> str:
    return hashlib.sha256(pickle.dumps(value)).hexdigest()
