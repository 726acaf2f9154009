"""How a card describes the splits."""

from typing import Any

_DRAWN = {
    "stratified": "with the same share of every class in each",
    "random": "regardless of the target",
    "group": "with no group in more than one split",
}


def told(strategy: str, manifest: dict[str, Any], seed: str, folds: tuple[int, int] | None = None) -> str:
    """Return the sentences of a card.

    Args:
        strategy: `data.split`.
        manifest: of the prepared data.
        seed: what the seed is called.
        folds: how many there are, and which one is the validation; None: there are none.
    """
    if strategy == "given":
        return "The data comes with its splits: its reader assigns each example to one."
    official = manifest["official_test_examples"]
    parts = "The test split is the official one of the data. The others are" if official else "The splits are"
    if strategy == "contiguous":
        order = "training first, then validation" if official else "training first, then validation, then test"
        text = f"{parts} cut from the data in its order: {order}."
    else:
        number = f" (there are {manifest['groups']})" if strategy == "group" else ""
        text = f"{parts} drawn by {seed}, {_DRAWN[strategy]}{number}."
    if folds:
        before = "; it is trained on what comes before" if strategy == "contiguous" else ""
        text += f" Cross-validation: the validation is fold {folds[1]} of {folds[0]}, counted from 0{before}."
    return text
