"""Commands of the project in forks of one process, which has imported the heavy packages once.

To import them takes longer than a short training. `python tests/forked.py` reads requests of `Forked` line by line.
"""

import gc
import importlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HEAVY = ("lightning.pytorch", "torchmetrics", "sklearn.metrics", "matplotlib.pyplot", "rich.logging")


class Forked:
    """The process, and what is asked of it."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        """Start it with the environment variables that torch and Python read when they are loaded."""
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env={**os.environ, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, arguments: list[str], folder: Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run `python ARGUMENT...` in a folder, with more variables, and wait for its end."""
        assert self._process.stdin and self._process.stdout
        with tempfile.TemporaryDirectory() as place:
            request = {"arguments": arguments, "folder": str(folder), "variables": dict(variables), "place": place}
            print(json.dumps(request), file=self._process.stdin, flush=True)
            code = int(self._process.stdout.readline())
            said = [(Path(place) / name).read_text() for name in ("output", "errors")]
        return subprocess.CompletedProcess(arguments, code, *said)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def _become(arguments: list[str], folder: str, variables: dict[str, str], place: str) -> None:
    """Be the command `python ARGUMENT...`, up to its end."""
    for number, name in enumerate((os.devnull, f"{place}/output", f"{place}/errors")):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT), number)
    os.chdir(folder)
    os.environ.update(variables)
    sys.argv[:], sys.orig_argv[:] = arguments, [sys.executable, *arguments]
    if arguments[0] == "-m":
        sys.path[0] = "src"
        sys.argv[:] = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = folder
        runpy.run_path(arguments[0], run_name="__main__")


def _next() -> dict[str, Any] | None:
    """Fork for each request; return it in the fork, and None in the process itself after the last one."""
    while line := sys.stdin.readline():
        process = os.fork()
        if not process:
            return dict(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
    return None


if __name__ == "__main__":
    for module in HEAVY:
        importlib.import_module(module)
    gc.freeze()  # what is here already is not gone through again at the end of each fork
    if (request := _next()) is not None:
        _become(**request)
