"""Where two runs diverge: the first step that differs, what differed first there, and the inputs that explain it."""

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..errors import DataError, RecordError
from ..names import PATCH, TRACE
from ..runs.changes import Change
from ..runs.record import same_result, what_changed
from ..runs.source import changed_lines, check_out
from ..runs.trace import Steps, read_trace
from . import tensors
from .ulps import difference

_SHOWN_LINES = 6  # of changed code

# Which inputs most likely explain a difference, by what differed first.
_SUSPECTS = {
    "weights at the start": ("seed", "restored weights", "input", "data", "configuration", "code", "package"),
    "order": ("seed", "data", "configuration", "code", "package"),
    "loss": (
        *("data", "input", "configuration", "threads", "setting of PyTorch", "environment variable", "code", "package"),
    ),
    "weights": ("threads", "setting of PyTorch", "environment variable", "configuration", "code", "package"),
}


@dataclass
class Divergence:
    """The result of a comparison. Without `what`, the runs are equal, as far as both go.

    Args:
        what: what differed first: `weights at the start`, `order`, `loss`, `weights`, `length` or `metrics`.
        step: of the first difference, counted from 1; 0 is before the first step.
        epoch: of that step, counted from 0.
        details: sentences with names, values and sizes.
        changes: recorded inputs that differ, the most likely cause first.
        unfinished: whether one of the runs is, so that only a part could be compared.
    """

    what: str | None = None
    step: int | None = None
    epoch: int | None = None
    details: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    unfinished: bool = False

    def summary(self) -> str:
        """Return what differed first, and where, in a few words."""
        if self.what is None and self.unfinished:
            return f"equal up to step {self.step}, and unfinished"
        if self.what is None:
            return "the runs are equal, bit for bit"
        where = f" at step {self.step}" if self.step else ""
        where += f" (epoch {self.epoch})" if self.epoch is not None else ""
        return f"one of the runs ends before{where[3:]}" if self.what == "length" else f"{self.what} first{where}"

    def lines(self) -> list[str]:
        """Return the report for a person."""
        report = [f"  {detail}" for detail in self.details]
        if self.changes:
            heading = "inputs that differ, the most likely cause first:" if self.what else "inputs that differ:"
            report += [heading, *(f"  {number}. {change}" for number, change in enumerate(self.changes, 1))]
        elif self.what:
            report += [
                "no recorded input differs: something in the code is random without a key, or depends on the clock or "
                "the machine; docs/reproducibility.md says how to find it"
            ]
        return report


def compare(before: dict[str, Any], after: dict[str, Any], folder: Path, other: Path) -> Divergence:
    """Compare two runs by their records and the files beside them.

    Args:
        before: record of the first run.
        after: record of the second.
        folder: of the first run.
        other: folder of the second.
    """
    found = what_changed(before, after)
    if same_result(before, after):
        return Divergence(changes=found)
    unfinished = "running" in (before["status"], after["status"])
    result = first_difference(folder, other, unfinished)
    if result.what is None and unfinished:
        result.changes, result.unfinished = found, True
        return result
    if result.what is None:
        result.what = "metrics" if before["weights_sha256"] == after["weights_sha256"] else "weights"
    result.details += tensors.final_weights(folder, other) + _metrics(before["metrics"] or {}, after["metrics"] or {})
    result.details += _code_lines(found, before, after, folder, other)
    suspects = _SUSPECTS.get(str(result.what), ())
    order = {kind: number for number, kind in enumerate(suspects)}
    result.changes = sorted(found, key=lambda change: (order.get(change.kind, len(order)), change.position))
    return result


def first_difference(folder: Path, other: Path, unfinished: bool = False) -> Divergence:
    """Compare two runs step by step, by their step traces.

    Args:
        folder: of the first run.
        other: folder of the second run.
        unfinished: whether one of them is, so that only the steps of both can be compared.

    Raises:
        DataError: a step trace is missing where there is nothing else to compare.
    """
    try:
        first, second = read_trace(folder / TRACE), read_trace(other / TRACE)
    except DataError as error:
        if unfinished:  # then there is nothing else to compare
            raise
        return Divergence(details=[str(error)])
    if first.weights.get(0) != second.weights.get(0):
        return Divergence("weights at the start", 0, None, tensors.at_step(first, second, 0))
    common = set(first.loss) & set(second.loss)
    for step in sorted(common if unfinished else set(first.loss) | set(second.loss)):
        epoch = first.epoch.get(step, second.epoch.get(step))
        if step not in first.loss or step not in second.loss:
            longer, shorter = (folder, other) if step in first.loss else (other, folder)
            return Divergence("length", step, epoch, [f"{shorter} ends before it, {longer} does not"])
        if _know_both(first.order, second.order, step) and first.order[step] != second.order[step]:
            return Divergence("order", step, epoch, ["other examples, or the same in another order"])
        if first.loss[step] != second.loss[step]:
            details = [difference("loss", first.loss[step], second.loss[step]), *_last_equal(first, second, step)]
            return Divergence("loss", step, epoch, details)
        if step in first.weights and step in second.weights and first.weights[step] != second.weights[step]:
            equal = [_equal(name, first, second, step) for name in ("order", "loss")]
            return Divergence("weights", step, epoch, [*equal, *tensors.at_step(first, second, step)])
    return Divergence(step=max(common, default=0))


def _know_both(first: dict[int, Any], second: dict[int, Any], step: int) -> bool:
    """Whether both runs know a value: null stands for a sampler without digests, or a loss that is not a number."""
    return first[step] is not None and second[step] is not None


def _equal(name: str, first: Steps, second: Steps, step: int) -> str:
    """Say that `order` or `loss` of a step was equal, or that this is not known."""
    known = _know_both(getattr(first, name), getattr(second, name), step)
    return f"the {name} was equal" if known else f"the {name} is not known"


def _last_equal(first: Steps, second: Steps, step: int) -> list[str]:
    """Return what is known of the weights that the loss of `step` was computed with."""
    equal = [at for at in first.weights if at < step and first.weights[at] == second.weights.get(at)]
    if not equal:
        return []
    order = _equal("order", first, second, step)
    if max(equal) == step - 1:
        cause = "the forward pass" if _know_both(first.order, second.order, step) else "the order or the forward pass"
        return [f"{order}; the weights before the step were equal: {cause} differs"]
    later = [at for at in sorted(first.weights) if at >= step and first.weights[at] != second.weights.get(at)]
    known = f"{order}; the weights were equal after step {max(equal)}, and were not recorded after that"
    return [known, *(tensors.at_step(first, second, later[0]) if later else [])]


def _code_lines(
    found: list[Change], before: dict[str, Any], after: dict[str, Any], folder: Path, other: Path
) -> list[str]:
    """Return the changed lines of the first file of code that differs, where git still has both versions."""
    changed = [change.key.removeprefix("code.") for change in found if change.kind == "code"]
    if not changed or before["git"] is None or after["git"] is None:
        return []
    try:
        with TemporaryDirectory() as temporary:
            first, second = (
                check_out(item["git"], run / PATCH, Path(temporary) / name)
                for item, run, name in ((before, folder, "first"), (after, other, "second"))
            )
            lines = changed_lines(first, second, changed[0])
    except RecordError:
        return []
    return [f"{changed[0]}: {line}" for line in lines[:_SHOWN_LINES]]


def _metrics(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    both = [name for name in before if name in after and before[name] != after[name]]
    shown = [f"{name} {before[name]:.6g} and {after[name]:.6g}" for name in both]
    return [f"test metrics: {', '.join(shown)}"] if shown else []
