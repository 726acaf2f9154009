"""Verification: a run is made again from its record alone, and compared.

The code comes from the recorded commit and patch, in a folder of its own; the data from where the record names it; the
environment is this one, or, if asked, a fresh one from the recorded lock.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..data.raw import content_digest
from ..errors import DataError, RecordError
from ..files import file_digest
from ..runs import command_arguments, quoted
from . import record, source
from .record import what_changed

REPRODUCED, DIFFERS, NOT_TRIED = 0, 1, 2
_AGAIN = Path("outputs/verification")


@dataclass
class Verdict:
    """The result of a verification: an exit code, one line, and the lines that explain it."""

    code: int
    line: str
    explanation: list[str] = field(default_factory=list)


def verify(folder: Path, clean: bool = False) -> Verdict:
    """Train again as the record in `folder` says, and compare bit for bit.

    Args:
        folder: of the run. Only its record and its patch are needed; its trail and model tell more where bits differ.
        clean: build a fresh environment from the recorded lock first.
    """
    try:
        before = finished(folder)
        if before["promise"]["mode"] == "fast":
            raise RecordError("reproducibility=fast promises no bits: compare the metrics instead, with --tolerance")
        with checked_out(before, folder) as project:
            return _compare(before, folder, train_again(before, project, python_for(project, clean)))
    except FailedTraining as error:
        return Verdict(NOT_TRIED, f"could not be tried: {error}", error.changes)
    except RecordError as error:
        return Verdict(NOT_TRIED, f"could not be tried: {error}")


def _compare(before: dict[str, Any], folder: Path, again: Path) -> Verdict:
    after = record.read(again)
    if record.same_result(before, after):
        count = len(before["metrics"])
        line = f"reproduced bit for bit: weights {before['weights_sha256'][:12]}, {count} test metrics, the whole trail"
        return Verdict(REPRODUCED, line, [f"differs, without effect: {item}" for item in what_changed(before, after)])
    from .divergence import compare  # loads torch, which nothing before needs

    divergence = compare(before, after, folder, again)
    return Verdict(DIFFERS, f"differs: {divergence.summary()}", divergence.lines())


def finished(folder: Path) -> dict[str, Any]:
    """Return the record of a finished run that names its code.

    Raises:
        RecordError: the run is not finished, was made outside git, or a file beside the record is not the recorded one.
    """
    found = record.read(folder)
    if found["status"] != "finished":
        raise RecordError(f"{folder} is not finished: python train.py resume={folder} goes on with it")
    if found["git"] is None:
        raise RecordError(f"{folder} was made outside a git repository, so its code is not known")
    for name, key in (("trail.jsonl", "trail_sha256"), ("model.safetensors", "model_sha256")):
        path = folder / name
        if path.exists() and found[key] and file_digest(path) != found[key]:
            raise RecordError(f"{path} is not the file that the record names: it was changed after the run")
    return found


@contextmanager
def checked_out(before: dict[str, Any], folder: Path) -> Iterator[Path]:
    """Yield a temporary folder with the recorded code."""
    with TemporaryDirectory(prefix="verify-") as temporary:
        yield source.check_out(before["git"], folder / source.PATCH, Path(temporary) / "code")


def _places(before: dict[str, Any], project: Path) -> list[str]:
    """Return the arguments that say where the recorded raw data and the run that was built on are."""
    raw = before["config"]["paths"]["raw"]
    arguments = []
    if all(_is_there(Path(raw) / name, digest) for name, digest in before["data"]["raw"].items()):
        arguments.append(f"paths.raw={quoted(Path(raw).resolve())}")
    else:
        _pull(raw, project)  # what DVC does not have either, the training fetches from its source
    if restored := before["restored"]:
        earlier = Path(restored["run"])
        if record.read(earlier)["weights_sha256"] != restored["weights_sha256"]:
            raise RecordError(f"{earlier}, which the run was built on, holds other weights than the record names")
        arguments.append(f"restore.run={quoted(earlier.resolve())}")
    return arguments


def _is_there(path: Path, digest: str) -> bool:
    try:
        return content_digest(path) == digest
    except (OSError, DataError):
        return False


def _pull(raw: str, project: Path) -> None:
    """Fetch the raw files of the recorded commit with DVC, through this project's cache and remote."""
    if not (project / "dvc.lock").exists():
        return
    for name in ("config", "config.local"):
        if Path(".dvc", name).exists() and not (project / ".dvc" / name).exists():
            shutil.copy(Path(".dvc", name), project / ".dvc" / name)
    remotes = [line.split("\t") for line in _dvc(["remote", "list"], Path()).splitlines() if "\t" in line]
    for name, address, *_ in remotes:
        place = address.removesuffix("(default)").strip()
        place = place if "://" in place else str(Path(place).resolve())
        _dvc(["remote", "modify", "--local", name, "url", place], project)
    _dvc(["cache", "dir", "--local", str(Path(".dvc/cache").resolve())], project)
    _dvc(["pull", raw], project)


def _dvc(arguments: list[str], folder: Path) -> str:
    result = subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=folder, capture_output=True, text=True)
    return result.stdout if result.returncode == 0 else ""


def python_for(project: Path, clean: bool) -> str:
    """Return the Python to train with: this one, or that of a fresh environment made from the recorded lock.

    Raises:
        RecordError: the environment cannot be made.
    """
    if not clean:
        return sys.executable
    result = subprocess.run(["make", "setup"], cwd=project, capture_output=True, text=True, env=_outer_environment())
    if result.returncode:
        raise RecordError(f"make setup failed in the checked-out project: {_last_line(result.stderr)}")
    return str(project / ".venv" / "bin" / "python")


class FailedTraining(RecordError):
    """The training could not be repeated; `changes` says which inputs differ, as far as it came to know them."""

    def __init__(self, message: str, changes: list[str]) -> None:
        super().__init__(message)
        self.changes = changes


def train_again(before: dict[str, Any], project: Path, python: str, *more: str) -> Path:
    """Train in the checked-out project as recorded, untracked, and return the folder of the new run.

    Raises:
        FailedTraining: the training fails.
    """
    arguments = [item for item in command_arguments(before, _AGAIN) if not item.startswith(("tracking=", "tracking."))]
    arguments += [*_places(before, project), "tracking=[none]", "resume=null", *more]
    # the pipeline's run folder is fixed
    again = project / (_AGAIN if before["command"]["config"] == "config" else before["config"]["paths"]["run"])
    shutil.rmtree(again, ignore_errors=True)
    command = [python, before["command"]["script"], *arguments]
    result = subprocess.run(command, cwd=project, capture_output=True, text=True, env=_outer_environment())
    if result.returncode:
        begun = (again / record.RECORD).exists()
        changes = [str(change) for change in what_changed(before, record.read(again))] if begun else []
        raise FailedTraining(f"the training failed: {_last_line(result.stderr)}", changes)
    return again


def _outer_environment() -> dict[str, str]:
    """Return the environment without what this process added: the training sets its own pins."""
    return {name: value for name, value in os.environ.items() if name not in ("HYDRA_FULL_ERROR", "PYTHONPATH")}


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it printed nothing"])[-1]
