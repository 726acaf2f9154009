"""Curves as plain numbers of a picture: what the templates draw as SVG, which prints sharply and follows the theme."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from ..evaluation.history import flattens

WIDTH, HEIGHT = 440, 240  # of the picture, in units of its own
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 36
_TICKS = 5  # at most so many steps on an axis


@dataclass(frozen=True)
class Curve:
    """One line of a picture.

    Args:
        label: what it shows.
        points: epoch, counted from 0, and value.
        colour: number of its colour, from 0.
        dashed: whether it is drawn so.
    """

    label: str
    points: Sequence[tuple[float, float]]
    colour: int = 0
    dashed: bool = False


@dataclass(frozen=True)
class Picture:
    """Curves in one frame, with the place of everything in it.

    Args:
        title: of the picture.
        curves: that have a point.
        lines: the places of the points of each curve.
        across: label and place of each tick of the axis of epochs.
        up: the same of the axis of values.
        logarithmic: whether equal distances on the axis of values are equal ratios.
        frame: left, top, right and bottom of the area of the curves.
    """

    title: str
    curves: list[Curve]
    lines: list[list[tuple[float, float]]]
    across: list[tuple[str, float]]
    up: list[tuple[str, float]]
    logarithmic: bool = False
    frame: tuple[int, int, int, int] = (_LEFT, _TOP, WIDTH - _RIGHT, HEIGHT - _BOTTOM)
    size: tuple[int, int] = (WIDTH, HEIGHT)

    @property
    def description(self) -> str:
        """The picture in words, for those who do not see it."""
        parts = [f"{curve.label} from {curve.points[0][1]:.4g} to {curve.points[-1][1]:.4g}" for curve in self.curves]
        return f"{self.title} over the epochs: {'; '.join(parts)}"


def picture(title: str, curves: Iterable[Curve]) -> Picture | None:
    """Return the picture of some curves, None where none of them has a point."""
    drawn = [curve for curve in curves if curve.points]
    if not drawn:
        return None
    epochs = [x for curve in drawn for x, _ in curve.points]
    values = [y for curve in drawn for _, y in curve.points]
    logarithmic = flattens([[y for _, y in curve.points] for curve in drawn])
    across = _ticks(min(epochs), max(epochs), whole=True)
    up = (_powers if logarithmic else _ticks)(min(values), max(values))

    def place_x(x: float) -> float:
        return _place(x, (min(epochs), max(epochs)), (_LEFT, WIDTH - _RIGHT))

    def place_y(y: float) -> float:
        low, high, at = (log10(each) for each in (up[0], up[-1], y)) if logarithmic else (up[0], up[-1], y)
        return _place(at, (low, high), (HEIGHT - _BOTTOM, _TOP))

    return Picture(
        title,
        drawn,
        [[(place_x(x), place_y(y)) for x, y in curve.points] for curve in drawn],
        [(f"{x:g}", place_x(x)) for x in across if min(epochs) <= x <= max(epochs)],
        [(f"{y:.6g}", place_y(y)) for y in up],
        logarithmic,
    )


def _place(value: float, values: tuple[float, float], places: tuple[int, int]) -> float:
    share = (value - values[0]) / (values[1] - values[0]) if values[1] > values[0] else 0.5
    return round(places[0] + share * (places[1] - places[0]), 1)


def _powers(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times the powers of ten from `low` to `high`, or over many of them the powers alone."""
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    factors = (1, 2, 5) if len(powers) <= 3 else (1,)
    found = [float(f"{factor}e{power}") for power in powers for factor in factors]
    first = max((place for place, value in enumerate(found) if value <= low), default=0)
    last = min((place for place, value in enumerate(found) if value >= high), default=len(found) - 1)
    return found[first : last + 1]


def _ticks(low: float, high: float, whole: bool = False) -> list[float]:
    """Return round numbers in equal steps, the first not above `low` and the last not below `high`."""
    if high <= low:
        return [low]
    rough = (high - low) / _TICKS
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    if whole:
        step = float(ceil(step))
    return [round(number * step, 12) for number in range(floor(low / step), ceil(high / step) + 1)]
