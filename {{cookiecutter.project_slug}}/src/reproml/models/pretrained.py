"""Weights that no run of this project has left: reading them, and finding which tensors of a model they are."""

import pickle
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from ..errors import DataError
from ..runs.pretrained import SAFE, files_of

_KEPT_AS = ("state_dict", "model_state_dict", "model")  # the keys under which a training saves its weights
_TRIED = 50  # pairs of prefixes


def load_pretrained(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a file, or of a folder in the form of the Hugging Face Hub. No code in them is run.

    Raises:
        DataError: a file is missing, damaged, or holds something else than tensors.
    """
    found: dict[str, torch.Tensor] = {}
    for file in files_of(path):
        found |= _safe(file) if file.suffix == SAFE else _pickled(file)
    return found


def _safe(file: Path) -> dict[str, torch.Tensor]:
    try:
        with safe_open(file, framework="pt") as stream:
            return {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{file} is not a safetensors file, or is damaged ({error}): fetch it again") from error


def _pickled(file: Path) -> dict[str, torch.Tensor]:
    try:
        held = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{file} holds more than tensors and plain data, which could run any code and is not loaded: save its "
            "state_dict alone"
        ) from error
    except Exception as error:  # damaged bytes can mean anything to its reader
        raise DataError(f"{file} is not a file of torch.save, or is damaged: fetch it again") from error
    for key in _KEPT_AS:
        if isinstance(held, dict) and isinstance(held.get(key), dict):
            held = held[key]
            break
    tensors = {name: value for name, value in _items(held) if isinstance(value, torch.Tensor)}
    if not tensors:
        raise DataError(f"{file} holds no tensors by name: save a state_dict")
    return tensors


def _items(held: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(held, dict):
        yield from ((name, value) for name, value in held.items() if isinstance(name, str))


@dataclass(frozen=True)
class Match:
    """Which tensors of a source are which of a model.

    Args:
        names: of the source -> of the model.
        unused: names of the source that the model does not take.
        left: names of the model that keep their first values.
        prefix: the beginning of the names in the source, and in the model.
    """

    names: dict[str, str]
    unused: list[str]
    left: list[str]
    prefix: tuple[str, str] = ("", "")


def match(source: Mapping[str, torch.Tensor], model: Mapping[str, torch.Tensor]) -> Match | list[tuple[str, str]]:
    """Return which tensors are the same by name and shape, or by name behind one prefix that the two do not share.

    Another prefix counts only where it names at least half of the tensors of one of the two. Where several do equally
    well, they are returned instead: the beginnings of the names in the source and in the model.
    """
    found = {("", ""): _names(source, model, ("", ""))}
    smaller = min(len(source), len(model))
    if len(found["", ""]) < smaller:
        found |= {pair: _names(source, model, pair) for pair in _prefixes(source, model)}
    fit = {pair: names for pair, names in found.items() if pair == ("", "") or len(names) >= smaller / 2}
    most = max(len(names) for names in fit.values())
    best = {pair: names for pair, names in fit.items() if len(names) == most}
    pair = ("", "") if ("", "") in best else next(iter(best))
    if pair != ("", "") and any(names != best[pair] for names in best.values()):
        return list(best)
    names = best[pair]
    filled = {model[name].data_ptr() for name in names.values()}  # layers that share a tensor are filled together
    left = [name for name in model if name not in names.values() and model[name].data_ptr() not in filled]
    return Match(names, [name for name in source if name not in names], left, pair)


def _names(
    source: Mapping[str, torch.Tensor], model: Mapping[str, torch.Tensor], pair: tuple[str, str]
) -> dict[str, str]:
    before, now = pair
    names = {name: now + name.removeprefix(before) for name in source if name.startswith(before)}
    return {name: own for name, own in names.items() if own in model and model[own].shape == source[name].shape}


def _prefixes(source: Mapping[str, torch.Tensor], model: Mapping[str, torch.Tensor]) -> list[tuple[str, str]]:
    """Return what tensors of one shape, whose names end alike, have before that: the most frequent pairs."""
    alike: dict[tuple[str, torch.Size], list[str]] = {}
    for name, tensor in model.items():
        alike.setdefault((name.rpartition(".")[2], tensor.shape), []).append(name)
    pairs = Counter(
        _apart(name, own)
        for name, tensor in source.items()
        for own in alike.get((name.rpartition(".")[2], tensor.shape), [])
    )
    return [pair for pair, _ in pairs.most_common(_TRIED) if pair != ("", "")]


def _apart(name: str, own: str) -> tuple[str, str]:
    """Return what two names have before the parts in which they end alike."""
    before, now = name.split("."), own.split(".")
    while before and now and before[-1] == now[-1]:
        before.pop()
        now.pop()
    return "".join(f"{part}." for part in before), "".join(f"{part}." for part in now)
