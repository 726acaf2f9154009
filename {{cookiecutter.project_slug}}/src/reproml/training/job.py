"""A job of a cluster: it finds its run again, and is queued again when it is told to stop.

A handler only notes the signal. `ResumePoint` asks for it at the end of a batch, saves, and ends the run by `leave`.
"""

import logging
import signal
import subprocess
from enum import IntEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from ..config.schema import Config
from ..errors import TrainingError
from ..launch import check_processes, in_job_step, restarts, slurm_job
from ..runs.code import at_start
from ..runs.command import run_of_this_job

if TYPE_CHECKING:  # a job listens to signals before torch is loaded
    from lightning import Trainer

log = logging.getLogger(__name__)

TRY_AGAIN = 75  # exit code, EX_TEMPFAIL of sysexits.h


class Due(IntEnum):
    """What a training has to do next. Of several processes, the one that has to do most decides for all."""

    NOTHING = 0
    SAVE = 1
    END = 2  # by SIGTERM
    REQUEUE = 3  # by a signal before the time is up


_told = Due.NOTHING
_submitit: Any = None  # its handler, which submits the same call again


def start_job(config: Config) -> None:
    """Note from now on when the job is told to stop, and have a job that was started again resume its run.

    It is called before torch is imported, because such a signal ends a process that has no handler. The digests of the
    code are taken here too, because what is imported later may have been edited by then.

    Raises:
        ConfigError: other processes were started than the configuration speaks of.
    """
    at_start()
    check_processes(config)
    if slurm_job():
        _listen_to_slurm()
    config.resume = config.resume or run_of_this_job(Path(config.paths.run))


def _listen_to_slurm() -> None:
    """Note the signals that come some time before the job has to end: USR1, and USR2 in jobs of submitit."""
    global _submitit
    signal.signal(signal.SIGUSR1, _note)
    handler = signal.getsignal(signal.SIGUSR2)
    if callable(handler) and handler is not _note:
        _submitit = handler
        signal.signal(signal.SIGUSR2, _note)


def listen_to_sigterm(processes: int) -> None:
    """Note SIGTERM too, in the training of a Slurm job, and of several processes anywhere.

    They have to leave the loop at the same batch: Lightning's own handler would send a message between two that the
    others expect. A process that works for itself keeps that one.
    """
    if processes > 1 or slurm_job():
        signal.signal(signal.SIGTERM, _note)


def note_sigterm() -> None:
    """Note that SIGTERM has come to a process that works for itself."""
    _note(signal.SIGTERM, None)


def told() -> Due:
    """Return what the signals so far have told this process."""
    return _told


def check_restarts(most: int) -> None:
    """Stop a job that was started again too often: something else than its time may be wrong.

    Raises:
        TrainingError: Slurm has started it again more than `most` times.
    """
    if slurm_job() and restarts() > most:
        raise TrainingError(_too_often(most))


def leave(due: Due, trainer: "Trainer", most: int, folder: str) -> None:
    """End a run that is saved. All processes call it at the same batch; the first puts the job into the queue.

    Args:
        due: END or REQUEUE.
        trainer: whose processes wait for the first, because Slurm ends a job when one of them ends.
        most: how often a job may be started again.
        folder: of the run.

    Raises:
        SystemExit: always, but for the errors below: with 75 where the job is queued again, with 143 after SIGTERM.
        TrainingError: the job was started again so often already, or Slurm refuses.
    """
    from lightning.pytorch.utilities.exceptions import SIGTERMException  # loads torch

    again = trainer.strategy.broadcast(due == Due.REQUEUE or _is_preempted())
    if not again:
        raise SIGTERMException
    if _submitit is None and restarts() >= most:
        raise TrainingError(_too_often(most))
    if trainer.is_global_zero:
        log.info("saved before job %s has to end: it is queued again, and resumes from here", slurm_job())
        if _submitit is not None:
            _submitit(signal.SIGUSR2, None)
        _requeue(folder)
    trainer.strategy.barrier()
    raise SystemExit(TRY_AGAIN)


def _is_preempted() -> bool:
    """Whether SIGTERM came from Slurm to have the job make room, and not to end it: then it is no longer running.

    To a run by hand in a job, Slurm sends none: someone else did.
    """
    if not in_job_step() and _submitit is None:
        return False
    try:
        command = ["scontrol", "-o", "show", "job", str(slurm_job())]
        return " JobState=RUNNING " in subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return False


def _requeue(folder: str) -> None:
    """Put the job into the queue again, which ends it."""
    try:
        subprocess.run(["scontrol", "requeue", str(slurm_job())], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", "").strip() or error
        raise TrainingError(
            f"job {slurm_job()} cannot be queued again ({reason}): submit another one with resume={folder}"
        ) from error


def _too_often(most: int) -> str:
    return (
        f"job {slurm_job()} was started again {restarts()} times, which callbacks.resume_point.max_restarts={most} "
        "limits: look into its log, then resume it in a new job with resume=<run>"
    )


def _note(number: int, frame: FrameType | None) -> None:
    global _told
    _told = max(_told, Due.END if number == signal.SIGTERM else Due.REQUEUE)
