"""A tracker that is down or slow never loses or stops a training."""

import logging
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.loggers.logger import DummyLogger
from lightning.pytorch.utilities import rank_zero_only

from ..errors import ConfigError, UserError
from ..runs import tracked
from ..secrets import masked
from ..training.plain import as_plain
from . import failures
from .tracked_run import TrackedRun

log = logging.getLogger(__name__)

_FAILED_WAIT = 10.0  # seconds that an interrupted training waits for a tracker


class ResilientLogger(Logger):
    """Passes what Lightning logs on to the logger of a tracker, in a thread of its own.

    The training waits for the tracker only to begin and to end. With the first error it is given up, with one warning.
    From the start until it has everything, a note in the run folder says that it lacks something, so that a kill at
    any moment leaves the truth there. What it lacks, `sync` sends later.

    Args:
        tracker: its name.
        build: returns the tracker's own logger; None in all processes but the first, where nothing is logged.
        folder: of the run.
        wait_seconds: how long the end of the training waits for what is not sent yet.
    """

    def __init__(self, tracker: str, build: Callable[[], Any] | None, folder: Path, wait_seconds: float) -> None:
        super().__init__()
        self.tracker, self.folder, self.wait_seconds = tracker, folder, wait_seconds
        self.logger: Any = None
        self._build = build
        self._run: str | None = None
        self._missed = build is None
        self._given: dict[str, Any] = {}  # the configuration
        self._calls: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, daemon=True, name=f"tracking-{tracker}")

    def start(self, public_config: dict[str, Any]) -> None:
        """Start the run there, or continue it, and give it the configuration."""
        if self._build is None:
            return
        self._given = public_config
        tracked.note_missed(self.folder, self.tracker)
        try:
            self.logger = self._build()
            self._run = str(self.logger.version)
            tracked.note(self.folder, self.tracker, self._run)
            self.logger.log_hyperparams(public_config)
        except Exception as error:
            if isinstance(failures.cause(error), TypeError | ConfigError):  # a mistake in configs/, not a tracker's
                raise
            self.give_up(error)
        self._thread.start()

    def give_up(self, error: Exception) -> None:
        """Warn, once, that the tracker misses something of this run.

        Args:
            error: the reason. The tracker is blamed only if it, or the connection to it, failed.
        """
        if self._missed:
            return
        self._missed = True
        theirs = failures.is_of_tracker(error)
        what = "cannot be reached, or is too slow" if theirs else "did not get everything, because this failed"
        log.warning(
            "%s %s (%s); the training continues, metrics.csv and run.json have everything, and when it is finished, "
            "python -m reproml sync %s sends it",
            self.tracker, what, failures.named(error), self.folder,
            exc_info=None if theirs or isinstance(failures.cause(error), UserError) else error,
        )  # fmt: skip

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            if not self._missed:
                try:
                    call()
                except Exception as error:
                    self.give_up(error)

    def finish(self, run: TrackedRun) -> None:
        """Give the tracker the finished run, and wait until it has everything, but not longer than `wait_seconds`."""
        send = getattr(self.logger, "send", None)
        if send is not None:
            self._calls.put(lambda: send(run))
        self._end("success", self.wait_seconds)
        if self.logger is not None and not self._missed:
            tracked.note_sent(self.folder, self.tracker)

    def _end(self, status: str, seconds: float) -> None:
        if not self._thread.is_alive():
            return
        if not self._missed:
            self._calls.put(lambda: self.logger.finalize(status))
        self._calls.put(None)
        started = time.monotonic()
        self._thread.join(0 if self._missed else seconds)
        if self._thread.is_alive():
            self.give_up(TimeoutError(f"not done after {time.monotonic() - started:.0f} seconds"))

    @property
    def name(self) -> str:
        return self.tracker

    @property
    def version(self) -> str | None:
        """The tracker's name of the run."""
        return self._run

    @property
    def missed(self) -> bool:
        """Whether the tracker lacks something."""
        return self._missed

    @property
    def save_dir(self) -> str:
        return str(self.folder)

    @property
    def experiment(self) -> Any:
        """The tracker's own object, for what knows it. While the tracker is given up, one that takes any call."""
        return DummyLogger().experiment if self._missed else self.logger.experiment

    def __getattr__(self, name: str) -> Any:
        """Return what else the tracker's own logger has, such as `log_image`, whose calls go the way of metrics."""
        if name.startswith("_") or name == "logger":
            raise AttributeError(name)
        value = getattr(DummyLogger() if self.logger is None else self.logger, name)

        def call(*arguments: Any, **named: Any) -> None:
            if not self._missed:
                self._calls.put(lambda: value(*arguments, **named))

        return call if callable(value) else value

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Log the hyperparameters of a task, beside the configuration, whose names a tracker has with their values."""
        held = vars(params) if isinstance(params, Namespace) else params
        more = {name: value for name, value in masked(as_plain(held)).items() if name not in self._given}
        if not self._missed:
            self._calls.put(lambda: self.logger.log_hyperparams(more))

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        if not self._missed:
            self._calls.put(lambda: self.logger.log_metrics(metrics, step))

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """End the run there if the training fails; after success the test is still to come."""
        if status != "success":
            self._end(status, min(_FAILED_WAIT, self.wait_seconds))
