"""How the tensors of two runs compare: how many can be compared at all, how many of these differ, and by how much."""

from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from ..names import MODEL
from ..runs.trace import Steps
from .ulps import difference, ulps

if TYPE_CHECKING:  # as in ulps.py
    import torch


def final_weights(folder: Path, other: Path) -> list[str]:
    """Return what differs between the final weights of two runs; nothing if they are equal or cannot be read."""
    from safetensors.torch import load_file

    try:
        first, second = (load_file(path / MODEL) for path in (folder, other))
    except (OSError, SafetensorError):
        return []
    named = [name for name in first if name in second]
    alike = [name for name in named if _form(first[name]) == _form(second[name])]
    sizes = {name: ulps(first[name], second[name]) for name in alike}
    unequal = [name for name in alike if sizes[name]]
    rest = []
    if reshaped := len(named) - len(alike):
        rest.append(f"{reshaped} {'has' if reshaped == 1 else 'have'} the same name and another shape or type")
    rest += _only(first.keys() - second.keys(), second.keys() - first.keys())
    if not unequal and not rest:
        return []
    said = f"{len(unequal)} of the {len(alike)} tensors with the same name and shape differ"
    if unequal:
        name = max(unequal, key=lambda key: sizes[key])
        largest = (first[name].double() - second[name].double()).abs().max().item()
        unit = "unit" if sizes[name] == 1 else "units"
        said += f", most {name}, by up to {sizes[name]} {unit} in the last place (at most {largest:.3g})"
    return [f"final weights: {'; '.join([said, *rest])}"]


def at_step(first: Steps, second: Steps, step: int) -> list[str]:
    """Return which tensors differ between two step traces at a step, naming the first in the order of the network."""
    before, after = first.weights.get(step, {}), second.weights.get(step, {})
    common = [name for name in before if name in after]
    unequal = [name for name in common if before[name][0] != after[name][0]]
    rest = _only(before.keys() - after.keys(), after.keys() - before.keys())
    if not unequal and not rest:
        return []
    said = (
        f"{len(unequal)} of the {len(common)} tensors with the same name differ{f' after step {step}' if step else ''}"
    )
    if unequal:
        said += f", first {unequal[0]}{_example(before[unequal[0]][1], after[unequal[0]][1])}"
    return ["; ".join([said, *rest])]


def _form(tensor: "torch.Tensor") -> "tuple[torch.Size, torch.dtype]":
    return tensor.shape, tensor.dtype


def _only(first: set[str], second: set[str]) -> list[str]:
    """Return how many tensors only one of the runs has."""
    return [
        f"{len(names)} {'is' if len(names) == 1 else 'are'} only in the {which} run"
        for which, names in (("first", first), ("second", second))
        if names
    ]


def _example(before: list[float], after: list[float]) -> str:
    """Return the first pair of sampled values that differs, if the samples can be compared."""
    if len(before) != len(after) or before == after:
        return ""
    pair = next((first, second) for first, second in zip(before, after, strict=True) if first != second)
    return f": {difference('for example', *pair)}"
