"""One training of a rehearsal, in a process of its own: it starts without leftovers of another one in Python."""

import csv
import logging
import multiprocessing
import os
import shutil
import signal
import sys
import traceback
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ... import secrets
from ...config.explain import explain
from ...names import CHECKPOINTS, HISTORY, MODEL
from .short import Short

OUTPUT = "output.log"
_HINT = "HYDRA_FULL_ERROR=1 prints the traceback"


@dataclass(frozen=True)
class Training:
    """What to train, and how.

    Args:
        short: its configuration.
        fresh: in a fresh Python process, and not in a copy of this process.
        workers: of the loaders; None: as many as the user gives them.
        interrupted: a copy of the run folder, as a kill left it, that the training resumes from.
        moments: where to copy the run folder to.
        unsaved: whether no resume point is saved.
        filled: whether memory is filled before it is used.
    """

    short: Short
    fresh: bool = False
    workers: int | None = None
    interrupted: Path | None = None
    moments: Path | None = None
    unsaved: bool = False
    filled: bool = False


@dataclass
class Outcome:
    """What came of it: all that has to be equal, as digests and text by the names of their parts.

    Args:
        failed: why the training did not end.
        folder: what is left of the run folder.
        parts: what has to be equal, see `_parts`.
        seen: what the steps began with, see witness.py.
        workers: of the loaders that can have another number.
        streams: classes of what cannot be read by several.
        moments: the copies of the run folder, and what a person calls their moments.
        warnings: that this project has logged.
    """

    failed: str | None = None
    folder: Path = Path()
    parts: dict[str, dict[str, str]] = field(default_factory=dict)
    seen: dict[str, dict[Any, Any]] = field(default_factory=dict)
    workers: list[int] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)
    moments: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def train(training: Training, run: Path, kept: Path) -> Outcome:
    """Train in the folder `run`, which is moved to `kept` without its checkpoints."""
    if training.interrupted is not None:
        training.interrupted.rename(run)
    receiver, sender = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("spawn" if training.fresh or not _can_be_copied(training) else "fork")
    process = context.Process(target=_work, args=(training, run, sender))  # type: ignore[attr-defined]
    process.start()
    sender.close()
    try:
        outcome = _received(receiver, process)
    except BaseException:  # Ctrl-C, say: nothing is left running in the background
        process.kill()
        raise
    shutil.rmtree(run / CHECKPOINTS, ignore_errors=True)
    if run.exists():
        run.rename(kept)
    outcome.folder = kept
    return outcome


def _received(receiver: Connection, process: Any) -> Outcome:
    try:
        outcome: Outcome = receiver.recv()
        process.join()
    except EOFError:
        process.join()
        return Outcome(failed=f"its process ended with exit code {process.exitcode}")
    return outcome


def _can_be_copied(training: Training) -> bool:
    """Whether a copy of this process can train. A GPU cannot be used by it, and hashes have to be as in the others."""
    cpu = training.short.config.trainer["accelerator"] == "cpu"
    return cpu and sys.platform == "linux" and not sys.flags.hash_randomization


def _work(training: Training, run: Path, sender: Connection) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as train.py begins; Lightning sets its own
    run.mkdir(parents=True, exist_ok=True)
    with (run / OUTPUT).open("ab") as output:  # of the progress bar, and of the user's code
        for number in (1, 2):
            os.dup2(output.fileno(), number)
    try:
        outcome = _trained(training, run)
    except (Exception, SystemExit) as error:
        outcome = Outcome(failed=secrets.mask(_said(error)))
    sender.send(outcome)
    sender.close()


def _said(error: BaseException) -> str:
    """Return one sentence, with the last line of the user's own code that ran."""
    if isinstance(error, SystemExit):
        return f"it ended itself with exit code {error.code}"
    assert isinstance(error, Exception)
    frames = traceback.extract_tb(error.__traceback__)
    own = [f"{Path(each.filename).relative_to(Path.cwd())}, line {each.lineno}" for each in frames if _is_own(each)]
    sentence = explain(error, hint="; ".join([*own[-1:], _HINT]))
    return f"{sentence}\n{traceback.format_exc()}" if os.environ.get("HYDRA_FULL_ERROR") == "1" else sentence


def _is_own(frame: traceback.FrameSummary) -> bool:
    path, ours = Path(frame.filename), Path(__file__).parents[2]
    return path.is_relative_to(Path.cwd()) and not path.is_relative_to(ours) and ".venv" not in path.parts


class _Warnings(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(secrets.mask(record.getMessage()))


def _trained(training: Training, run: Path) -> Outcome:
    """Do what train.py does, without a record and trackers."""
    from lightning.pytorch.loggers.logger import DummyLogger

    from ...evaluation.measure import evaluate
    from ...models.saved import save_model
    from ...tasks.build import build, description
    from ...training.determinism import apply
    from ...training.final import end_with
    from ...training.lean_steps import LeanSteps
    from ...training.restore import restore
    from ...training.resume import ResumePoint, latest_valid
    from ...training.trainer import build_trainer
    from .content import parts
    from .witness import Interruptions, Moments, Witness
    from .workers import Workers

    said = _Warnings()
    logging.getLogger(__name__.partition(".")[0]).addHandler(said)
    config, settings = training.short.config, training.short.settings
    apply(config.reproducibility)
    data, model = build(config)
    workers = Workers(training.workers)
    for source in (data, model):
        workers.watch(source)
    trainer = build_trainer(config, settings)
    if training.short.tracked:
        trainer.loggers = [DummyLogger()]  # for callbacks that ask for one
    witness, moments = Witness(data), Moments(training.moments or run)
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    for each in callbacks:
        if isinstance(each, LeanSteps):
            each.fill_memory = training.filled
    if training.unsaved:
        callbacks[:] = [each for each in callbacks if not isinstance(each, ResumePoint)]
    callbacks.append(witness)  # last: what an interrupted training has left is set when a batch begins
    if training.moments is not None:
        callbacks.append(Interruptions(run, moments))
    point = latest_valid(run / CHECKPOINTS)
    trainer.fit(model, data, ckpt_path=restore(point, config.restore, model, trainer))
    found = _parts(trainer, model, run)
    end_with(trainer, model, config.training.final_weights)
    if config.training.final_weights != "last":
        found["final weights"] = dict(parts(model.state_dict()))
    save_model(model, description(settings, data), run / MODEL)
    found["test metrics"] = {name: repr(value) for name, value in evaluate(trainer, model, data).recorded().items()}
    seen = asdict(witness.seen)
    return Outcome(None, run, found, seen, workers.found, workers.streams, moments.named, said.said)


def _parts(trainer: Any, model: Any, run: Path) -> dict[str, dict[str, str]]:
    """Return what has to be equal after a training."""
    from .content import parts

    optimizers = {f"optimizer {number}": each.state_dict() for number, each in enumerate(trainer.optimizers)}
    schedulers = [each.scheduler.state_dict() for each in trainer.lr_scheduler_configs]
    rows = list(csv.DictReader((run / HISTORY).open(encoding="utf-8", newline="")))
    return {
        "weights": dict(parts(model.state_dict())),
        "optimizer states": dict(parts(optimizers)),
        "scheduler states": dict(parts({f"scheduler {number}": each for number, each in enumerate(schedulers)})),
        "epoch metrics": {f"{name} of epoch {row['epoch']}": row[name] for row in rows for name in row},
    }
