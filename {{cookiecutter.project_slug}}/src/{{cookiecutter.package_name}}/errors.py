"""Errors that a person can mend: one sentence with the key, the value and the mend."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Something that the reader of the message can mend. It is shown without a traceback."""


class ConfigError(UserError):
    """A key or a value of the configuration is wrong."""


class TrainingError(UserError):
    """The training went wrong in a way that other settings can mend."""


class DataError(UserError):
    """A file of data is missing, damaged or not the one that the configuration names."""


class CardError(UserError):
    """A card, or what it is written from, does not allow to write it."""


class RecordError(UserError):
    """The record of a run is missing, damaged, or does not allow what is asked."""


class TrackerError(UserError):
    """A tracker cannot be reached, or refuses what it is sent."""


def nearest(word: str, candidates: Iterable[str]) -> str:
    """Return the candidate that `word` most likely meant: by its initials, else by its letters."""
    candidates = list(candidates)
    initials = "".join(part[0] for part in word.split("_") if part)
    if initials in candidates:  # learning_rate -> lr
        return initials
    return next(iter(get_close_matches(word, candidates, n=1, cutoff=0.0)), "nothing")


def unknown_key(key: str, valid: Iterable[str]) -> ConfigError:
    """Return the error for a key that the configuration does not have, naming the nearest one that it has."""
    valid = sorted(valid)
    parent, _, name = key.rpartition(".")
    prefix = f"{parent}." if parent else ""
    return ConfigError(
        f"{key} is not a key of the configuration; the nearest is {prefix}{nearest(name, valid)} "
        f"(there are: {', '.join(valid)})"
    )
