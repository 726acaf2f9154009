"""Commands of projects in processes that need not import torch and lightning first, see preload_server.py.

A test that is about a start, an import, a thread or a variable of the environment runs its command plainly.
"""

import atexit
import json
import os
import re
import select
import shlex
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_SERVER = Path(__file__).with_name("preload_server.py")
_PYTHON = Path(__file__).with_name("preloaded_python.py")
_SIMPLE = re.compile(r"python ((train|evaluate)\.py|-m (my_project|reproml))( |$)")
_OF_THE_SHELL = re.compile(r"[|&;<>()$`*?{\n\\]|(^|\s)#")  # in what is not quoted
_STARTS_PYTHON = re.compile(r"\b(python|make|dvc)\b")
_PINNED = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}  # by strict
_ONE_THREAD = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}  # pyarrow's allocator would have one of its own
_PINNED_OTHERWISE = re.compile(r"\b(reproducibility|threads)\b")
# What Python, C libraries and torch read when they start or are imported; PYTHONPATH is read for them, and MLflow asks
# for the address of a server when it is used. Torch and lightning set the other two for the processes that they start.
_READ_EARLY = re.compile(
    r"(PYTHON(?!PATH$)|LD_|OMP_|MKL_|ATEN_|ONEDNN_|TORCH(?!INDUCTOR_CACHE_DIR$)|CUDA|CUBLAS|"
    r"PYTORCH(?!_NVML_BASED_CUDA_CHECK$)|MPL|MLFLOW_(?!TRACKING_URI$|HTTP_))\w*"
)
_NEVER_GIVEN = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")  # to what a test starts
_AT_START = {name: value for name, value in os.environ.items() if name not in {*_PINNED, *_NEVER_GIVEN}}
wanted = False  # by the tests of a file with the mark `preloaded`
_servers: dict[Path, "_Server"] = {}


def simple(command: str) -> list[str] | None:
    """Return the arguments of a plain `python train.py ...`, or None where the shell has more to do.

    A command with other settings than strict's, which torch reads when it is imported, is not simple either.
    """
    if not _SIMPLE.match(command) or _PINNED_OTHERWISE.search(command):
        return None
    if _OF_THE_SHELL.search(re.sub(r"'[^']*'|\"[^\"$`\\]*\"", "", command)):
        return None
    return shlex.split(command)[1:]


def suits(folder: Path, environment: Mapping[str, str]) -> bool:
    """Return whether a preloaded process in a project is wanted, and can have an environment.

    It cannot where another Python is meant, or where a variable differs that is read before the fork.
    """
    if not wanted:
        return False
    python = folder / ".venv" / "bin" / "python"
    changed = {name for name, _ in environment.items() ^ _AT_START.items()}
    first = environment.get("PATH", "").partition(":")[0]
    return python.exists() and first == str(python.parent) and not any(map(_READ_EARLY.fullmatch, changed))


def in_shell(command: str, folder: Path, environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment of a command line in which a project's scripts and modules run preloaded, if that suits.

    The stages of DVC have it from the shell. A project's Makefile sets PATH, and what is given to make comes first.
    """
    if not _STARTS_PYTHON.search(command) or not suits(folder, environment):
        return environment
    path = f"{_server(folder).tools}:{environment['PATH']}"
    return {**environment, "PATH": path, "MAKEFLAGS": "PATH=" + path.replace("$", "$$").replace(" ", r"\ ")}


def used() -> float:
    """Return the seconds of all processors that the processes which have ended have used."""
    return sum(server.used + server.used_by_shells() for server in _servers.values())


class Process:
    """A command that has been started, as subprocess.Popen shows one: `pid` is that of its own process."""

    def __init__(self, arguments: list[str], folder: Path, environment: Mapping[str, str], group: bool = False) -> None:
        self.returncode: int | None = None
        self._server = _server(folder)
        self._said = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115 (open as long as this is)
        request = {
            "arguments": arguments,
            "folder": str(folder),
            "environment": dict(environment),
            "group": group,
        }
        self._answers = self._server.start(request, [file.fileno() for file in self._said])
        self.pid = int(self._answers.readline())

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        if self.returncode is None and select.select([self._answers], [], [], 0)[0]:
            self._end()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end of the process and return its exit code.

        Raises:
            subprocess.TimeoutExpired: it has not ended in so many seconds.
        """
        if self.returncode is None:
            if not select.select([self._answers], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            self._end()
        assert self.returncode is not None
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for the end, and return what was printed and the errors."""
        self.wait(timeout)
        return self.said()

    def said(self) -> tuple[str, str]:
        """Return what has been printed so far, and the errors."""
        output, errors = (os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0) for file in self._said)
        return output.decode(), errors.decode()

    def send_signal(self, number: int) -> None:
        """Send the process a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def _end(self) -> None:
        with self._answers:
            code, seconds = self._answers.readline().split()
        self._server.used += float(seconds)
        self.returncode = int(code)


def _server(folder: Path) -> "_Server":
    """Return the server of the environment of a project."""
    home = (folder / ".venv").resolve()
    if home not in _servers:
        _servers[home] = _Server(home)
    return _servers[home]


class _Server:
    """The server of an environment. It ends with the process that has started it, however that ends."""

    def __init__(self, home: Path) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self._folder = tempfile.TemporaryDirectory(prefix="preloaded-")
        self.tools = Path(self._folder.name)  # with a `python` for shells and the stages of DVC
        asked, python = self.tools / "socket", home / "bin" / "python"
        text = _PYTHON.read_text().replace("@SOCKET@", str(asked)).replace("@PYTHON@", str(python))
        early = {name: value for name, value in _AT_START.items() if _READ_EARLY.fullmatch(name)}
        text = text.replace("@PINNED_OTHERWISE@", _PINNED_OTHERWISE.pattern).replace("@AT_START@", json.dumps(early))
        text = text.replace("@READ_EARLY@", _READ_EARLY.pattern)
        (self.tools / "python").write_text(f"#!{python} -IS\n{text}")
        (self.tools / "python").chmod(0o755)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(str(asked))
        listener.listen()
        with theirs, listener:
            self._process = subprocess.Popen(
                [python, _SERVER, str(theirs.fileno()), str(listener.fileno()), self.tools / "python"],
                env={**_AT_START, **_PINNED, **_ONE_THREAD, "PYTHONHASHSEED": "0"},
                pass_fds=[theirs.fileno(), listener.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the tests
            )
        self._requests = ours
        self.used = 0.0  # seconds of processors, by the processes that have ended
        atexit.register(self.stop)

    def start(self, request: dict[str, Any], said: list[int]) -> Any:
        """Have a process forked; return the file from which its number, and then its end can be read."""
        answers, write = os.pipe()
        try:
            with Path(os.devnull).open() as nothing:
                message = json.dumps(request).encode()
                socket.send_fds(self._requests, [message], [nothing.fileno(), *said, write])
        finally:
            os.close(write)
        return os.fdopen(answers, buffering=1)

    def used_by_shells(self) -> float:
        """Return the seconds of processors that the commands of shells and of DVC's stages have used."""
        noted = self.tools / "used"
        return sum(map(float, noted.read_text().split())) if noted.exists() else 0.0

    def stop(self) -> None:
        """Let the server end, and wait for that."""
        self._requests.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()
