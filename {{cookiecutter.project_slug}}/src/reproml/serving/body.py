"""The bodies of requests, which are never held in memory beyond a limit, each and all together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

from .limits import Limits

_READ_ON = 4  # limits' worth of bytes: a client that is still sending does not see an answer


class Bodies:
    """Those of one server.

    Args:
        limits: of one and of all together.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = 0  # bytes

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytearray]:
        """Yield the body, and hold it until the end of the context.

        A body that is a little too large, or for which there is no room, is read to its end and dropped, so that the
        client gets the answer and not a broken connection.

        Raises:
            HTTPException: it is too large, comes too slowly or ends too early, or there are too many at once.
        """
        body = bytearray()
        try:
            await self._fill(body, request)
            yield body
        finally:
            self._held -= len(body)

    async def _fill(self, body: bytearray, request: Request) -> None:
        most, length, room = self._limits.size, 0, True
        announced = int(request.headers.get("content-length", 0))  # or it comes in chunks, and nothing is announced
        due = asyncio.get_running_loop().time() + self._limits.body_within
        try:
            if announced <= _READ_ON * most:
                async with asyncio.timeout_at(due) as timeout:
                    async for chunk in request.stream():
                        length += len(chunk)
                        timeout.reschedule(due + length / self._limits.body_rate)
                        if length > _READ_ON * most:
                            break
                        room = room and self._held + len(chunk) <= self._limits.together
                        if room and length <= most:
                            body += chunk
                            self._held += len(chunk)
                        elif body:
                            self._held -= len(body)
                            body.clear()
        except ClientDisconnect:
            raise HTTPException(400, "the body ended too early") from None
        except TimeoutError:
            # the rest of it is not waited for
            raise HTTPException(408, "the body arrived too slowly: send it faster", {"Connection": "close"}) from None
        if max(length, announced) > most:
            raise HTTPException(413, f"the body is larger than {most} bytes: send fewer examples at once")
        if not room:
            raise HTTPException(503, "the server is busy: try again", {"Retry-After": "1"})
