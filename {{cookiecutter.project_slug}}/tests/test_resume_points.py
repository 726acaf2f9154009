"""When resume points are saved, how many are kept, and how a signal ends a run, in trainings of one process."""

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import nn
from torch.utils.data import DataLoader

from reproml.errors import ConfigError, TrainingError
from reproml.runs.folder import resume_points
from reproml.training import job, resume
from reproml.training.callbacks import Reentry
from reproml.training.checkpoint import AtomicCheckpointIO
from reproml.training.resume import ResumePoint, batches_of

LOOK = 10  # batches after which it looks whether it is time


@pytest.fixture(autouse=True)
def _default_signal() -> Iterator[None]:
    """Leave SIGTERM to Lightning, as in a new process: another test may have left a handler here, which comes first."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


class Line(LightningModule):
    """One weight, and an attribute that a checkpoint may not be able to hold."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.held: Any = None

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return self.layer(batch).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class At(Callback):
    """Does something before some batches, and notes which resume points were there before each."""

    def __init__(self, folder: Path, does: dict[int, Any]) -> None:
        self.folder, self.does, self.batches = folder, does, 0
        self.seen: list[int] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.seen += sorted({batches_of(path) for path in resume_points(self.folder)} - {*self.seen})
        self.batches += 1
        self.does.get(self.batches, lambda model: None)(pl_module)


def saved(
    folder: Path, batches: int, epochs: int = 1, every_seconds: float = 0, does: Any = None, accumulate: int = 1
) -> list[int]:
    """Train, and return the batches after which a point was saved, including those that were removed since."""
    at = At(folder, does or {})
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        accumulate_grad_batches=accumulate,
        callbacks=[Reentry(), at, ResumePoint(str(folder), every_seconds, max_restarts=2)],
        plugins=[AtomicCheckpointIO({}), LightningEnvironment()],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    try:
        trainer.fit(Line(), DataLoader([torch.ones(1)] * batches))  # type: ignore[arg-type]  # a list is a dataset too
    except (SIGTERMException, SystemExit):
        assert does, "nothing was to end it"
    return sorted({*at.seen, *map(batches_of, resume_points(folder))})


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "_told", job.Due.NOTHING)


def timed(monkeypatch: pytest.MonkeyPatch, of_a_save: float) -> None:
    """Have a step take a second, and a save so many."""
    clock = [1000.0]

    def after(seconds: float, call: Any) -> Any:
        def called(*arguments: Any, **named: Any) -> Any:
            clock[0] += seconds
            return call(*arguments, **named)

        return called

    monkeypatch.setattr(Line, "training_step", after(1.0, Line.training_step))
    monkeypatch.setattr(Trainer, "save_checkpoint", after(of_a_save, Trainer.save_checkpoint))
    monkeypatch.setattr(resume, "time", SimpleNamespace(monotonic=lambda: clock[0]))


def test_it_is_saved_at_every_look_and_two_are_kept(tmp_path: Path) -> None:
    """And after the first batch, since it was due before that, when the epoch began."""
    assert saved(tmp_path, 45) == [1, LOOK, 2 * LOOK, 3 * LOOK, 4 * LOOK]
    assert [batches_of(path) for path in resume_points(tmp_path)] == [4 * LOOK, 3 * LOOK]


def test_it_is_saved_between_epochs_and_not_at_the_end(tmp_path: Path) -> None:
    assert saved(tmp_path, 7, epochs=3) == [1, 7, LOOK, 14, 2 * LOOK]


def test_it_waits_for_its_time_since_the_training_began_and_since_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed(monkeypatch, of_a_save=0.0)
    assert saved(tmp_path, 9 * LOOK + 5, every_seconds=25) == [3 * LOOK, 6 * LOOK, 9 * LOOK]


def test_it_waits_longer_where_a_save_takes_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The share of all saves is 2 % at most: two that take a second each come within 100 seconds."""
    timed(monkeypatch, of_a_save=1.0)
    assert saved(tmp_path, 12 * LOOK + 5, every_seconds=25) == [3 * LOOK, 10 * LOOK]


def test_what_a_checkpoint_cannot_hold_puts_it_off_to_the_next_epoch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def hold(thing: Any) -> Any:
        return lambda model: setattr(model, "held", thing)

    with caplog.at_level(logging.WARNING):
        assert saved(tmp_path, 35, epochs=2, does={1: hold(object()), 15: hold(None)}) == [35, 40, 50, 60]
    assert caplog.text.count("no resume point is saved before the next epoch") == 1
    assert "what is now in Line.held;" in caplog.text


@pytest.mark.parametrize(("accumulate", "expected"), [(1, 4), (3, 6)])
def test_sigterm_saves_after_this_step(tmp_path: Path, accumulate: int, expected: int) -> None:
    """Not between batches whose gradients are added up."""
    terminate = {4: lambda model: os.kill(os.getpid(), signal.SIGTERM)}
    assert saved(tmp_path, 35, every_seconds=1e9, does=terminate, accumulate=accumulate) == [expected]


def test_a_job_that_has_to_end_saves_at_once_and_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[Any] = []

    def leave(due: job.Due, trainer: Trainer, most: int, folder: str) -> None:
        left.append((due, most, folder))
        raise SystemExit(job.TRY_AGAIN)

    monkeypatch.setattr(job, "leave", leave)
    tell = {4: lambda model: job._note(signal.SIGUSR1, None)}
    assert saved(tmp_path / "checkpoints", 35, every_seconds=1e9, does=tell) == [4]
    assert left == [(job.Due.REQUEUE, 2, str(tmp_path))]


def test_a_job_listens_to_sigterm_and_is_not_started_again_too_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listened: list[int] = []
    monkeypatch.setattr(job, "listen_to_sigterm", listened.append)
    assert saved(tmp_path, 1) == []
    assert listened == [1]
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "3")
    with pytest.raises(TrainingError, match=r"job 7 was started again 3 times, which .*max_restarts=2 limits"):
        saved(tmp_path, 1)


@pytest.mark.parametrize(("every_seconds", "max_restarts"), [(-1, 0), (float("nan"), 0), (0, -1)])
def test_settings_without_a_meaning_are_refused(every_seconds: float, max_restarts: int) -> None:
    name = "max_restarts=-1" if max_restarts else f"every_seconds={every_seconds}"
    with pytest.raises(ConfigError, match=f"callbacks.resume_point.{name} must be 0 or greater"):
        ResumePoint("checkpoints", every_seconds, max_restarts)


def test_settings_at_their_bounds_are_accepted() -> None:
    ResumePoint("checkpoints", 0, 0)
