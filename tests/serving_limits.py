"""Treats a server badly, in one process, and prints as JSON how it answers.

An environment's own Python runs it, without a rendered project: the machinery is imported from the template's sources,
and the model is a function that takes as long as its input says.
"""

import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

from sources import load_packages

load_packages()
from reproml.models.interface import Interface  # noqa: E402
from reproml.models.outputs import Outputs  # noqa: E402
from reproml.serving.app import build_app  # noqa: E402
from reproml.serving.inputs import of_arrays  # noqa: E402
from reproml.serving.limits import Limits, connections_within  # noqa: E402
from reproml.serving.server import Server  # noqa: E402

SHORT = Limits(head_within=0.3, body_within=0.3, finish_within=0.3)


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self.messages.append(record.getMessage())


class Sleeper:
    """Stands for a Predictor; an example is the number of seconds that it takes."""

    interface = Interface((1,), "float64", target="seconds")
    inputs = of_arrays(interface)
    outputs = Outputs("", "", ())
    model_sha256 = "0" * 64
    config = None
    record: dict[str, Any] = {  # noqa: RUF012 (not changed)
        **dict.fromkeys(("git", "reproducibility", "model_sha256", "weights_sha256", "data", "metrics")),
        "sessions": [{"ended": None}],
        "config": {"model": None},
    }

    def __init__(self) -> None:
        self.asked = 0

    def predict(self, inputs: list[list[float]]) -> list[dict[str, Any]]:
        """Sleep, and say for how long."""
        self.asked += 1
        time.sleep(sum(row[0] for row in inputs))
        return [{"predicted": row[0], "more": "as much as an answer of several classes"} for row in inputs]


class Running:
    """A server in a thread, and clients that see what comes over the wire."""

    def __init__(self, limits: Limits) -> None:
        self.model = Sleeper()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.server = Server(build_app(self.model, limits), limits)  # type: ignore[arg-type]
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]})
        self.address = self.listener.getsockname()
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    def connect(self, sent: bytes = b"") -> socket.socket:
        """Return a new connection on which something was sent."""
        made = socket.create_connection(self.address, timeout=10)
        made.sendall(sent)
        return made

    def ask(self, path: str, method: str = "GET") -> list[Any]:
        """Return what a request on a connection of its own gets."""
        with self.connect(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()) as made:
            return answer(made, method)

    def predict(self, *seconds: float) -> socket.socket:
        """Ask for a prediction, and return the connection on which the answer will come."""
        return self.connect(request(json.dumps({"inputs": [[item] for item in seconds]}).encode()))


@contextmanager
def running(limits: Limits) -> Iterator[Running]:
    """Yield a server, and stop it at the end."""
    server = Running(limits)
    try:
        yield server
    finally:
        server.server.should_exit = True
        server.thread.join()


def request(body: bytes, announced: int | None = None) -> bytes:
    """Return a request for predictions."""
    length = len(body) if announced is None else announced
    head = ["POST /predict HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {length}"]
    return "\r\n".join([*head, "", ""]).encode() + body


def answer(made: socket.socket, method: str = "GET") -> list[Any]:
    """Return status, type, whether it may be tried again, and the detail of an answer; nothing where none came."""
    response = HTTPResponse(made, method=method)
    try:
        response.begin()
        text = response.read()
    except (ConnectionError, OSError) as error:  # http.client's error of an empty answer is a ConnectionError
        return [type(error).__name__]
    detail = json.loads(text).get("detail") if text and response.headers.get_content_subtype() == "json" else None
    return [response.status, response.headers.get_content_type(), bool(response.headers["Retry-After"]), detail]


def closed_after(made: socket.socket) -> tuple[float, str]:
    """Return the seconds until the other side closes, and what came before."""
    start, came = time.monotonic(), b""
    try:
        while part := made.recv(65536):
            came += part
    except ConnectionResetError:
        pass
    return round(time.monotonic() - start, 2), came.decode()


def stop() -> dict[str, Any]:
    """More work than there is time for, an upload that never ends, and a client that waits for nothing."""
    with running(Limits(finish_within=0.3)) as server:
        asked = [server.predict(0.2) for _ in range(5)]
        uploads = server.connect(request(b"{", 100))
        idle = server.connect()
        time.sleep(0.1)
        start = time.monotonic()
        server.server.should_exit = True
        answers = [answer(made) for made in asked]
        upload = answer(uploads)
        server.thread.join()
        took = time.monotonic() - start
        try:
            refused = answer(server.connect())
        except ConnectionRefusedError:
            refused = ["ConnectionRefusedError"]
        found = {"answers": answers, "upload": upload, "idle": closed_after(idle)[1], "seconds": took}
    return {**found, "asked": server.model.asked, "afterwards": refused}


def many_connections() -> dict[str, Any]:
    """More idle connections than there may be, and then more busy ones."""
    with running(Limits(connections=8, head_within=60)) as server:
        idle = [server.connect() for _ in range(50)]
        time.sleep(0.2)
        held = len(server.server.server_state.connections)
        health = server.ask("/health")
        busy = [server.predict(0.5) for _ in range(8)]
        time.sleep(0.2)
        one_more = answer(server.connect())
        answers = [answer(made)[0] for made in busy]
        return {"held": held, "health": health, "one more": one_more, "busy": answers, "of": len(idle)}


def files_open() -> int:
    """Return how many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def many_files() -> dict[str, Any]:
    """More connections at once than a process may have files, by the limits that follow from that."""
    files, lines, most = 64, Lines(), 0
    logging.getLogger().addHandler(lines)
    start = files_open()
    with running(Limits(connections=connections_within(files), head_within=60)) as server:
        connect = f"socket.create_connection({server.address!r})"
        script = f"import socket; held = [{connect} for _ in range({10 * files})]; print(flush=True); input()"
        command = [sys.executable, "-c", script]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout
            waiting = threading.Thread(target=process.stdout.readline)
            waiting.start()
            while waiting.is_alive():
                most = max(most, files_open() - start)
            health = server.ask("/health")
            process.communicate(b"\n")
    logging.getLogger().removeHandler(lines)
    return {"files": files, "most": most, "health": health, "lines": lines.messages}


def slow() -> dict[str, Any]:
    """Clients that connect, begin or upload, and then send nothing or hardly anything."""
    with running(SHORT) as server:
        found: dict[str, Any] = {"silent": closed_after(server.connect())}
        found["head"] = closed_after(server.connect(b"GET /health HT"))
        found["body"] = closed_after(server.connect(request(b"{", 100)))
        found["body elsewhere"] = closed_after(
            server.connect(b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n")
        )
        for name, begun in (("head", b"GET /health HTTP/1.1\r\nX: "), ("body", request(b"", 999))):
            made = server.connect(begun)
            start, dripping = time.monotonic(), True
            while dripping and time.monotonic() - start < 5:
                try:
                    made.sendall(b" ")
                except ConnectionError:
                    dripping = False
                time.sleep(0.05)
            found[f"drops of a {name}"] = time.monotonic() - start
        made = server.predict(1)  # computing may take longer than reading
        found["computed"] = answer(made)[0]
        body = json.dumps({"inputs": [[0.0]]}).encode()
        with server.connect(request(b"", len(body) + 60_000)) as made:  # a second more for each 16,000 bytes
            for _ in range(6):
                made.sendall(b" " * 10_000)
                time.sleep(0.1)
            made.sendall(body)
            found["steady"] = answer(made)[0]
    return found


def reading_slowly() -> dict[str, Any]:
    """More answers than the operating system keeps for a connection: read in pieces, and never read."""
    times = 200
    body = json.dumps({"inputs": [[0.0]] * 1024}).encode()
    with running(Limits(answer_within=0.5)) as server:
        _, one = closed_after(server.connect(request(body).replace(b"Host", b"Connection: close\r\nHost")))
        expected = times * (len(one) - len("connection: close\r\n"))
        slowly = server.connect()
        threading.Thread(target=slowly.sendall, args=[request(body) * times]).start()
        came, start = 0, time.monotonic()
        while came < expected and (part := slowly.recv(65536)):
            came += len(part)
            time.sleep(0.005)
        took = time.monotonic() - start
        slowly.close()
        with server.connect() as deaf:
            deaf.sendall(request(body) * times)
            start = time.monotonic()
            while server.server.server_state.connections and time.monotonic() - start < 20:
                time.sleep(0.05)
        return {"came": came / expected, "seconds": took, "deaf": time.monotonic() - start}


def bodies() -> dict[str, Any]:
    """More bodies than may be in memory together, and room again afterwards."""
    with running(Limits(size=1000)) as server:
        padding = b" " * 970
        body = padding + b'{"inputs": [[0.0]]}'
        uploads = [server.connect(request(body[:-5], len(body))) for _ in range(4)]
        time.sleep(0.2)
        fifth = answer(server.connect(request(body)))
        for made in uploads:
            made.sendall(body[-5:])
        answers = [answer(made)[0] for made in uploads]
        queue = [server.connect(request(padding + b'{"inputs": [[0.3]]}')) for _ in range(4)]  # held while they wait
        time.sleep(0.1)
        queued = answer(server.connect(request(body)))[0]
        answers += [answer(made)[0] for made in queue]
        broken = server.connect(request(body[:-5], len(body)))
        time.sleep(0.1)
        broken.close()
        too_large = answer(server.connect(request(b" " * 1500)))[0]
        time.sleep(0.1)
        again = [answer(made)[0] for made in [server.connect(request(body)) for _ in range(4)]]
        return {"fifth": fifth, "answers": answers, "queued": queued, "too large": too_large, "again": again}


def head() -> dict[str, Any]:
    """HEAD, and GET of the same."""
    paths = ["/", "/health", "/model", "/openapi.json", "/docs", "/predict", "/nothing"]
    with running(Limits()) as server:
        found = {}
        for path in paths:
            _, came = closed_after(
                server.connect(f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            )
            found[path] = [server.ask(path, "HEAD")[:2], server.ask(path)[:2], came.partition("\r\n\r\n")[2]]
        return found


def main() -> None:
    """Print what was found."""
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("pyproject.toml").write_text('[project]\nname = "served"\nversion = "1"\n')
        parts = (stop, many_connections, many_files, slow, reading_slowly, bodies, head)
        wanted = sys.argv[1:] or [part.__name__ for part in parts]
        print(json.dumps({part.__name__: part() for part in parts if part.__name__ in wanted}))
        os.chdir("/")


if __name__ == "__main__":
    main()
