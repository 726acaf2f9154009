"""The test examples that a model got most wrong: where a reader looks first for what it does not know."""

from ..evaluation.written import Written
from ..tables import TextTable

_SHOWN = 10  # examples
_COLUMNS = {"actual", "predicted"}


def worst_examples(written: Written) -> TextTable | None:
    """Return the wrong predictions that the model was surest of, or the largest errors of a quantity.

    An example is named by its row in `predictions.csv`, counted from 0 below the heading. Returns None where the task
    gives no such predictions, or none of them is wrong.
    """
    rows = [{"example": str(place)} | row for place, row in enumerate(written.predicted())]
    if not rows or not rows[0].keys() >= _COLUMNS:
        return None
    if "probability" in rows[0]:
        wrong = [row for row in rows if row["actual"] != row["predicted"]]
        title = "Wrong predictions, the surest first"
        found = sorted(wrong, key=lambda row: -float(row["probability"]))
    else:
        try:
            errors = [float(row["predicted"]) - float(row["actual"]) for row in rows]
        except ValueError:  # neither classes nor quantities
            return None
        rows = [row | {"error": repr(error)} for row, error in zip(rows, errors, strict=True) if error]
        title = "Largest errors, predicted minus actual"
        found = sorted(rows, key=lambda row: -abs(float(row["error"])))
    return TextTable.of("predictions", title, found[:_SHOWN]) if found else None
