"""What a module or a callback keeps in plain attributes and changes while it trains: lists of outputs, counters, flags.

No state dict holds them. What never changes stays out of a checkpoint, so a path or a setting is not taken over.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch import nn
from torchmetrics import Metric, MetricCollection

_ROOT = __name__.rsplit(".", 2)[0]
_OURS = tuple(f"{_ROOT}.{room}." for room in ("training", "tracking", "tuning"))
_LIBRARIES = ("torch.", "torchmetrics.", "lightning.", "pytorch_lightning.", "torchvision.", "transformers.")
_SCALARS = (bool, int, float, complex, str, bytes, type(None))


class Attributes:
    """The plain attributes of a module, its submodules and the callbacks of its trainer, as they were at first."""

    def __init__(self, trainer: Trainer, model: LightningModule) -> None:
        self._owners = _owners(trainer, model)
        self._first = {key: fingerprint for key, _, fingerprint in self._plain()}

    def changed(self) -> dict[tuple[str, str], Any]:
        """Return those that differ from what they were, by owner and name, with tensors on the CPU."""
        return {key: _packed(value) for key, value, fingerprint in self._plain() if fingerprint != self._first.get(key)}

    def lost(self) -> list[str]:
        """Return the names of those of modules that were plain once, and now hold what a checkpoint cannot."""
        lost = self._first.keys() - {key for key, *_ in self._plain()}
        return [f"{type(self._owners[owner]).__name__}.{name}" for owner, name in sorted(lost) if _is_module(owner)]

    def set(self, saved: dict[tuple[str, str], Any], device: torch.device) -> None:
        """Set attributes as `changed` returned them."""
        for (owner, name), value in saved.items():
            if owner in self._owners:
                setattr(self._owners[owner], name, _unpacked(value, device))

    def _plain(self) -> Iterator[tuple[tuple[str, str], Any, Any]]:
        """Yield owner and name, value and fingerprint of each attribute that a checkpoint can hold."""
        for owner, each in self._owners.items():
            known = _names_of_base(each)
            for name, value in vars(each).items():
                if name not in known:
                    try:
                        yield (owner, name), value, _fingerprint(value)
                    except TypeError:
                        continue


class _Version:
    """A tensor as it was: the same object, not changed in place since. To compare contents would need a copy."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor, self.version = tensor, 0 if tensor.is_inference() else tensor._version

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Version) and self.tensor is other.tensor and self.version == other.version


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


def _is_module(owner: str) -> bool:
    return owner.startswith("module ")


def _of_a_library(each: object) -> bool:
    return f"{type(each).__module__}.".startswith((*_LIBRARIES, *_OURS))


def _names_of_base(each: object) -> set[str]:
    if isinstance(each, nn.Module):
        return {"training", *vars(LightningModule() if isinstance(each, LightningModule) else nn.Module())}
    return set(vars(Callback()))


def _fingerprint(value: Any) -> Any:
    """Return what is equal for as long as a value does not change.

    Raises:
        TypeError: it holds something that a checkpoint cannot.
    """
    if type(value) in _SCALARS:
        return type(value), repr(value)  # nan is equal to itself, and 1 is not True
    if type(value) in (list, tuple):
        return type(value), [_fingerprint(each) for each in value]
    if type(value) is set:
        return set, {_fingerprint(each) for each in value}
    if type(value) is dict:
        return dict, [(_fingerprint(key), _fingerprint(each)) for key, each in value.items()]
    if type(value) is torch.Tensor:
        return _Version(value)
    if _is_array(value):
        return value.shape, value.dtype.str, hashlib.sha256(np.ascontiguousarray(value).data).hexdigest()
    raise TypeError(type(value).__name__)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufc"


def _packed(value: Any) -> Any:
    """Return a copy in types that a checkpoint holds, with tensors for arrays."""
    if type(value) in (list, tuple, set):
        return {"kind": type(value).__name__, "items": [_packed(each) for each in value]}
    if type(value) is dict:
        return {"kind": "dict", "items": [(_packed(key), _packed(each)) for key, each in value.items()]}
    if type(value) is torch.Tensor:
        return value.detach().clone().cpu()
    if _is_array(value):
        return {"kind": "array" if isinstance(value, np.ndarray) else "number", "items": torch.tensor(value)}
    return value


def _unpacked(value: Any, device: torch.device) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(device, copy=True)
    if not isinstance(value, dict):
        return value
    items, kind = value["items"], value["kind"]
    if kind == "dict":
        return {_unpacked(key, device): _unpacked(each, device) for key, each in items}
    if kind in ("array", "number"):
        array = items.numpy().copy()
        return array if kind == "array" else array[()]
    return {"list": list, "tuple": tuple, "set": set}[kind](_unpacked(each, device) for each in items)
