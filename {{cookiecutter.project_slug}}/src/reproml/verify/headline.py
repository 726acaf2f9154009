"""The metric by which a run is compared if none is named."""

from pathlib import Path
from typing import Any

from ..evaluation.directions import is_loss
from ..evaluation.written import evaluation_of
from ..runs.completed import CompletedRun


def headline(folder: Path, record: dict[str, Any]) -> str | None:
    """Return the headline of the test of a finished run; None: it has none, or its test is not here.

    Args:
        folder: of the run.
        record: of the run.
    """
    written = evaluation_of(CompletedRun(folder, record))
    return written.headline if written else None


def loss(metrics: dict[str, Any]) -> str | None:
    """Return the name of the loss among the metrics of a test, as in `loss`, `test/loss` or `test_loss`."""
    return next(filter(is_loss, metrics), None)
