"""The log of the server: one JSON object in each line of stderr, and one line for each request."""

import logging
import sys
import time
from typing import Any

from ..logs import JsonLines
from ..secrets import mask

log = logging.getLogger(__name__)

_LONGEST = 200  # characters of a path, which a client chooses


def configure() -> None:
    """Send all log records and warnings to stderr, as JSON; secrets are masked already."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)


class RequestLog:
    """Writes a line for each request: method, path, status, milliseconds, client, and the number of examples.

    Bodies and query strings are never written. An error of the server is written with its traceback, which the client
    does not get.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on a request (ASGI)."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500
        state = scope.setdefault("state", {})

        async def noted(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        failure = None
        try:
            await self.app(scope, receive, noted)
        except Exception as error:  # answered already, by the handler of app.py
            failure = error
        request = {
            "method": scope["method"],
            "path": mask(scope["path"])[:_LONGEST],
            "status": status,
            "milliseconds": round(1000 * (time.perf_counter() - started), 3),
            "client": (scope["client"] or ["unknown"])[0],
        }
        if "examples" in state:
            request["examples"] = state["examples"]
        log.log(logging.ERROR if failure else logging.INFO, "request", exc_info=failure, extra={"request": request})
