"""Argument types: runs by their short names, and values that are refused in one sentence."""

import argparse
import math
from collections.abc import Callable
from typing import Any

from ..catalog.find import find_run, with_named_runs

RUN = "last, best, models, its folder, or the beginning of its name"


class RunName(str):
    """The name of a run on the command line; `resolve` replaces it with the run's folder."""


class Override(str):
    """An argument of train.py, which may also name a run, as in `restore.run=last`."""


def resolve(arguments: argparse.Namespace) -> None:
    """Replace the names of runs with their folders. Here alone, so that every command takes the same names.

    Raises:
        ConfigError: no run has that name, or several have.
    """
    for key, value in vars(arguments).items():
        setattr(arguments, key, _resolved(value))


def _resolved(value: Any) -> Any:
    if isinstance(value, list):
        return [_resolved(each) for each in value]
    if isinstance(value, RunName):
        return find_run(str(value))
    return with_named_runs([str(value)])[0] if isinstance(value, Override) else value


def number(least: int, most: int) -> Callable[[str], int]:
    """Return the type of whole numbers in a range, both ends included."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text} is out of range: give a number from {least} to {most}")
        return int(text)

    return parse


def seeds(text: str) -> int:
    """Return the number of seeds: a deviation needs two."""
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seeds: give 2 or more")
    return int(text)


def tolerance(text: str) -> float:
    """Return a finite number that is not negative."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a tolerance: give 0 or a positive number")
    return value
