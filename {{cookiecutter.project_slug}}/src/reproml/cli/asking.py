"""Questions before what cannot be taken back."""

import sys

from ..errors import ConfigError


def agreed(question: str) -> bool:
    """Whether the person at the terminal says yes.

    Raises:
        ConfigError: nobody can be asked.
    """
    if not sys.stdin.isatty():
        raise ConfigError(f"{question} There is no terminal to ask on: add --yes")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
