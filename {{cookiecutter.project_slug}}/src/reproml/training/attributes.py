"""What a module or a callback keeps in plain attributes and changes while it trains: lists of outputs, counters, flags.

No state dict holds them. What never changes stays out of a checkpoint, so a path or a setting is not taken over.
Generators are attributes, too, and so are those of an object of the project's own, such as a meter that averages.
"""

import hashlib
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch import nn
from torch.utils.data import Dataset
from torchmetrics import Metric, MetricCollection, SumMetric

from ..runs.imported import module_file
from .inside import GENERATORS, generator_state, set_generator_state
from .sums import state_names

_OURS = __name__.partition(".")[0] + "."
_LIBRARIES = ("torch.", "torchmetrics.", "lightning.", "pytorch_lightning.", "torchvision.", "transformers.")
_SCALARS = (bool, int, float, complex, str, bytes, type(None))
_LISTS = {kind.__name__: kind for kind in (list, tuple, deque, set)}
_MAPPINGS: dict[str, Any] = {kind.__name__: kind for kind in (dict, OrderedDict, Counter, defaultdict)}
_FACTORIES: dict[str, Any] = {
    kind.__name__: kind for kind in (list, dict, set, int, float)
}  # of a defaultdict inside another value


class Attributes:
    """The plain attributes of a module, its submodules and the callbacks of its trainer, as they were at first."""

    def __init__(self, trainer: Trainer, model: LightningModule) -> None:
        self._roots = _roots(trainer, model)
        self._first = {key: fingerprint for key, _, fingerprint in self._plain()}
        self._at_first = set(self._owners())

    def changed(self) -> dict[tuple[str, str], Any]:
        """Return those that differ from what they were, by owner and name, with tensors on the CPU."""
        return {key: _packed(value) for key, value, fingerprint in self._plain() if fingerprint != self._first.get(key)}

    def lost(self) -> list[str]:
        """Return the names of what a checkpoint cannot hold now: plain once, or an object that was not there at first.

        Those of callbacks and of torchmetrics' own metrics are not meant: a part of them may be for show.
        """
        owners, plain = self._owners(), {key for key, *_ in self._plain()}
        lost = {(owner, name) for owner, name in self._first.keys() - plain if name in vars(owners.get(owner, object))}
        places = [owner.rpartition("/") for owner in owners.keys() - self._at_first]
        lost |= {(owner, name) for owner, _, name in places if owner in self._at_first}
        return [
            f"{type(owners[owner]).__name__}.{name}" for owner, name in sorted(lost) if _counts(owner, owners[owner])
        ]

    def set(self, saved: dict[tuple[str, str], Any], device: torch.device) -> None:
        """Set attributes as `changed` returned them."""
        owners = self._owners()
        for (owner, name), value in saved.items():
            if owner in owners:
                _set(owners[owner], name, value, device)

    def _owners(self) -> dict[str, Any]:
        """Return the objects whose attributes are kept, by the places where they are now."""
        owners, waiting = dict[str, Any](), list(self._roots.items())
        while waiting:
            place, owner = waiting.pop()
            owners[place] = owner
            known, found = _names_of_base(owner), {id(each) for each in owners.values()}
            waiting += [
                (f"{place}/{name}", value)
                for name, value in vars(owner).items()
                if name not in known and id(value) not in found and _is_of_project(value)
            ]
        return owners

    def _plain(self) -> Iterator[tuple[tuple[str, str], Any, Any]]:
        """Yield owner and name, value and fingerprint of each attribute that a checkpoint can hold."""
        for owner, each in self._owners().items():
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


def _roots(trainer: Trainer, model: LightningModule) -> dict[str, Any]:
    """Return whose attributes are kept. What saves a state of its own is left to that."""
    owners: dict[str, Any] = {
        f"module {name}": module
        for name, module in model.named_modules()
        if module is model
        or isinstance(module, Metric)
        or not (_of_a_library(module) or isinstance(module, MetricCollection))
    }
    for number, callback in enumerate(trainer.callbacks):  # type: ignore[attr-defined]
        own = any(is_overridden(name, callback) for name in ("state_dict", "on_save_checkpoint"))
        if not own and not _of_a_library(callback):
            owners[f"callback {number} {type(callback).__qualname__}"] = callback
    return owners


def _counts(place: str, owner: object) -> bool:
    return place.startswith("module ") and not (isinstance(owner, Metric) and _of_a_library(owner))


def _of_a_library(each: object) -> bool:
    return f"{type(each).__module__}.".startswith((*_LIBRARIES, _OURS))


def _is_of_project(value: object) -> bool:
    """Whether a value is an object of a class of the project, and none that is looked at anyway."""
    if isinstance(value, nn.Module | Callback | Trainer | LightningDataModule | Dataset | type):
        return False
    return hasattr(value, "__dict__") and not _of_a_library(value) and _in_project(type(value).__module__)


@cache
def _in_project(module: str) -> bool:
    try:
        return module_file(module) is not None
    except ValueError:  # a script
        return False


def _names_of_base(each: object) -> frozenset[str]:
    """Return the names of what Lightning and PyTorch keep in such an object themselves."""
    bases = (LightningModule, Metric, nn.Module, Callback)
    known = next((_names_in(base) for base in bases if isinstance(each, base)), frozenset[str]())
    return known | state_names(each) if isinstance(each, Metric) else known  # sums.py has the states


@cache
def _names_in(base: type) -> frozenset[str]:
    plain = base() if base is not Metric else SumMetric()  # which adds nothing to a Metric but its state
    return frozenset(vars(plain)) | {"training"}


def _set(owner: Any, name: str, value: Any, device: torch.device) -> None:
    now, new = vars(owner).get(name), _unpacked(value, device)
    if isinstance(now, GENERATORS):  # others may hold the same
        set_generator_state(now, new)
        return
    if isinstance(new, defaultdict) and isinstance(now, defaultdict):
        new.default_factory = now.default_factory
    setattr(owner, name, new)


def _fingerprint(value: Any, inside: bool = False) -> Any:
    """Return what is equal for as long as a value does not change.

    Args:
        value: of an attribute.
        inside: whether it is a part of such a value. That of an attribute itself is known to a resumed run, too, which
            has the function of a defaultdict and the generator.

    Raises:
        TypeError: it holds something that a checkpoint cannot.
    """
    kind = type(value)
    if kind in _SCALARS:
        return kind, repr(value)  # nan is equal to itself, and 1 is not True
    if kind is set:
        return kind, {_fingerprint(each, True) for each in value}
    if kind.__name__ in _LISTS and kind is _LISTS[kind.__name__]:
        return kind, [_fingerprint(each, True) for each in value], getattr(value, "maxlen", None)
    if kind.__name__ in _MAPPINGS and kind is _MAPPINGS[kind.__name__]:
        if inside and kind is defaultdict and value.default_factory not in (None, *_FACTORIES.values()):
            raise TypeError("a defaultdict")
        return kind, [(_fingerprint(key, True), _fingerprint(each, True)) for key, each in value.items()]
    if kind is torch.Tensor:
        return _Version(value)
    if _is_array(value):
        return value.shape, value.dtype.str, hashlib.sha256(np.ascontiguousarray(value).data).hexdigest()
    if isinstance(value, GENERATORS) and not inside:
        return _fingerprint(generator_state(value))
    raise TypeError(kind.__name__)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufc"


def _packed(value: Any) -> Any:
    """Return a copy in types that a checkpoint holds, with tensors for arrays."""
    kind = type(value).__name__
    if isinstance(value, GENERATORS):
        return _packed(generator_state(value))
    if isinstance(value, list | tuple | deque | set):
        return {"kind": kind, "items": [_packed(each) for each in value], "most": getattr(value, "maxlen", None)}
    if isinstance(value, dict):
        factory = getattr(getattr(value, "default_factory", None), "__name__", None)
        items = [(_packed(key), _packed(each)) for key, each in value.items()]
        return {"kind": kind, "items": items, "factory": factory}
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
    if kind in ("array", "number"):
        array = items.numpy().copy()
        return array if kind == "array" else array[()]
    if kind in _MAPPINGS:
        found = {_unpacked(key, device): _unpacked(each, device) for key, each in items}
        return defaultdict(_FACTORIES.get(value["factory"]), found) if kind == "defaultdict" else _MAPPINGS[kind](found)
    parts = [_unpacked(each, device) for each in items]
    return deque(parts, value["most"]) if kind == "deque" else _LISTS[kind](parts)
