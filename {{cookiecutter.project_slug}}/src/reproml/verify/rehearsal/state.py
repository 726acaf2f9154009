"""What a user's objects hold between two steps of a training, by name: what no checkpoint has is found here.

Module and callbacks, data and samplers, and the globals of the user's own modules are looked through. Nothing is called
or changed. Values stand as short texts or digests; what is neither plain, nor a generator, nor of a class of the
user's own is passed over, and so is most of what is very long.
"""

import itertools
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningDataModule, LightningModule, Trainer
from torch import nn
from torch.utils.data import BatchSampler, ConcatDataset, DataLoader, RandomSampler, SequentialSampler, Subset

from ...lightning_internals import train_loaders
from ...packages import own_packages
from ...training.inside import GENERATORS, generator_state
from ...training.items import KeyedDataset
from ...training.order import KeyedOrder
from .content import digest

_LIBRARIES = ("torch", "torchmetrics", "lightning", "pytorch_lightning", "reproml")
_WRAPPERS = (KeyedDataset, KeyedOrder, Subset, ConcatDataset, BatchSampler)
_KNOWN_SAMPLERS = (RandomSampler, SequentialSampler)
_DEEPEST, _LONGEST, _SHOWN = 4, 1000, 40


def held(trainer: Trainer, model: LightningModule, data: LightningDataModule) -> dict[str, str]:
    """Return what is held, as in `{"callback Warm.count": "3"}`. The first word of a name is the kind of its owner."""
    found = _Found(_own(trainer, model, data))
    for name, module in model.named_modules():
        if module is model or _package(module) not in _LIBRARIES:
            found.look_through(f"module {'.'.join([type(model).__name__, *name.split()])}", module)
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if _package(callback) not in _LIBRARIES:
            found.look_through(f"callback {type(callback).__name__}", callback)
    for loader in train_loaders(trainer):
        for kind, each in _read_by(loader):
            found.look_through(f"{kind} {type(each).__name__}", each)
    found.look_through(f"data {type(data).__name__}", data)
    found.look_through_globals()
    return found.texts


class _Found:
    def __init__(self, own: set[str]) -> None:
        self.own = own  # names of packages
        self.texts: dict[str, str] = {}
        self._seen: set[int] = set()

    def look_through(self, name: str, owner: object) -> None:
        """Note the attributes of an object, except those that its base has too."""
        if id(owner) in self._seen:
            return
        self._seen.add(id(owner))
        known = _of_the_base(owner)
        for attribute, value in vars(owner).items():
            if attribute not in known and not attribute.startswith("_hparams"):  # noted when a checkpoint is saved
                self._note(f"{name}.{attribute}", value, _DEEPEST)

    def look_through_globals(self) -> None:
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] not in self.own or not isinstance(module, ModuleType):
                continue
            for variable, value in list(vars(module).items()):
                if isinstance(value, type) and value.__module__ == name:
                    for attribute, inner in list(vars(value).items()):
                        if not attribute.startswith("_"):
                            self._note(f"class {name}.{variable}.{attribute}", inner, _DEEPEST)
                elif not variable.startswith("__"):
                    self._note(f"global {name}.{variable}", value, _DEEPEST)

    def _note(self, name: str, value: Any, deep: int) -> None:
        if isinstance(value, FunctionType | ModuleType | type | nn.Module | DataLoader):
            return
        text = _text(value)
        if text is not None:
            self.texts[name] = text
        elif deep and id(value) not in self._seen:
            self._seen.add(id(value))
            for inner, each in self._inside(value):
                self._note(f"{name}{inner}", each, deep - 1)

    def _inside(self, value: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(value, Mapping):
            for key, each in itertools.islice(value.items(), _SHOWN):
                yield f"[{key!r}]", each
        elif isinstance(value, list | tuple | deque):
            for number, each in enumerate(itertools.islice(value, _SHOWN)):
                yield f"[{number}]", each
        elif _package(value) in self.own or isinstance(value, SimpleNamespace):
            for attribute, each in getattr(value, "__dict__", {}).items():
                yield f".{attribute}", each


def _own(trainer: Trainer, model: LightningModule, data: LightningDataModule) -> set[str]:
    """Return the packages that are the user's: those of the project, and those of the objects in this training."""
    objects = (model, data, *trainer.callbacks)  # type: ignore[attr-defined]
    return {*own_packages(), *map(_package, objects)} - {*_LIBRARIES}


def _package(each: object) -> str:
    return type(each).__module__.partition(".")[0]


def _of_the_base(owner: object) -> set[str]:
    for base in (LightningModule, nn.Module, LightningDataModule, Callback):
        if isinstance(owner, base):
            return {"training", *vars(base())}
    return set()


def _read_by(loader: Any) -> Iterator[tuple[str, Any]]:
    """Yield datasets and samplers of a loader, out of what torch and this project have wrapped them in."""
    waiting = [(kind, getattr(loader, kind, None)) for kind in ("dataset", "batch_sampler", "sampler")]
    while waiting:
        kind, each = waiting.pop(0)
        kind = "sampler" if kind == "batch_sampler" else kind
        if isinstance(each, _WRAPPERS):
            inner = [getattr(each, name, None) for name in ("dataset", "drawn", "sampler")]
            waiting += [(kind, one) for one in (*inner, *getattr(each, "datasets", ())) if one is not each]
        elif hasattr(each, "__dict__") and not isinstance(each, _KNOWN_SAMPLERS):
            yield kind, each


def _text(value: Any) -> str | None:
    """Return a value as a text that tells it from others; None: it is not plain."""
    if isinstance(value, GENERATORS):
        return f"{type(value).__name__} in state {digest(generator_state(value))[:8]}"
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | PurePath | np.generic):
        return _short(repr(value))
    if isinstance(value, itertools.count):
        return repr(value)
    if isinstance(value, torch.Tensor | np.ndarray):
        return digest(value) if _size(value) <= _LONGEST**2 else None
    if isinstance(value, list | tuple | deque | set | frozenset | Mapping):
        return _of_many(value)
    return None


def _of_many(value: Any) -> str | None:
    flat: Iterable[Any] = itertools.chain(*value.items()) if isinstance(value, Mapping) else value
    texts = [_text(each) for each in itertools.islice(flat, _LONGEST)]
    if None in texts:
        return None
    if len(value) <= _LONGEST:
        text = ", ".join(map(str, sorted(map(str, texts)) if isinstance(value, set | frozenset) else texts))
    else:
        text = f"{len(value)}: {texts}"
    return _short(f"{type(value).__name__}({text})")


def _size(value: torch.Tensor | np.ndarray) -> int:
    return value.numel() if isinstance(value, torch.Tensor) else value.size


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else digest(text)
