"""Where a training of a rehearsal parts from the first one, as precisely as the step trace and the witness can say."""

from dataclasses import dataclass, field

from ..divergence import Divergence, first_difference
from .training import Outcome

_SHOWN = 5
_READING = ("dataset", "sampler", "data", "global", "class")  # kinds of owners that decide what a step learns from


@dataclass
class Break:
    """What differs.

    Args:
        first: what differed first, as in advice.py.
        where: the same for a person, with step and epoch.
        details: sentences with names, values and sizes.
        suspects: what a user's objects held differently before that, and the two values; the likeliest first.
    """

    first: str
    where: str
    step: int | None = None
    epoch: int | None = None
    details: list[str] = field(default_factory=list)
    suspects: dict[str, tuple[str, str]] = field(default_factory=dict)


def compare(first: Outcome, other: Outcome, noise: frozenset[str] = frozenset()) -> Break | None:
    """Return where two trainings part, or None where everything is equal, bit for bit.

    Args:
        first: the training that nothing happened to.
        other: the one to compare with it.
        noise: names of what is held differently in trainings that are equal.
    """
    unequal = {part: _unequal(first.parts[part], other.parts[part]) for part in first.parts}
    trace = first_difference(first.folder, other.folder)
    if trace.what is None and not any(unequal.values()):
        return None
    found = _by_steps(first, other, trace) if trace.what else _by_parts(first, other, unequal)
    for part in ("epoch metrics", "test metrics"):
        if names := unequal[part]:
            found.details.append(f"{part} that differ: {', '.join(names[:_SHOWN])}")
    found.suspects = _suspects(first, other, found, noise)
    return found


def held_differently(first: Outcome, other: Outcome) -> frozenset[str]:
    """Return the names of what is held differently at any step of two trainings."""
    before, after = first.seen["held"], other.seen["held"]
    return frozenset(name for step in before.keys() & after.keys() for name in _unequal(before[step], after[step]))


def _suspects(first: Outcome, other: Outcome, found: Break, noise: frozenset[str]) -> dict[str, tuple[str, str]]:
    """Return what was held differently at the first step where anything was, if that is not after the break."""
    before, after = first.seen["held"], other.seen["held"]
    for step in sorted(before.keys() & after.keys()):
        if found.step is not None and step > max(found.step, min(after)):
            break
        if names := [name for name in _unequal(before[step], after[step]) if name not in noise]:
            if found.first in ("order", "examples", "validation"):
                names.sort(key=lambda name: name.partition(" ")[0] not in _READING)
            return {name: (before[step].get(name, "nothing"), after[step].get(name, "nothing")) for name in names}
    return {}


def _by_steps(first: Outcome, other: Outcome, trace: Divergence) -> Break:
    step, what = trace.step, str(trace.what)
    examples = next(
        (
            each
            for each, content in sorted(first.seen["batches"].items())
            if each in other.seen["batches"] and other.seen["batches"][each] != content
        ),
        None,
    )
    if examples is not None and what in ("loss", "weights") and step is not None and examples <= step:
        epoch = first.seen["epochs"][examples]
        details = ["the order was equal", *(trace.details[:1] if what == "loss" else [])]
        return Break(
            "examples", f"content of the examples first at step {examples} (epoch {epoch})", examples, epoch, details
        )
    details = list(trace.details)
    if what in ("loss", "weights") and step in first.seen["drawn"] and step in other.seen["drawn"]:
        drawn = _unequal(first.seen["drawn"][step], other.seen["drawn"][step])
        details += [f"the generator of {name} was drawn from more or less often in this step" for name in drawn]
    return Break(what, trace.summary(), step, trace.epoch, details)


def _by_parts(first: Outcome, other: Outcome, unequal: dict[str, list[str]]) -> Break:
    """Say what differs although the order, the loss and the weights of all steps were equal."""
    after = other.seen["validated"]
    for place, content in first.seen["validated"].items():
        if place in after and after[place] != content:
            return Break("validation", f"content of the examples of the validation {place}")
    part, names = next((part, names) for part, names in unequal.items() if names)
    values = first.parts[part].get(names[0]), other.parts[part].get(names[0])
    kind = "metrics" if part.endswith("metrics") else "weights"
    return Break(kind, f"{part}: {names[0]}", details=[f"{names[0]} is {values[0]} and {values[1]}"])


def _unequal(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return [name for name in {**before, **after} if before.get(name) != after.get(name)]
