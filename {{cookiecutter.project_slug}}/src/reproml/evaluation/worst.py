"""The test examples that a model got most wrong: where a reader looks first for what it does not know."""

from ..tables import TextTable
from .written import Written

_SHOWN = 10  # examples
_COLUMNS = {"actual", "predicted"}


def worst_examples(written: Written) -> TextTable | None:
    """Return the wrong predictions that the model was surest of, or the largest errors of a quantity.

    An example is named by its row in `predictions.csv`, counted from 0 below the heading. Returns None where the task
    gives no such predictions, or none of them is wrong.
    """
    rows = written.predicted()
    if not rows or not rows[0].keys() >= _COLUMNS:
        return None
    try:
        title, found = _mistakes(rows) if "probability" in rows[0] else _errors(rows)
    except ValueError:  # neither names with probabilities nor quantities
        return None
    return TextTable.of("predictions", title, found[:_SHOWN]) if found else None


def _mistakes(rows: list[dict[str, str]]) -> tuple[str, list[dict[str, str]]]:
    shown = [_example(place, row, probability=row["probability"]) for place, row in enumerate(rows)]
    wrong = [row for row in shown if row["actual"] != row["predicted"]]
    return "Wrong predictions, the surest first", sorted(wrong, key=lambda row: -float(row["probability"]))


def _errors(rows: list[dict[str, str]]) -> tuple[str, list[dict[str, str]]]:
    errors = [float(row["predicted"]) - float(row["actual"]) for row in rows]
    shown = [_example(place, row, error=repr(errors[place])) for place, row in enumerate(rows) if errors[place]]
    return "Largest errors, predicted minus actual", sorted(shown, key=lambda row: -abs(float(row["error"])))


def _example(place: int, row: dict[str, str], **judged: str) -> dict[str, str]:
    return {"example": str(place), "actual": row["actual"], "predicted": row["predicted"], **judged}
