"""Types of arguments that are refused in one sentence."""

import argparse
import math
from collections.abc import Callable


def number(least: int, most: int) -> Callable[[str], int]:
    """Return the type of whole numbers in a range, both ends included."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text} is out of range: give a number from {least} to {most}")
        return int(text)

    return parse


def seeds(text: str) -> int:
    """Return how many seeds are meant: a deviation needs two."""
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
