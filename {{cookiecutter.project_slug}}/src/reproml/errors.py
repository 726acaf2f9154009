"""Errors that a person can fix: one sentence with the key, the value and the fix."""

from collections.abc import Iterable
from difflib import SequenceMatcher

_ALIKE = 0.6  # below this a suggestion does not help


class UserError(Exception):
    """Something that the reader of the message can fix. It is shown without a traceback."""


class ConfigError(UserError):
    """A key or a value of the configuration is wrong.

    Example: `raise ConfigError(f"model.depth={depth} is deeper than the image: give at most 3")`
    """


class TrainingError(UserError):
    """The training went wrong in a way that other settings can fix."""


class DataError(UserError):
    """A file of data is missing, damaged or not the one that the configuration names.

    Example: `raise DataError(f"{path} has no column age: fetch it again")`
    """


class CardError(UserError):
    """A card, or what it is written from, does not allow to write it."""


class RecordError(UserError):
    """The record of a run is missing, damaged, or does not allow what is asked."""


class TrackerError(UserError):
    """A tracker cannot be reached, or refuses what it is sent."""


class HubError(UserError):
    """The Hugging Face Hub cannot be reached, or refuses what it is sent."""


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that `word` most likely means, by its last part, in any group; None: none is similar.

    Args:
        word: a key with its groups, as in `training.learning_rate`, or any other name.
        candidates: all that exist, written the same way.
    """
    place, _, name = word.rpartition(".")
    initials = "".join(part[0] for part in name.split("_") if part)

    def likeness(candidate: str) -> float:
        last = candidate.rpartition(".")[2]
        if last in (name, initials):  # learning_rate -> lr
            return 1.0 if last == name else 0.9
        return SequenceMatcher(None, name, last).ratio()

    def order(candidate: str) -> tuple[float, int, str]:
        beside = candidate.rpartition(".")[0] == place  # where it was written is a hint, too
        return -likeness(candidate) - 0.2 * beside, candidate.count("."), candidate

    return min((each for each in candidates if likeness(each) >= _ALIKE), key=order, default=None)


def unknown_key(key: str, valid: Iterable[str], what: str = "a key of the configuration") -> ConfigError:
    """Return the error for a key that does not exist, naming the nearest one that does.

    Args:
        key: with its groups, as in `training.learning_rate`.
        valid: all keys that exist, written the same way.
        what: what the key is not.
    """
    valid = sorted(set(valid) - {key})
    best = nearest(key, valid)
    group = key.rpartition(".")[0]
    beside = [each.rpartition(".")[2] for each in valid if each.rpartition(".")[0] == group]
    near = f"; the nearest is {best}" if best else ""
    there = f" (there are: {', '.join(beside)})" if beside else ""
    return ConfigError(f"{key} is not {what}{near}{there}")
