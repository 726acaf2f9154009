"""Logs for programs: one JSON object per line."""

import json
import logging
import os
from datetime import UTC, datetime
from typing import Any


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
