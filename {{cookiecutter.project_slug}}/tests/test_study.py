"""A search: which trials are trained, stopped, given up or taken over, with a stand-in for the training itself."""

import csv
import math
import shutil
import socket
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from reproml.config.schema import Parameter, Search
from reproml.errors import ConfigError, RecordError, TrainingError
from reproml.tuning import parallel, space
from reproml.tuning.promote import check_promotion, promote
from reproml.tuning.study import FAILURE, RUN, claim, open_study
from reproml.tuning.summary import best_trial, best_trials, others_at_work, write_summary
from reproml.tuning.worker import work

# Trains without a network: the loss is lowest at lr=0.01. It fails, or goes on for ever, where it is told to.
TRAINING = """
import math, pathlib, sys, time
given = dict(argument.split("=", 1) for argument in sys.argv[1:])
rate, run = float(given["training.lr"]), pathlib.Path(given["hydra.run.dir"].strip("'"))
assert given["resume"] == "auto"
run.mkdir(parents=True, exist_ok=True)
rows = ["epoch,step,val/loss"]
for epoch in range(2):
    rows.append(f"{epoch},{epoch},{abs(math.log10(rate) + 2) + 1 / (epoch + 1)!r}")
    (run / "metrics.csv").write_text("\\n".join(rows) + "\\n")
    if rate > float(given.get("fails_above", "inf")):
        sys.exit("the loss is not finite")
    if rate > float(given.get("hangs_above", "inf")):
        time.sleep(600)
"""


def searched(trials: int = 3, pruner: str = "none", metric: str = "val/loss", **rate: Any) -> Search:
    """Return a search of learning rates, by default from a range."""
    parameter = Parameter(**(rate or {"low": 1e-4, "high": 1.0, "log": True}))
    return Search(metric, "minimize", trials, pruner, 1, {"training.lr": parameter})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work where the stand-in is train.py, and return the folder of a study."""
    (tmp_path / "train.py").write_text(TRAINING)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(space, "settings", lambda overrides: {"seed": 1})
    monkeypatch.setattr(space, "files", lambda overrides: {})
    return Path("outputs/study")


def study(folder: Path, search: Search, overrides: tuple[str, ...] = (), seed: int = 1) -> optuna.Study:
    return open_study(folder, search, seed, list(overrides))


def trained(folder: Path, search: Search, *overrides: str, seed: int = 1) -> optuna.Study:
    """Return a study whose trials have been trained."""
    found = study(folder, search, overrides, seed)
    work(found, search, seed, list(overrides), folder)
    return found


def rates(found: optuna.Study) -> list[float]:
    return [trial.params["training.lr"] for trial in found.trials]


def test_a_search_trains_its_trials_and_knows_the_best(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = trained(folder, searched())
    assert [trial.user_attrs[RUN] for trial in found.trials] == ["0000", "0001", "0002"]
    values = [abs(math.log10(rate) + 2) + 0.5 for rate in rates(found)]  # of the last epoch
    assert [trial.value for trial in found.trials] == pytest.approx(values)
    best = best_trial(found, folder)
    assert best.value == min(trial.value or 0 for trial in found.trials)
    assert f"{folder}/trials/0000: val/loss {values[0]:.4f}" in capsys.readouterr().out
    table = best_trials(found, most=2)
    assert len(table) == 3 and best.user_attrs[RUN] in table[1]
    write_summary(found, folder)
    with (folder / "trials.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["run"], row["state"], row["epochs"]) for row in rows] == [
        (run, "complete", "2") for run in ("0000", "0001", "0002")
    ]
    assert [float(row["training.lr"]) for row in rows] == rates(found)
    assert {path.stem for path in folder.glob("*.png")} == {"history", "values", "settings", "importance"}
    work(found, searched(), 1, [], folder)
    assert len(found.trials) == 3  # there are enough


def test_a_search_draws_the_same_again_and_another_seed_does_not(folder: Path) -> None:
    first, again, other = (
        trained(folder / name, searched(2), seed=seed) for name, seed in (("first", 1), ("again", 1), ("other", 2))
    )
    assert rates(first) == rates(again) != rates(other)


def test_a_study_is_not_gone_on_with_by_other_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study(folder, searched(3))
    study(folder, searched(9))  # of more trials
    for change, key in (
        ({"seed": 2}, "seed=1, not 2"),
        ({"search": searched(metric="val/accuracy")}, "metric=val/loss, not val/accuracy"),
        ({"overrides": ("model=mlp",)}, "overrides="),
    ):
        given: dict[str, Any] = {"search": searched(), **change}
        with pytest.raises(ConfigError, match=rf"the study in {folder} was started with {key}.*--study"):
            study(folder, **given)
    monkeypatch.setattr(space, "settings", lambda overrides: {"seed": 3})
    with pytest.raises(ConfigError, match="was started with configs="):
        study(folder, searched())


def test_an_interrupted_trial_is_taken_over_with_its_settings(folder: Path) -> None:
    """Its lock is what tells whether a process still works on it."""
    search = searched()
    found = study(folder, search)
    assert not others_at_work(found)
    first = claim(found, search, 1, folder)
    assert first is not None
    trial, lock = first
    assert others_at_work(found)
    other = claim(found, search, 1, folder)
    assert other is not None
    assert other[0].user_attrs[RUN] == "0001"
    lock.release()  # as the system does when a process is killed
    again = claim(found, search, 1, folder)
    assert again is not None
    assert (again[0].user_attrs[RUN], again[0].params) == ("0000", trial.params)
    assert again[0].number != trial.number
    assert found.trials[trial.number].state == TrialState.FAIL
    third = claim(found, search, 1, folder)
    assert third is not None
    assert third[0].user_attrs[RUN] == "0002"
    assert claim(found, search, 1, folder) is None
    with pytest.raises(RecordError, match=rf"no trial in {folder} has finished yet"):
        best_trial(found, folder)


def test_a_trial_that_has_finished_is_not_trained_again(folder: Path, short_run: Path) -> None:
    search = searched(1)
    found = study(folder, search)
    claimed = claim(found, search, 1, folder)
    assert claimed is not None
    run = folder / "trials" / "0000"
    shutil.copytree(short_run, run)  # its search was killed before it could note the result
    claimed[1].release()
    work(found, search, 1, [], folder)
    with (short_run / "metrics.csv").open() as stream:
        last = list(csv.DictReader(stream))[-1]
    assert found.trials[-1].value == float(last["val/loss"])
    assert not run.with_suffix(".log").exists()


def asked(folder: Path, search: Search, given: list[float], *overrides: str) -> optuna.Study:
    """Return a study that has tried these rates, in this order."""
    found = study(folder, search, overrides)
    for rate in given:
        found.enqueue_trial({"training.lr": rate})
    work(found, search, 1, list(overrides), folder)
    return found


def test_a_trial_that_fails_ends_the_search_unless_others_have_not(folder: Path) -> None:
    with pytest.raises(TrainingError, match=r"trials/0000 failed: the loss is not finite"):
        asked(folder / "first", searched(2), [1.0, 0.01], "fails_above=0.5")
    found = asked(folder / "later", searched(3), [0.01, 1.0, 0.1], "fails_above=0.5")
    assert [trial.state for trial in found.trials] == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]
    assert found.trials[1].user_attrs[FAILURE].endswith("trials/0001 failed: the loss is not finite")
    write_summary(found, folder / "later")
    with (folder / "later" / "trials.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["state"] for row in rows] == ["complete", "fail", "complete"]
    assert [bool(row["failure"]) for row in rows] == [False, True, False]


def test_a_hopeless_trial_is_stopped_while_it_trains(folder: Path) -> None:
    """The stand-in would go on for ten minutes."""
    began = time.monotonic()
    found = asked(folder, searched(2, "median"), [0.01, 1.0], "hangs_above=0.5")
    assert [trial.state for trial in found.trials] == [TrialState.COMPLETE, TrialState.PRUNED]
    assert time.monotonic() - began < 300


@pytest.mark.parametrize(
    ("metric", "sentence"),
    [
        ("val/los", r"search.metric=val/los is not a column of metrics.csv \(there are: epoch, step, val/loss\)"),
        ("test/loss", r"search.metric=test/loss has no value in .*0000/metrics.csv: search for one that it has"),
    ],
)
def test_a_metric_that_is_not_there_is_named(folder: Path, metric: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        trained(folder, searched(metric=metric))


def test_numbers_and_choices_are_drawn_as_what_they_are(folder: Path) -> None:
    parameters = {
        "training.batch_size": Parameter(low=8, high=64, step=8),
        "training.lr": Parameter(low=0.5, high=1.0),
        "model": Parameter(choices=["mlp", "cnn"]),
    }
    found = study(folder, searched()).ask()
    chosen = space.suggest(found, parameters)
    assert isinstance(chosen["training.batch_size"], int) and chosen["training.batch_size"] % 8 == 0
    assert 0.5 <= chosen["training.lr"] <= 1
    assert space.as_overrides({**chosen, "training.lr": 0.5}) == [
        f"training.batch_size={chosen['training.batch_size']}",
        "training.lr=0.5",
        f"model={chosen['model']}",
    ]


def test_several_processes_work_or_say_how_many_failed(tmp_path: Path) -> None:
    """One of them finds that another was there first."""
    place = tmp_path / "place"
    parallel.on_this_machine(["-c", f"import pathlib; pathlib.Path({str(place)!r}).touch()"], 2)
    assert place.exists()
    place.unlink()
    with pytest.raises(TrainingError, match="1 of 2 processes failed: see above"):
        parallel.on_this_machine(["-c", f"import os, sys; sys.stderr = None; os.mkdir({str(place)!r})"], 2)


def test_a_cluster_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"--ray local needs the package ray, .*pip install -e '.\[ray\]'"):
        parallel.on_ray([], 2, "local")
    monkeypatch.setattr(parallel, "find_spec", lambda name: name)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        parallel._check_reachable(f"127.0.0.1:{port}")
    for address in (f"127.0.0.1:{port}", "127.0.0.1:port", "127.0.0.1:99999"):
        with pytest.raises(ConfigError, match=f"--ray {address} cannot be reached .*: give host:port"):
            parallel.on_ray([], 2, address)


def test_the_best_trial_is_written_as_an_experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in ("configs/model", "configs/experiment"):
        (tmp_path / place).mkdir(parents=True)
    given = ["model=mlp", "experiment=digits", "training.lr=0.5", "model.hidden=[64,64]"]
    path = promote("found", given, "the best of a search")
    assert path.read_text() == (
        "# @package _global_\n# the best of a search\n# python train.py experiment=found\n"
        "defaults:\n- digits\n- override /model: mlp\n"
        "training:\n  lr: 0.5\nmodel:\n  hidden:\n  - 64\n  - 64\n"
    )
    assert promote("found", given, "the best of a search") == path  # the same again is not another one
    with pytest.raises(ConfigError, match=r"configs/experiment/found.yaml exists with other content: choose another"):
        promote("found", [*given, "seed=2"], "the best of a search")
    check_promotion("found", given)
    with pytest.raises(ConfigError, match="--promote my-best is not a valid name: use letters"):
        check_promotion("my-best", given)
    with pytest.raises(ConfigError, match="--promote quick cannot keep debug=fast in an experiment"):
        check_promotion("quick", ["debug=fast"])
