"""What a request, a connection and all of them together may take."""

import resource
from dataclasses import dataclass, field


def connections_within(files: int) -> int:
    """Return how many connections to hold at once where a process may have so many files open.

    Half of them: others are accepted, or wait to be closed, before the event loop looks at their number.
    """
    return min(1000, files // 2)


def _connections() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return connections_within(2**20 if files == resource.RLIM_INFINITY else files)


@dataclass(frozen=True)
class Limits:
    """Of the server; in seconds, bytes and numbers.

    Args:
        examples: of one request.
        size: of the body of one request.
        connections: held at once. Beyond that the one that has been idle for longest is closed.
        head_within: seconds for the head of a request, from the connection or from the last answer on.
        body_within: seconds for a body, and a second more for each `body_rate` bytes that came.
        body_rate: see there.
        answer_within: seconds in which a client has to read something of its answers, where they wait to be sent.
        finish_within: seconds for requests in progress when the server is told to stop.
    """

    examples: int = 1024
    size: int = 16_000_000
    connections: int = field(default_factory=_connections)
    head_within: float = 10
    body_within: float = 20
    body_rate: float = 16_000
    answer_within: float = 60
    finish_within: float = 7

    @property
    def together(self) -> int:
        """Bytes of all bodies that are in memory."""
        return 4 * self.size

    @property
    def backlog(self) -> int:
        """Connections that the event loop accepts in one turn; it looks at their number some turns later."""
        return max(1, self.connections // 8)
