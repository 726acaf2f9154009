"""The command line of a run: what an interrupted one resumes with, and which folder a new one gets."""

import errno
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from filelock import FileLock, Timeout
from hydra.core.override_parser.types import Sweep

from ..config.arguments import Arguments, read
from ..errors import ConfigError
from ..launch import in_job_step, launcher, rank, restarts, shared_folder, started_by_lightning
from ..names import HYDRA, PIPELINE
from . import record as records
from . import tracked
from .folder import RunFolder, Status, newest, remove_resume_points

_OF_A_SWEEP = "multirun.yaml"  # which Hydra writes
_ONE_RUN = "hydra.mode=RUN"  # one run of a sweep, not the sweep
_SWEEP = "start it as one process, outside of a job; with -m hydra/launcher=slurm, each of its runs becomes one"


def with_recorded_overrides(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command, with `resume=RUN` replaced by the arguments that RUN was started with.

    Exits with 0 where the run is finished already.

    Raises:
        ConfigError: RUN was not made by train.py, or other settings are given as well.
    """
    given = read(arguments)
    # processes that Lightning starts are given the replaced arguments again
    if _ONE_RUN in arguments or started_by_lightning():
        return given.flags_first()
    folder = given.value("resume")
    if folder in (None, "", "auto"):
        return [*_in_shared_folder(given), *_of_this_process()]
    if isinstance(folder, Sweep):
        raise ConfigError("resume=... names several runs: resume one after the other")
    if others := given.others("resume"):
        raise ConfigError(
            f"resume={folder} resumes with the run's own settings: leave {others[0]} out, or start another run: "
            f"restore=continue restore.run={folder} {others[0]}"
        )
    run = RunFolder(str(folder))  # whatever was given: a list, say
    if run.status() is Status.NONE:
        unfinished = newest(Status.RUNNING)
        hint = (
            f"the newest that is not finished is resume={unfinished}"
            if unfinished
            else "none under outputs/ is unfinished"
        )
        raise ConfigError(f"resume={folder} is not the folder of a run; {hint}")
    record = records.read(run.path)
    if record["status"] == "finished":
        _leave_finished(run)
    return [*given.flags, *command_arguments(record, folder), f"resume={quoted(folder)}", *_of_this_process()]


def _in_shared_folder(given: Arguments) -> list[str]:
    """Return the arguments, with the folder that the processes of a job have in common where none is given.

    Raises:
        ConfigError: a sweep was started several times at once, or in a job that would start it over.
    """
    sweeps = ["-m"] if given.options.multirun else []
    sweeps += [f"sweep={given.value('sweep')}"] if given.value("sweep") is not None else []
    if launcher() and sweeps:
        raise ConfigError(f"{sweeps[0]} is a sweep, which {launcher()} starts once for each process: {_SWEEP}")
    if in_job_step() and sweeps:
        raise ConfigError(f"{sweeps[0]} is a sweep, which a job would start over when it is queued again: {_SWEEP}")
    placed = given.options.config_name is not None or given.value("hydra.run.dir") is not None
    folder = None if placed or sweeps else shared_folder()
    return [*given.flags_first(), *([f"hydra.run.dir={quoted(folder)}"] if folder else [])]


def _of_this_process() -> list[str]:
    """Return the arguments that keep the processes behind the first from its files; Lightning's are given them, too."""
    return [f"hydra.job.name=train_ddp_process_{rank()}", "hydra.output_subdir=null"] if launcher() and rank() else []


def run_of_this_job(folder: Path) -> str | None:
    """Return the run that a job resumes by itself when it was started again, or None.

    Exits with 0 where that run is finished.
    """
    run = RunFolder(folder)
    if not restarts() or not run.record.exists():
        return None
    if run.status() is Status.FINISHED:
        _leave_finished(run)
    return str(folder)


def refuse_place(folder: Path) -> None:
    """Refuse a folder for a new run, before Hydra writes into it. Only the first process of a first start can tell.

    Raises:
        ConfigError: no folder can have this name, there is a run in it, or nothing can be created there.
    """
    if rank() or restarts():
        return
    RunFolder(folder).refuse_used()
    there = next((path for path in (folder, *folder.parents) if os.path.lexists(path)), Path())
    if not there.is_dir():
        raise ConfigError(
            f"{folder} cannot be the folder of a run, since {there} is no folder: choose another one, such as "
            "hydra.run.dir=outputs/first"
        )
    try:
        with TemporaryDirectory(dir=there):  # as root, only an attempt tells
            pass
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ConfigError(
            f"{folder} cannot be the folder of a run, since nothing can be created in {there} ({error.strerror}): "
            "choose another one, such as hydra.run.dir=outputs/first"
        ) from error


def _leave_finished(run: RunFolder) -> NoReturn:
    """Exit with 0, and say what trackers lack of the run. What a kill after its end left there is removed."""
    folder = run.path
    # where the process that trained is still at work, it removes them itself
    with suppress(Timeout, OSError), FileLock(run.lock, timeout=0):
        run.clear()
        remove_resume_points(run.checkpoints)
    if missed := tracked.missed(folder):
        who = " and ".join(missed)
        lacks = "lacks" if len(missed) == 1 else "lack"
        print(f"{folder} is finished, but {who} {lacks} something of it: python -m reproml sync {folder} sends it")
    else:
        print(f"{folder} is finished: there is nothing left to do")
    raise SystemExit(0)


def discard_unbegun(folder: Path) -> None:
    """Remove the folder that Hydra made for a run that was refused before its training began.

    A folder that holds anything else stays, and so does the folder of a command that is not a run.
    """
    if rank() or not (folder / HYDRA).is_dir():
        return
    if all(path.name == HYDRA or path.name.endswith((".log", ".log.jsonl")) for path in folder.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)
        if [path.name for path in folder.parent.iterdir()] == [_OF_A_SWEEP]:  # it was the first run
            (folder.parent / _OF_A_SWEEP).unlink()
        with suppress(OSError):  # it holds other runs
            folder.parent.rmdir()


def command_arguments(record: dict[str, Any], folder: str | Path) -> list[str]:
    """Return the arguments of the recorded command, with `folder` as its run folder unless the pipeline fixes that."""
    command = record["command"]
    keys = () if command["config"] == PIPELINE else ("hydra.run.dir", "paths.run")
    place = [f"{key}={quoted(folder)}" for key in keys]
    return ["--config-name", command["config"], *command["overrides"], *place, _ONE_RUN]


def quoted(value: str | Path) -> str:
    """Return a value, with any characters, that Hydra reads as one text."""
    escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
