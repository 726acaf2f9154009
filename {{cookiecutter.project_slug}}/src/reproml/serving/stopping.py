"""An answer for requests that the server cannot finish when it is told to stop."""

import asyncio
from typing import Any

from starlette.responses import JSONResponse


class Stopping:
    """Passes requests on; those without an answer some time after the stop get one that says so.

    Args:
        app: the application (ASGI).
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self._end: float | None = None  # by the clock of the event loop
        self._timeouts: set[asyncio.Timeout] = set()  # of the requests in progress

    def after(self, seconds: float) -> None:
        """End all requests, those in progress and those to come, so many seconds from now."""
        self._end = asyncio.get_running_loop().time() + seconds
        for timeout in self._timeouts:
            timeout.reschedule(self._end)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request (ASGI)."""
        started = False

        async def noted(message: Any) -> None:
            nonlocal started
            started = True
            await send(message)

        timeout = asyncio.timeout_at(self._end)
        try:
            async with timeout:
                self._timeouts.add(timeout)
                await self.app(scope, receive, noted)
        except TimeoutError:
            if not timeout.expired():
                raise
            if not started:
                stopping = JSONResponse({"detail": "the server is stopping: try again"}, 503, {"Retry-After": "1"})
                await stopping(scope, receive, send)
        finally:
            self._timeouts.discard(timeout)
