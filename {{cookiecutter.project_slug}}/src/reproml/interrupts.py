"""Ctrl-C ends a command with one line and the exit code 130, from its first import on."""

import sys
from types import TracebackType
from typing import NoReturn

CODE = 130  # what shells expect of a command that Ctrl-C has ended


def end_in_one_line(name: str) -> None:
    """Have Ctrl-C end this program with one line wherever nothing else catches it, as while it imports.

    Args:
        name: of the module that asks. Only a program ends so, and not whatever imports it.
    """
    if name == "__main__":
        sys.excepthook = _end


def interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an error: it is that itself, or what was being handled when the error came."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def end(code: int) -> NoReturn:
    """Exit with the one line that an interrupted command says."""
    print("error: interrupted", file=sys.stderr)
    sys.exit(code)


def _end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if interrupted(error):
        end(CODE)
    sys.__excepthook__(kind, error, trace)
