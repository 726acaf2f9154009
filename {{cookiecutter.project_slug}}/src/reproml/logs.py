"""Logs: lines for people on the console, one JSON object per line for programs."""

import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

_STYLES = ((logging.ERROR, "error: ", "bold red"), (logging.WARNING, "warning: ", "yellow"))


class ConsoleLines(logging.Handler):
    """Writes a record to the console, and the progress bar below it again: they never share a line.

    It is in color on a terminal, unless NO_COLOR is set; in a file no line is wrapped.
    """

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console  # what --help shows needs none

        self._console = Console(highlight=False, emoji=False, markup=False)  # of sys.stdout as it is at each record

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record."""
        try:
            mark, style = next(((mark, style) for level, mark, style in _STYLES if record.levelno >= level), ("", ""))
            with without_bars():
                self._console.print(f"{mark}{self.format(record)}", style=style, soft_wrap=True)
        except Exception:
            self.handleError(record)


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON: time, level, message, and a traceback where there is one.

    Args:
        run: the folder of the run, which is then in each line, with the name of the logger.
    """

    def __init__(self, run: str | None = None) -> None:
        super().__init__()
        self.run = os.path.relpath(run) if run else None

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **({"run": self.run, "logger": record.name} if self.run else {}),
            "message": record.getMessage(),
            **getattr(record, "request", {}),
        }
        if record.exc_text or record.exc_info:
            line["traceback"] = record.exc_text or self.formatException(record.exc_info)  # type: ignore[arg-type]
        return json.dumps(line, ensure_ascii=False)


@contextmanager
def without_bars() -> Iterator[None]:
    """Take progress bars off the terminal while something else is written there."""
    tqdm = sys.modules.get("tqdm")  # without it there is no bar
    if tqdm is None:
        yield
    else:
        with tqdm.tqdm.external_write_mode():
            yield


def log_warnings() -> None:
    """Write Python's warnings to the log from now on, each as one line."""
    log = logging.getLogger("py.warnings")

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        log.warning("%s: %s (%s:%d)", category.__name__, message, filename, lineno)

    warnings.showwarning = show


def announce(text: str) -> None:
    """Say on the terminal what takes a while. No log, pipe or program needs it."""
    if sys.stderr.isatty():
        with without_bars():
            print(text, file=sys.stderr, flush=True)
