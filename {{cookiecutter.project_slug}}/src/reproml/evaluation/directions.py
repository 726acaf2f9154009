"""Whether a higher or a lower value of a metric is better, if anything says so."""

import re
from collections.abc import Iterator
from typing import Any

from .written import Written

_OF_A_SPLIT = re.compile(r"(?:train|validation|valid|val|test)[/_](?=.)")


def higher_is_better(name: str, written: Written, config: dict[str, Any]) -> bool | None:
    """Return whether a higher value of a test metric is better; None: nothing says so.

    The test says it where it knows, then a callback or a schedule that watches the same metric in the validation, as
    EarlyStopping does. A loss is what a training lowers.

    Args:
        name: of the metric.
        written: the test.
        config: of its run, in plain types.
    """
    metric = written.metrics.get(name)
    if metric is not None and metric.higher_is_better is not None:
        return metric.higher_is_better
    for watched, mode in _watched(config):
        if mode in ("min", "max") and _measured(watched) == _measured(name):
            return mode == "max"
    return False if is_loss(name) else None


def is_loss(name: str) -> bool:
    """Whether a metric is a loss, as in `loss`, `test/loss` or `test_loss`."""
    return name.replace("/", "_").rpartition("_")[2] == "loss"


def _measured(name: str) -> str:
    """Return what a metric measures, whatever its split: `loss` of `val/loss`, `test_loss` or `loss`."""
    split = _OF_A_SPLIT.match(name)
    return name[split.end() :] if split else name


def _watched(config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the metrics that a configuration monitors, each with its mode: `min` or `max`."""
    for settings in (*config.get("callbacks", {}).values(), config.get("training", {}).get("scheduler") or {}):
        if isinstance(settings, dict) and isinstance(settings.get("monitor"), str):
            yield settings["monitor"], settings.get("mode")
