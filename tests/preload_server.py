"""A Python process that has imported the heavy packages once, and forks a process for each command that it is sent.

It runs with the Python of a project's own environment, see preloaded.py. A fork becomes what `python train.py ...` or
`python -m package ...` is: the interpreter's own start of a script or a module, its own exit code, signals and output.
Nothing of a project is imported before the fork. What the heavy packages have brought is hidden again: it comes back
when the command imports it, so `"torch" in sys.modules` and what is checked before torch is imported are as ever.
"""

import gc
import importlib
import json
import logging
import os
import runpy
import selectors
import signal
import socket
import sys
import types
from collections.abc import Sequence
from contextlib import suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path

HEAVY = (
    "hydra.main",
    "hydra.experimental.callback",
    "omegaconf",
    "numpy",
    "torch",
    "torch.utils.data",
    "torchmetrics",
    "lightning.pytorch",
    "lightning.pytorch.loggers",
    "safetensors.torch",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    "sklearn.metrics",
    "mlflow",
    "optuna",
    "rich.logging",
    "jinja2",
    "fastapi",
    "uvicorn",
    "mlcroissant",
    "rocrate.rocrate",
)
FIXED = ("train.py", "evaluate.py")  # start Python again with a fixed hash seed, unless it has one
TRAINING = ("verify", "drift", "tune")  # commands that start `train.py` with the Python that runs them
MESSAGE = 1 << 20  # bytes that a command and its environment may have


class Hidden(MetaPathFinder, Loader):
    """Gives back packages that are imported already, when they are imported again."""

    def __init__(self) -> None:
        self._modules: dict[str, dict[str, types.ModuleType]] = {}  # by the first part of their names
        self._variables: dict[str, dict[str, str]] = {}  # that an import has set

    def load(self, names: Sequence[str]) -> None:
        """Import what is installed of these modules, and hide all that came with them except the standard library."""
        before = set(sys.modules)
        nobody = logging.NullHandler()  # lightning adds a handler of its own where there is none
        logging.getLogger().addHandler(nobody)
        for name in names:
            variables = dict(os.environ)
            try:
                importlib.import_module(name)
            except ModuleNotFoundError:  # of another tracker
                continue
            changed = {key: value for key, value in os.environ.items() if variables.get(key) != value}
            self._variables.setdefault(name.partition(".")[0], {}).update(changed)
        logging.getLogger().removeHandler(nobody)
        for name in set(sys.modules) - before:
            top = name.partition(".")[0]
            # what is not a package, such as a module that an extension has made, stays where it is
            if top not in sys.stdlib_module_names and getattr(sys.modules.get(top), "__spec__", None):
                self._modules.setdefault(top, {})[name] = sys.modules[name]
        for modules in self._modules.values():
            for name in modules:
                del sys.modules[name]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a hidden package; looking for it does not bring it back."""
        if fullname not in self._modules:
            return None
        known = self._modules[fullname][fullname].__spec__
        assert known is not None
        spec = ModuleSpec(fullname, self, origin=known.origin)
        spec.submodule_search_locations = known.submodule_search_locations
        spec.has_location = known.has_location
        return spec

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        """Bring a package and its modules back, with what its import does to a process besides."""
        modules = self._modules.pop(spec.name)
        module = modules[spec.name]
        self._own = (module.__spec__, module.__loader__)
        sys.modules.update(modules)
        os.environ.update(self._variables.get(spec.name, {}))
        if spec.name == "numpy":  # draws a seed when it is imported, as torch does: each process has another
            module.random.seed()
        if spec.name == "torch":
            module.default_generator.seed()
        if spec.name == "lightning" and not logging.getLogger().hasHandlers():
            for name in ("lightning.fabric", "lightning.pytorch"):
                logging.getLogger(name).addHandler(logging.StreamHandler())
                logging.getLogger(name).propagate = False
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Leave the module as it is."""
        module.__spec__, module.__loader__ = self._own


def serve(requests: socket.socket, listener: socket.socket) -> dict | None:
    """Fork a process for each request. Returns what to run in such a process, and None when nobody is left to ask.

    Args:
        requests: the tests ask here, with the files 0, 1 and 2 of the process, and one for the answers.
        listener: preloaded_python.py connects here, sends its own files, and gets the answers on the same connection.
    """
    selector = selectors.DefaultSelector()
    selector.register(requests, selectors.EVENT_READ)
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.data:  # a process has ended
                pid, answers = key.data
                _, status, usage = os.wait4(pid, 0)
                selector.unregister(key.fd)
                os.close(key.fd)
                seconds = usage.ru_utime + usage.ru_stime  # its own, and those of the processes that it waited for
                _answer(answers, f"{os.waitstatus_to_exitcode(status)} {seconds}")
                os.close(answers)
                continue
            if key.fileobj is listener:
                connection, _ = listener.accept()
                message, files, _, _ = socket.recv_fds(connection, MESSAGE, 3)
                files.append(connection.detach())
            else:
                message, files, _, _ = socket.recv_fds(requests, MESSAGE, 4)
            if not message:
                return None
            assert len(list(Path("/proc/self/task").iterdir())) == 1, "a fork would lack a thread"
            command = dict(json.loads(message))
            pid = os.fork()
            if command["group"]:
                os.setpgid(pid, pid)  # before its number is told
            if not pid:
                for each in list(selector.get_map().values()):  # of the other processes
                    os.close(each.fd)
                    if each.data:
                        os.close(each.data[1])
                selector.close()
                requests.detach()
                listener.detach()
                os.close(files[3])
                for number, file in enumerate(files[:3]):
                    os.dup2(file, number)
                    os.close(file)
                return command
            for file in files[:3]:
                os.close(file)
            _answer(files[3], str(pid))
            selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, files[3]))


def _answer(file: int, line: str) -> None:
    with suppress(BrokenPipeError):  # nobody waits for this process any more
        os.write(file, f"{line}\n".encode())


def become(command: dict, python: str) -> None:
    """Be the process `python ARGUMENTS` in the folder and the environment of the command, up to its end.

    Args:
        command: as it was sent.
        python: the one of preloaded_python.py, so that the trainings that a command starts are forked too.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["environment"])
    os.environ["PWD"] = command["folder"]  # as a shell does
    if given := os.environ.get("PYTHONPATH"):
        sys.path[:0] = [str(Path.cwd() / place) for place in given.split(":")]
    sys.path.insert(0, str(Path.cwd()))
    arguments = command["arguments"]
    sys.argv[:], sys.orig_argv[:] = arguments, ["python", *arguments]
    if arguments[0] == "-m":
        if arguments[2:3] and arguments[2] in TRAINING and "--ray" not in arguments:
            sys.executable = python
        sys.argv[:] = ["-m", *arguments[2:]]
        runpy._run_module_as_main(arguments[1])  # type: ignore[attr-defined]  # what the interpreter itself calls
        return
    if arguments[0] in FIXED:
        os.environ.setdefault("PYTHONHASHSEED", "0")  # with which this process was started, and they insist on it
    script = Path.cwd() / arguments[0]
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=str(script), __builtins__=__builtins__, __annotations__={}, __cached__=None)
    main.__dict__.update(__loader__=SourceFileLoader("__main__", str(script)))
    sys.modules["__main__"] = main
    exec(compile(script.read_bytes(), script, "exec"), main.__dict__)


if __name__ == "__main__":
    asking = socket.socket(fileno=int(sys.argv[1]))
    listening = socket.socket(fileno=int(sys.argv[2]))
    preloading = sys.argv[3]
    sys.path.pop(0)  # the folder of this file
    hidden = Hidden()
    hidden.load(HEAVY)
    sys.meta_path.insert(0, hidden)
    gc.freeze()  # no pages are copied only to count references
    if (asked := serve(asking, listening)) is not None:
        become(asked, preloading)
