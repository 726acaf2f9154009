"""What trackers receive of a run, and that none of them stops a training, whatever it does."""

import json
import logging
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import InstantiationException

from reproml.errors import ConfigError, TrackerError
from reproml.runs import record, tracked
from reproml.runs.trace import read_trace
from reproml.tracking import failures, sync
from reproml.tracking.resilient import ResilientLogger
from reproml.tracking.tracked_run import TrackedRun
from reproml.training.steps import LOSS

from .conftest import COMMIT, ROOT, with_values

NAME = "noted"


class Noted:
    """A tracker's logger that notes what it is given, and may do something with it first."""

    version = "run 7"

    def __init__(self, does: Callable[[str], object] = lambda call: None) -> None:
        self.does = does
        self.calls: list[Any] = []

    def _note(self, name: str, *given: Any) -> None:
        self.does(name)
        self.calls.append((name, *given))

    def log_hyperparams(self, given: Any) -> None:
        self._note("hyperparameters", given)

    def log_metrics(self, metrics: Any, step: int | None) -> None:
        self._note("metrics", metrics, step)

    def send(self, run: TrackedRun) -> None:
        self._note("send", run.folder)

    def finalize(self, status: str) -> None:
        self._note("finalize", status)


@pytest.fixture
def run(short_run: Path, tmp_path: Path) -> Path:
    """Return a copy of the short run, which no tracker has."""
    folder = Path(shutil.copytree(short_run, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints")))
    (folder / "tracking.json").unlink(missing_ok=True)
    (folder / "changes.patch").unlink(missing_ok=True)
    with_values(folder, git=COMMIT)
    return folder


def started(run: Path, logger: Noted, wait: float = 60) -> ResilientLogger:
    guarded = ResilientLogger(NAME, lambda: logger, run, wait)
    guarded.start({"seed": 1})
    return guarded


def test_a_tracker_receives_everything_in_its_order(run: Path) -> None:
    logger = Noted()
    guarded = started(run, logger)
    assert (tracked.read(run), tracked.missed(run)) == ({NAME: "run 7"}, [NAME])  # until it has everything
    guarded.log_metrics({"loss": 0.5}, 3)
    guarded.log_hyperparams({"seed": 1, "width": 4})
    guarded.finalize("success")  # by Lightning, before the test
    guarded.finish(TrackedRun.read(run))
    assert logger.calls == [
        ("hyperparameters", {"seed": 1}),
        ("metrics", {"loss": 0.5}, 3),
        ("hyperparameters", {"width": 4}),
        ("send", run),
        ("finalize", "success"),
    ]
    assert (guarded.missed, tracked.missed(run), guarded.version) == (False, [], "run 7")


def test_a_tracker_that_fails_is_given_up_with_one_warning(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    def down(call: str) -> None:
        if call == "metrics":
            raise ConnectionError("nobody answers")

    logger = Noted(down)
    guarded = started(run, logger)
    for step in range(3):
        guarded.log_metrics({"loss": 0.5}, step)
    guarded.finish(TrackedRun.read(run))
    assert logger.calls == [("hyperparameters", {"seed": 1})]
    assert (guarded.missed, tracked.missed(run)) == (True, [NAME])
    [said] = [entry.getMessage() for entry in caplog.records if entry.levelno == logging.WARNING]
    assert said.startswith(f"{NAME} cannot be reached, or is too slow (ConnectionError: nobody answers); the training")
    assert f"python -m reproml sync {run} sends it" in said


def test_a_tracker_is_not_waited_for_for_ever(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    free = threading.Event()
    guarded = started(run, Noted(lambda call: call == "send" and free.wait(60)), wait=0.05)
    guarded.finish(TrackedRun.read(run))
    assert (guarded.missed, tracked.missed(run)) == (True, [NAME])
    assert f"{NAME} cannot be reached, or is too slow (TimeoutError: not done after 0 seconds)" in caplog.text
    free.set()


def test_a_training_that_fails_ends_the_run_of_the_tracker(run: Path) -> None:
    logger = Noted()
    guarded = started(run, logger)
    guarded.finalize("failed")
    assert logger.calls[-1] == ("finalize", "failed")
    assert tracked.missed(run) == [NAME]


def test_a_mistake_in_configs_is_not_blamed_on_a_tracker(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    def wrong() -> Any:
        raise InstantiationException("in tracking") from TypeError("no such argument")

    with pytest.raises(InstantiationException):
        ResilientLogger(NAME, wrong, run, 60).start({})
    guarded = started(run, Noted())
    guarded.give_up(ValueError("a bug"))
    guarded.give_up(ValueError("another"))
    [said] = [entry for entry in caplog.records if entry.levelno == logging.WARNING]
    assert f"{NAME} did not get everything, because this failed (ValueError: a bug)" in said.getMessage()
    assert said.exc_info  # which a person needs to find it
    guarded.finish(TrackedRun.read(run))


def test_an_error_is_of_a_tracker_where_it_or_its_connection_failed() -> None:
    def chained(outer: Exception, inner: Exception) -> Exception:
        outer.__cause__ = inner
        return outer

    assert failures.is_of_tracker(ConnectionRefusedError())
    assert failures.is_of_tracker(chained(RuntimeError(), TimeoutError()))
    assert not failures.is_of_tracker(ValueError())
    assert not failures.is_of_tracker(chained(ConfigError("wrong"), TimeoutError()))  # said for people already
    assert failures.named(ConfigError("one sentence")) == "one sentence"
    said = failures.named(chained(InstantiationException("in tracking"), OSError("word " * 100)))
    assert said.startswith("OSError: word") and said.endswith("[...]") and len(said) <= 150


def test_the_history_of_a_run_counts_steps_as_lightning_does(run: Path) -> None:
    """From 0, with the loss after every so many, and the metrics of an epoch after its last one."""
    config = record.read(run)["config"]
    for accumulate, every in ((1, 4), (2, 3)):
        trainer = {**config["trainer"], "log_every_n_steps": every}
        with_values(
            run, config={**config, "trainer": trainer, "training": {**config["training"], "accumulate": accumulate}}
        )
        history = TrackedRun(run, record.read(run)).history()
        assert [step for step, _ in history] == sorted(step for step, _ in history)
        steps, losses, done = read_trace(run / "trace.jsonl"), {}, 0
        for epoch in sorted(set(steps.epoch.values())):
            batches = [steps.loss[batch] for batch, of in steps.epoch.items() if of == epoch]
            groups = [batches[first : first + accumulate] for first in range(0, len(batches), accumulate)]
            for group in groups:
                done += 1
                if done % every == 0:
                    losses[done - 1] = group[-1]
        assert {step: metrics[LOSS] for step, metrics in history if LOSS in metrics} == losses
        epochs = [metrics for _, metrics in history if LOSS not in metrics]
        rows = TrackedRun(run, record.read(run)).epochs()
        assert [set(metrics) for metrics in epochs] == [{*row} - {"step", "lr"} for row in rows]
    assert TrackedRun(run, record.read(run)).test_metrics() == {
        f"test/{name.removeprefix('test/')}": value for name, value in record.read(run)["metrics"].items()
    }


@pytest.fixture
def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a project with one tracker, and return the file that configures it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RUN_FOLDER_IS_TRUSTED", raising=False)
    shutil.copytree(ROOT / "configs", tmp_path / "configs", ignore=shutil.ignore_patterns("tracking"))
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "configs" / "tracking" / f"{NAME}.yaml"
    path.parent.mkdir()
    settings = {"_target_": "my.Noted", "folder": "${paths.run}", "mode": "offline", "wait_seconds": 9}
    path.write_text(json.dumps({NAME: settings}))
    (path.parent / "none.yaml").write_text("{}")
    return path


def _asks_for(run: Path, tracking: dict[str, Any]) -> None:
    """Let the configuration in a run, and its record, ask for trackers."""
    config = {**record.read(run)["config"], "tracking": tracking}
    with_values(run, config=config)
    (run / "config.yaml").write_text(json.dumps(config))


def test_a_run_is_sent_later_as_configs_say(run: Path, configs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logger, given = Noted(), {}

    def build(name: str, settings: dict[str, Any], folder: Path) -> Noted:
        given.update(settings)
        return logger

    monkeypatch.setattr(sync, "build_logger", build)
    with pytest.raises(ConfigError, match="was not tracked: name a tracker, such as --to mlflow"):
        _asks_for(run, {})
        sync.sync(run)
    with pytest.raises(ConfigError, match=f"other is not a tracker of this project: choose one of {NAME}"):
        sync.sync(run, ["other"])
    assert sync.sync(run, [NAME]) == [f"{NAME} has {run} now, as run 7"]
    assert given == {"_target_": "my.Noted", "folder": str(run), "mode": "online"}
    assert [call[0] for call in logger.calls] == ["hyperparameters", "send", "finalize"]
    assert "tracking" in logger.calls[0][1] and tracked.read(run) == {NAME: "run 7"}
    tracked.note_missed(run, NAME)
    assert sync.sync(run) == [f"{NAME} has {run} now, as run 7"]  # what it has missed
    assert tracked.missed(run) == []


def test_a_run_asks_for_no_setting_that_configs_do_not_have(
    run: Path, configs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "build_logger", lambda *given: Noted())
    _asks_for(run, {NAME: {"_target_": "os.system", "address": "https://elsewhere"}})
    with pytest.raises(ConfigError, match=r"config\.yaml asks for tracking\.noted\.address=https://elsewhere, which"):
        sync.sync(run, [NAME])


def test_what_fails_while_a_run_is_sent_is_named_for_what_it_is(
    run: Path, configs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error: list[Exception] = [ConnectionError("nobody answers")]

    def fails(call: str) -> None:
        if call == "send":
            raise error[0]

    monkeypatch.setattr(sync, "build_logger", lambda *given: Noted(fails))
    with pytest.raises(TrackerError, match=r"noted did not accept .*/run \(ConnectionError: nobody answers\): nothing"):
        sync.sync(run, [NAME])
    error[0] = ValueError("a bug of ours")
    with pytest.raises(ValueError, match="a bug of ours"):
        sync.sync(run, [NAME])
