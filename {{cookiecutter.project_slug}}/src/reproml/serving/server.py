"""The process: it listens, waits for a run if asked to, and stops when told to."""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from starlette.responses import JSONResponse

from ..errors import ConfigError, UserError
from . import logs
from .connections import limited
from .limits import Limits
from .predictor import Predictor, read
from .stopping import Stopping

log = logging.getLogger(__name__)

_LOOK_EVERY = 1.0  # seconds
_QUEUE = 2048  # connections that the operating system accepts on its own, until the event loop takes them
_GONE_WITHIN = 8.5  # seconds from the signal on; `docker stop` kills after ten


def serve(run: Path, host: str, port: int, wait: bool, limits: Limits) -> None:
    """Answer requests until SIGTERM or SIGINT; requests in progress are finished first, as far as there is time.

    Args:
        run: folder of the run.
        host: address to listen on.
        port: likewise; 0: a free one, which is printed.
        wait: listen at once, and load the run when it is finished.
        limits: of requests and connections.

    Raises:
        UserError: the address is not available, or the run cannot be loaded.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))  # uvicorn raises the signal again when it has finished
    logs.configure()

    def load() -> Any:
        from .app import build_app

        return build_app(Predictor(run), limits)

    with _bind(host, port) as listener:  # before the model is loaded
        app = Waiting(run, load) if wait else load()
        server = Server(app, limits, stopped=_leave_in_time)
        listener.listen()  # from here on clients wait instead of being refused
        name = f"[{host}]" if ":" in host else host
        print(f"serving {run} on http://{name}:{listener.getsockname()[1]}", flush=True)
        try:
            server.run(sockets=[listener])
        finally:
            if isinstance(app, Waiting):
                app.stop()


class Server(uvicorn.Server):
    """uvicorn with limits of connections, and an answer for each request that is there when it stops.

    Args:
        app: the application (ASGI).
        limits: of connections, and of the time to finish.
        stopped: called when it is told to stop.
    """

    def __init__(self, app: Any, limits: Limits, stopped: Callable[[], None] = lambda: None) -> None:
        self._limits, self._stopped, self._stopping = limits, stopped, Stopping(app)
        config = uvicorn.Config(
            logs.RequestLog(self._stopping),
            http=limited(limits),
            ws="none",  # its connections would be others than those of `http`
            backlog=limits.backlog,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=int(limits.finish_within) + 1,  # then every request has its answer
        )
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin. As many connections wait at the socket as ever, though few of them are accepted at once."""
        await super().startup(sockets)
        for listener in sockets or []:
            listener.listen(_QUEUE)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connection, and answer what is there."""
        self._stopped()
        self._stopping.after(self._limits.finish_within)
        await super().shutdown(sockets)


def _leave_in_time() -> None:
    """End the process after a while: a network that computes in a thread cannot be interrupted otherwise."""
    timer = threading.Timer(_GONE_WITHIN, os._exit, [0])
    timer.daemon = True
    timer.start()


class Waiting:
    """Answers 503 until there is a finished run, and then what the loaded application answers.

    Args:
        run: folder of the run.
        load: returns the application.
    """

    def __init__(self, run: Path, load: Callable[[], Any]) -> None:
        self._run, self._load = run, load
        self._app: Any = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request (ASGI)."""
        if self._app is not None:
            await self._app(scope, receive, send)
        elif scope["path"] == "/health":
            await JSONResponse({"status": "waiting"}, 503)(scope, receive, send)
        else:
            await JSONResponse({"detail": "there is no finished run yet"}, 503, {"Retry-After": "1"})(
                scope, receive, send
            )

    def stop(self) -> None:
        """Look no longer."""
        self._stopped.set()
        self._thread.join()

    def _look(self) -> None:
        said = ""
        while not self._stopped.is_set():
            try:
                read(self._run)  # before torch and everything else is imported
                self._app = self._load()
                log.info("loaded %s", self._run)
                return
            except Exception as error:  # record and model may arrive one after the other
                if str(error) != said:
                    said = str(error)
                    log.info("waiting: %s", said, exc_info=not isinstance(error, UserError))
            self._stopped.wait(_LOOK_EVERY)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small parts at once only where the protocol is named; else an answer waits 40 ms for its second part
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"--host {host} --port {port} is not available ({error.strerror}): choose another, such as --port 0"
        ) from error
    return listener
