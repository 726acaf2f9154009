"""What a user's samplers and datasets hold inside: generators of their own, and plain values that change."""

import random
from collections.abc import Iterator
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule, LightningModule, Trainer
from torch.utils.data import DataLoader, Dataset

GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
_OPAQUE: tuple[type, ...] = (torch.Tensor, np.ndarray, DataLoader, LightningDataModule, LightningModule, Trainer)
_OPAQUE += (*GENERATORS, partial, type, ModuleType, FunctionType, MethodType, BuiltinFunctionType)
_SCALARS = (bool, int, float, str, type(None))
_MOST, _DEPTH = 64, 4  # entries of a list, or objects altogether: a list of all examples is not looked through


def generators_in(source: Any) -> list[Any]:
    """Return the random generators that a sampler or a dataset holds, also in its transforms, each once."""
    held = [value for _, each in _objects(source) for value in vars(each).values() if isinstance(value, GENERATORS)]
    return list({id(each): each for each in held}.values())


def seed_generator(generator: Any, number: int) -> None:
    """Seed a generator of one of the kinds that `generators_in` finds with a number below 2**63."""
    if isinstance(generator, torch.Generator):
        generator.manual_seed(number)
    elif isinstance(generator, np.random.Generator):
        bits = generator.bit_generator
        bits.state = type(bits)(number).state  # type: ignore[call-arg]
    else:
        generator.seed(number & 0xFFFFFFFF)


def generator_state(generator: Any) -> Any:
    """Return the state of such a generator in plain types and arrays."""
    if isinstance(generator, torch.Generator):
        return generator.get_state().numpy()
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.get_state(legacy=False) if isinstance(generator, np.random.RandomState) else generator.getstate()


def set_generator_state(generator: Any, state: Any) -> None:
    """Set the state of a generator as `generator_state` returned it."""
    if isinstance(generator, torch.Generator):
        generator.set_state(torch.from_numpy(state))
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    elif isinstance(generator, np.random.RandomState):
        generator.set_state(state)
    else:
        generator.setstate(state)


class Values:
    """The plain values inside a sampler or a dataset, such as a number of the epoch that a hook sets there."""

    def __init__(self, source: Any) -> None:
        self.source, self._seen = source, _values(source)

    def look(self) -> None:
        """Take note of what they are now."""
        self._seen = _values(self.source)

    def changed(self) -> dict[str, Any]:
        """Return those that differ from what they were when they were looked at last."""
        return {key: value for key, value in _values(self.source).items() if _differs(value, self._seen.get(key, self))}

    def set(self, values: dict[str, Any]) -> None:
        """Set values as `changed` returned them."""
        objects = dict(_objects(self.source))
        for key, value in values.items():
            place, _, name = key.rpartition(".")
            if place in objects:
                vars(objects[place])[name] = value


def _differs(value: Any, before: Any) -> bool:
    return value is not before and (type(value) is not type(before) or repr(value) != repr(before))


def _values(source: Any) -> dict[str, Any]:
    return {
        f"{place}.{name}": value
        for place, each in _objects(source)
        for name, value in vars(each).items()
        if type(value) in _SCALARS
    }


def _objects(source: Any) -> Iterator[tuple[str, Any]]:
    """Yield a source and the objects that it holds, with their places in it. A sampler's dataset is not looked into."""
    waiting, seen = [("", source, 0)], set[int]()
    while waiting and len(seen) < _MOST:
        place, each, depth = waiting.pop(0)
        if id(each) in seen or isinstance(each, _OPAQUE) or not hasattr(each, "__dict__"):
            continue
        seen.add(id(each))
        yield place, each
        for name, value in vars(each).items() if depth < _DEPTH else ():
            if isinstance(value, Dataset) and not isinstance(source, Dataset):
                continue
            several = isinstance(value, list | tuple) and len(value) <= _MOST
            parts = enumerate(value) if several else [("", value)]  # type: ignore[arg-type]
            waiting += [(f"{place}/{name}/{number}", part, depth + 1) for number, part in parts]
