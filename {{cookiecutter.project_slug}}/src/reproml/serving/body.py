"""The body of a request, which is never held in memory beyond a limit."""

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

_READ_ON = 4  # limits' worth of bytes: a client that is still sending does not see an answer


async def read(request: Request, most: int) -> bytes:
    """Return the body.

    A body that is a little too large is read to its end and dropped, so that the client gets the answer and not a
    broken connection.

    Raises:
        HTTPException: it is larger than `most` bytes, or ends too early.
    """
    announced = int(request.headers.get("content-length", 0))  # or it comes in chunks, and nothing is announced
    body, length = bytearray(), 0
    try:
        if announced <= _READ_ON * most:
            async for chunk in request.stream():
                length += len(chunk)
                if length > _READ_ON * most:
                    break
                if length <= most:
                    body += chunk
    except ClientDisconnect:
        raise HTTPException(400, "the body ended too early") from None
    if max(length, announced) > most:
        raise HTTPException(413, f"the body is larger than {most} bytes: send fewer examples at once")
    return bytes(body)
