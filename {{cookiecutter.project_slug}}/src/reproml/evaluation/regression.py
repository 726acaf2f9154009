"""The evaluation of a model that predicts a quantity."""

from typing import Any

import numpy as np
import torch

from .evaluation import Evaluation, Intervals
from .figures import against_figure, residuals_figure
from .intervals import bootstrapped, mean_interval

_METRICS = ("loss", "mae", "rmse", "r2")
_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)


def regression(
    predicted: torch.Tensor,
    actual: torch.Tensor,
    target: str,
    unit: str | None = None,
    scale: float = 1.0,
    kind: str | None = "tabular-regression",
) -> Evaluation:
    """Return loss, MAE, RMSE and R2, tables of the errors, figures, and all predictions.

    Args:
        predicted: the quantity as the model says it, shape (n,).
        actual: as it was measured, shape (n,).
        target: what it is, as in `price`.
        unit: of it, as in `EUR`.
        scale: what the loss divides the errors by before it squares them: the deviation of the training targets, say.
        kind: as in `Evaluation`.

    Example:

        regression(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]), "price", "EUR").metrics["mae"]
    """
    said, true = predicted.double().numpy(), actual.double().numpy()
    title = f"{target} ({unit})" if unit else target
    every = np.arange(len(true))
    values = _metrics(said, true, every, scale)
    return Evaluation(
        metrics=dict(zip(_METRICS, values.tolist(), strict=True)),
        headline="mae",
        higher_is_better=False,
        kind=kind,
        examples=len(true),
        tables={"error_quantiles": _quantiles(said - true), "by_range": _by_range(said, true)},
        figures={
            "predicted_against_actual": against_figure(said, true, title),
            "residuals": residuals_figure(said, true, title),
        },
        predictions=[
            {"actual": measured, "predicted": value}
            for measured, value in zip(true.tolist(), said.tolist(), strict=True)
        ],
        intervals=lambda seed: _intervals(said, true, scale, seed),
        directions={"mae": False, "rmse": False, "r2": True},
    )


def _metrics(said: np.ndarray, true: np.ndarray, rows: np.ndarray, scale: float) -> np.ndarray:
    """Return loss, MAE, RMSE and R2 of the examples at some positions (..., n), shape (4, ...)."""
    errors, measured = said[rows] - true[rows], true[rows]
    squared = (errors**2).mean(-1)
    spread = measured.var(-1)
    with np.errstate(divide="ignore", invalid="ignore"):  # where all are equal there is no R2
        explained = 1 - squared / spread
    return np.stack([squared / scale**2, np.abs(errors).mean(-1), np.sqrt(squared), explained])


def _quantiles(errors: np.ndarray) -> list[dict[str, Any]]:
    """Return the errors, predicted minus actual, that so large a share of the examples does not exceed."""
    return [
        {"share": share, "error": float(np.quantile(errors, share)), "size": float(np.quantile(np.abs(errors), share))}
        for share in _SHARES
    ]


def _parts(true: np.ndarray) -> list[np.ndarray]:
    """Return the positions of the quarter with the smallest values, of the next, and so on."""
    return [part for part in np.array_split(np.argsort(true, kind="stable"), 4) if len(part)]


def _by_range(said: np.ndarray, true: np.ndarray) -> list[dict[str, Any]]:
    """Return range, mean absolute error and bias of each quarter of the examples, by the actual value."""
    return [
        {
            "from": float(true[part].min()),
            "to": float(true[part].max()),
            "mae": float(np.abs(said[part] - true[part]).mean()),
            "bias": float((said[part] - true[part]).mean()),
            "examples": len(part),
        }
        for part in _parts(true)
    ]


def _intervals(said: np.ndarray, true: np.ndarray, scale: float, seed: int) -> Intervals:
    found = bootstrapped(len(true), lambda rows: _metrics(said, true, rows, scale), seed)
    rows = []
    for row, part in zip(_by_range(said, true), _parts(true), strict=True):
        errors, shown = said[part] - true[part], {}
        for name, value in row.items():
            shown[name] = value
            if name in ("mae", "bias"):
                interval = mean_interval(np.abs(errors) if name == "mae" else errors, seed)
                shown[f"{name}_low"], shown[f"{name}_high"] = interval or (None, None)
        rows.append(shown)
    return Intervals(dict(zip(_METRICS, found, strict=True)), {"by_range": rows})
