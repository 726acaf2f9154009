"""Small servers inside the tests' own process, on loopback; and waiting for servers elsewhere."""

import http.server
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def served(handler: Callable[..., http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """Answer requests in the background and yield the address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def s3_server(log: Path) -> Iterator[str]:
    """Yield the address of a real S3 server on the loopback address."""
    with log.open("w") as output:
        server = subprocess.Popen(
            [Path(sys.executable).with_name("moto_server"), "-H", "127.0.0.1", "-p", "0"], stderr=output, stdout=output
        )
        try:
            for _ in range(300):
                if found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", log.read_text()):
                    break
                time.sleep(0.1)
            assert found, log.read_text()
            yield found[1]
        finally:
            server.terminate()
            server.wait(10)


def until(condition: Callable[[], object], seconds: float = 60, every: float = 0.05) -> None:
    """Wait until something is so; fail after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(every)


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
