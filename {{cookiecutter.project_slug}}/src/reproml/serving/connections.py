"""The connections of the server: how many there may be, and for how long one may stay idle.

uvicorn limits requests in progress, and the time between two requests; not connections that never ask for anything, and
not the time that a request takes to arrive.
"""

import asyncio
import json
import logging
import time
from http import HTTPStatus
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from .limits import Limits

log = logging.getLogger(__name__)

_TELL_EVERY = 60.0  # seconds between two lines that say that there are too many connections


class Connection(H11Protocol):
    """One of a limited number of connections, which is closed where no request arrives in time.

    It is idle from its beginning, and from the end of an answer, until the head of a request is there. Bodies have a
    time of their own, see body.py. Computing an answer takes as long as it takes.
    """

    limits: ClassVar[Limits]
    idle: "ClassVar[dict[Connection, None]]"  # those of one server, the longest idle first
    told: ClassVar[float]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, where there is room or a connection can be closed that does nothing."""
        super().connection_made(transport)
        self._timer: asyncio.TimerHandle | None = None
        self._unsent: int | None = None  # bytes of answers, when the time was up before
        if len(self.connections) > self.limits.connections and not self._make_room():
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "the server has no free connection: try again later")
        else:
            self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        super().connection_lost(exc)
        self._look()

    def handle_events(self) -> None:
        """Take what has arrived."""
        super().handle_events()
        self._look()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        """Wait until the client has read more of the answers."""
        super().pause_writing()
        self._look()

    def resume_writing(self) -> None:
        """Send on."""
        super().resume_writing()
        self._look()

    def _look(self) -> None:
        """Start or stop the time of this connection, by whether it waits for its client."""
        there = self in self.connections
        if there and (self.cycle is None or self.cycle.response_complete):
            self.idle.setdefault(self)
        else:
            self.idle.pop(self, None)
        waits = self in self.idle or (there and self.flow.write_paused)
        if waits and self._timer is None:
            self._unsent = None
            self._wait(self.limits.head_within if self in self.idle else self.limits.answer_within)
        elif not waits and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        """Close, unless answers are still being read."""
        before, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        if self._unsent and (before is None or self._unsent < before):
            self._wait(self.limits.answer_within)
        elif self._unsent:
            self.transport.abort()
        elif self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "the header of the request arrived too slowly")
        else:
            self.transport.close()

    def _make_room(self) -> bool:
        """Close the connection that has been idle for longest, and return whether there was one."""
        now = time.monotonic()
        if now - type(self).told > _TELL_EVERY:
            type(self).told = now
            log.warning("there are more than %d connections: idle ones are closed", self.limits.connections)
        for other in self.idle:
            if not other.transport.is_closing() and not other.transport.get_write_buffer_size():
                other.transport.close()
                return True
        return False

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        body = json.dumps({"detail": sentence}).encode()
        head = [f"HTTP/1.1 {status.value} {status.phrase}", "content-type: application/json", "connection: close"]
        head += [f"content-length: {len(body)}", *(["retry-after: 1"] if status == 503 else []), "", ""]
        self.transport.write("\r\n".join(head).encode() + body)
        self.transport.close()


def limited(limits: Limits) -> type[Connection]:
    """Return the class of the connections of one server, as uvicorn wants it."""
    own: dict[str, Any] = {"limits": limits, "idle": {}, "told": float("-inf")}
    return type("Connection", (Connection,), own)
