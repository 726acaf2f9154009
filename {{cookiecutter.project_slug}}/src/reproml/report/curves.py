"""Curves as plain numbers of a picture: what the templates draw as SVG, which prints sharply and follows the theme."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, log10

from ..evaluation.history import flattens

WIDTH, HEIGHT = 440, 240  # of the picture, in units of its own
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 36
_TICKS = 5  # at most so many steps on an axis
_POWERS = 8  # at most so many numbers on a logarithmic axis, where they are 1, 2 and 5 times the powers of ten
_SETTLED = 0.2  # part of the whole range: curves that stay within it from the middle on show nothing there
_ENLARGED = 10  # epochs; of fewer there is nothing to enlarge


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
        enlarged: whether it is a part of another picture.
        frame: left, top, right and bottom of the area of the curves.
    """

    title: str
    curves: list[Curve]
    lines: list[list[tuple[float, float]]]
    across: list[tuple[str, float]]
    up: list[tuple[str, float]]
    logarithmic: bool = False
    enlarged: bool = False
    frame: tuple[int, int, int, int] = (_LEFT, _TOP, WIDTH - _RIGHT, HEIGHT - _BOTTOM)
    size: tuple[int, int] = (WIDTH, HEIGHT)

    @property
    def description(self) -> str:
        """The picture in words, for those who do not see it."""
        parts = [f"{curve.label} from {curve.points[0][1]:.4g} to {curve.points[-1][1]:.4g}" for curve in self.curves]
        return f"{self.title}{' (second half)' if self.enlarged else ''} over the epochs: {'; '.join(parts)}"


def pictures(title: str, curves: Sequence[Curve]) -> list[Picture]:
    """Return the picture of some curves, and the second half of it enlarged where the curves have flattened by then."""
    whole = picture(title, curves)
    if whole is None or whole.logarithmic:
        return [whole] if whole else []
    epochs = [x for curve in whole.curves for x, _ in curve.points]
    middle = ceil((min(epochs) + max(epochs)) / 2)
    late = [replace(curve, points=[point for point in curve.points if point[0] >= middle]) for curve in whole.curves]
    settled = _range(late) <= _SETTLED * _range(whole.curves) and max(epochs) - min(epochs) + 1 >= _ENLARGED
    part = picture(title, late) if settled and _range(late) else None
    return [whole, replace(part, enlarged=True)] if part else [whole]


def _range(curves: Iterable[Curve]) -> float:
    values = [y for curve in curves for _, y in curve.points]
    return max(values) - min(values)


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
    found = _around([float(f"{factor}e{power}") for power in powers for factor in (1, 2, 5)], low, high)
    return found if len(found) <= _POWERS else _around([float(f"1e{power}") for power in powers], low, high)


def _around(numbers: list[float], low: float, high: float) -> list[float]:
    """Return numbers in order from the last that is not above `low` to the first that is not below `high`."""
    first = max((place for place, value in enumerate(numbers) if value <= low), default=0)
    last = min((place for place, value in enumerate(numbers) if value >= high), default=len(numbers) - 1)
    return numbers[first : last + 1]


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
