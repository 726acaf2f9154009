"""A search: interrupted, in several processes, with Ray, with hopeless trials, and its best trial as an experiment."""

import csv
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import preloaded
import pytest
from conftest import code_blocks, digest, in_project, metrics, run
from loopback import free_port, until
from runs import record, script, train

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]
SETTINGS = "model=mlp model.hidden=[16] training.epochs=3 tracking=[none]"
FINISHED = 6  # what Optuna's journal calls the change of a trial's state
SEARCH = """# @package _global_
search:
  metric: val/loss
  direction: minimize
  trials: 3
  pruner: none
  startup_trials: 1
  space:
    training.lr: {low: 1.0e-4, high: 1.0e-1, log: true}
    training.batch_size: {choices: [32, 64]}
"""


@pytest.fixture(scope="module")
def environment(full_environment: Path) -> Path:
    """Return an environment with the extra `ray`."""
    return full_environment


@pytest.fixture(scope="module", autouse=True)
def _sweep(shared_project: Path) -> None:
    (shared_project / "configs" / "sweep" / "small.yaml").write_text(SEARCH)


def tune(project: Path, arguments: str) -> str:
    command = f"python -m my_project tune sweep=small {SETTINGS} {arguments}"
    return run(command, project, PYTHONPATH="src").stdout


def trials(study: Path) -> dict[str, dict[str, str]]:
    """Return the rows of the table, by run; of a trial that was interrupted, the row that counts."""
    rows = list(csv.DictReader((study / "trials.csv").open()))
    return {row["run"]: row for row in rows}


@pytest.fixture(scope="module")
def whole(shared_project: Path, _sweep: None) -> Path:
    """Return a study that nothing interrupted."""
    tune(shared_project, "--study outputs/whole")
    return shared_project / "outputs" / "whole"


def test_every_trial_is_a_run_with_a_record(shared_project: Path, whole: Path) -> None:
    found = trials(whole)
    assert sorted(found) == ["0000", "0001", "0002"]
    assert len({row["training.lr"] for row in found.values()}) == 3
    for name, row in found.items():
        recorded = record(whole / "trials" / name)
        assert recorded["status"] == "finished"
        assert recorded["config"]["seed"] == 42
        assert recorded["config"]["training"]["lr"] == float(row["training.lr"])
        last = list(csv.DictReader((whole / "trials" / name / "metrics.csv").open()))[-1]
        assert float(row["value"]) == float(last["val/loss"])
    assert {path.stem for path in whole.glob("*.png")} == {"history", "values", "settings", "importance"}
    said = run("python -m my_project verify outputs/whole/trials/0001", shared_project, PYTHONPATH="src").stdout
    assert "reproduced bit for bit" in said


def test_a_killed_search_goes_on_and_ends_the_same(shared_project: Path, whole: Path) -> None:
    """Killed twice: as the process of a trial has begun, without a record and a lock yet, and as a trial trains."""
    study = shared_project / "outputs" / "killed"
    command = f"-m my_project tune sweep=small {SETTINGS} --study outputs/killed"
    for moment, finished in (("0001.log", "0000"), ("0002/run.json", "0001")):
        process = preloaded.Process(command.split(), shared_project, in_project(shared_project, PYTHONPATH="src"))
        while not (study / "trials" / moment).exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)  # its training is left alone, and works on
        process.wait()
        assert record(study / "trials" / finished)["status"] == "finished"
    before = {name: digest(study / "trials" / name / "run.json") for name in ("0000", "0001")}
    tune(shared_project, "--study outputs/killed")
    for name, of_its_end in before.items():
        assert digest(study / "trials" / name / "run.json") == of_its_end, "a finished trial was trained again"
    assert not [row for row in trials(study).values() if row["state"] != "complete"]
    for trial, row in trials(whole).items():
        assert trials(study)[trial]["value"] == row["value"]
        weights = (record(folder / "trials" / trial)["weights_sha256"] for folder in (study, whole))
        assert len(set(weights)) == 1


def test_a_study_is_not_gone_on_with_by_other_settings_or_code(shared_project: Path, whole: Path) -> None:
    same = f"python -m my_project tune sweep=small {SETTINGS} --study outputs/whole"
    before = trials(whole)
    for command, file, key in (
        (same.replace("training.epochs=3", ""), None, "overrides"),
        (same, "configs/model/mlp.yaml", "configs"),
        (same, "src/my_project/models/mlp.py", "code"),
    ):
        good = (shared_project / file).read_text() if file else ""
        try:
            if file:
                (shared_project / file).write_text(good.replace("dropout: 0.0", "dropout: 0.1") + "# edited\n")
            refused = run(command, shared_project, check=False, PYTHONPATH="src")
        finally:
            if file:
                (shared_project / file).write_text(good)
        assert refused.returncode == 2
        assert f"was started with {key}=" in refused.stderr
    style = shared_project / "src/reproml/report/templates/style.css.j2"  # which is not the code of a run
    good = style.read_text()
    try:
        style.write_text(f"{good}/* edited */\n")
        run(same, shared_project, PYTHONPATH="src")
    finally:
        style.write_text(good)
    assert trials(whole) == before


OPEN = """
import sys
from pathlib import Path
from reproml.config.explain import explain
from reproml.tuning.space import read
from reproml.tuning.study import open_study
words = Path("words.txt")
for text in ("one", "one", "two"):
    words.write_text(text)
    search, seed, shared = read(["sweep=small", "experiment=words"])
    try:
        open_study(Path("outputs/of-words"), search, seed, shared)
        print("opened")
    except Exception as error:
        print(explain(error))
"""


def test_a_study_is_not_gone_on_with_by_other_inputs(shared_project: Path) -> None:
    words = "# @package _global_\ninputs: {words: words.txt}\n"
    (shared_project / "configs" / "experiment" / "words.yaml").write_text(words)
    said = script(shared_project, OPEN).splitlines()
    assert said[:2] == ["opened", "opened"]
    assert re.match(r"the study in outputs/of-words was started with files=\w{12}, not \w{12}: undo that", said[2])


def test_two_processes_share_a_study_and_go_further(shared_project: Path, whole: Path) -> None:
    sweep = shared_project / "configs" / "sweep" / "small.yaml"
    try:
        sweep.write_text(SEARCH.replace("trials: 3", "trials: 5"))
        tune(shared_project, "--study outputs/whole --workers 2")
    finally:
        sweep.write_text(SEARCH)
    found = trials(whole)
    assert sorted(found) == ["0000", "0001", "0002", "0003", "0004"]
    assert {row["state"] for row in found.values()} == {"complete"}
    journal = [json.loads(line) for line in (whole / "journal.log").read_text().splitlines()]
    finished = [entry["worker_id"] for entry in journal if entry["op_code"] == FINISHED and entry.get("values")]
    assert len(finished) == 5
    assert len(set(finished[-2:])) == 2, "one process trained both"


def test_the_best_trial_becomes_an_experiment(shared_project: Path, whole: Path) -> None:
    said = tune(shared_project, "--study outputs/whole --promote found")
    best = min(trials(whole).values(), key=lambda row: float(row["value"]))
    assert f"{best['run']}, val/loss" in said
    again, other = (train(shared_project, f"experiment=found seed={seed}", f"found-{seed}") for seed in (42, 43))
    trial = whole / "trials" / best["run"]
    assert metrics(again / "test") == metrics(trial / "test")
    assert digest(again / "model.safetensors") == digest(trial / "model.safetensors")
    assert digest(other / "model.safetensors") != digest(trial / "model.safetensors")
    tune(shared_project, "--study outputs/whole --promote found")  # the same again is not another one
    (shared_project / "configs" / "experiment" / "found.yaml").write_text("seed: 1\n")
    refused = run(
        f"python -m my_project tune sweep=small {SETTINGS} --study outputs/whole --promote found",
        shared_project,
        check=False,
        PYTHONPATH="src",
    )
    assert "exists with other content" in refused.stderr
    (shared_project / "configs" / "experiment" / "found.yaml").unlink()


def test_a_hopeless_trial_is_stopped(shared_project: Path) -> None:
    sweep = SEARCH.replace("{low: 1.0e-4, high: 1.0e-1, log: true}", "{choices: [0.03, 1.0e-9]}")
    sweep = sweep.replace("    training.batch_size: {choices: [32, 64]}\n", "")
    sweep = sweep.replace("pruner: none", "pruner: median")
    (shared_project / "configs" / "sweep" / "hopeless.yaml").write_text(sweep)
    settings = "model=mlp tracking=[none] training.epochs=40 seed=1"  # which draws the two in turns
    run(f"python -m my_project tune sweep=hopeless {settings}", shared_project, PYTHONPATH="src")
    study = shared_project / "outputs" / "studies" / "hopeless"
    found = trials(study)
    stopped = [name for name, row in found.items() if row["state"] == "pruned"]
    assert stopped == ["0001"], found
    assert len(found) == 3
    assert [float(found[name]["training.lr"]) for name in sorted(found)] == [0.03, 1e-9, 0.03]
    assert int(found["0001"]["epochs"]) < 40
    assert record(study / "trials" / "0001")["status"] == "running", "it came to its end"


def test_a_search_on_ray(shared_project: Path, tmp_path: Path) -> None:
    """On a cluster for this search alone, and on one that is there already, whose processes know nothing of it."""
    environment = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
    for name, count in (("one", 1), ("two", 2)):
        sweep = SEARCH.replace("trials: 3", f"trials: {count}")
        (shared_project / "configs" / "sweep" / f"{name}.yaml").write_text(sweep)
    port = free_port()
    command = f"python -m my_project tune sweep=one {SETTINGS}"
    unreachable = run(f"{command} --ray 127.0.0.1:{port}", shared_project, check=False, PYTHONPATH="src")
    assert unreachable.returncode == 2
    assert unreachable.stderr.startswith(f"error: --ray 127.0.0.1:{port} cannot be reached")
    absent = run(f"{command} --ray auto", shared_project, check=False, PYTHONPATH="src", **environment)
    assert absent.stderr.splitlines()[-1].startswith("error: --ray auto finds no cluster")
    # no other process lives in its folder, and its name has to be short: sockets lie there
    with tempfile.TemporaryDirectory(prefix="ray-") as folder, (tmp_path / "log").open("w") as log:
        head = f".venv/bin/ray start --head --block --port={port} --num-cpus=2 --temp-dir={folder}"
        daemon = subprocess.Popen(
            head.split(),
            cwd=shared_project,
            env={**os.environ, **environment, "PYTHONPATH": ""},
            stdout=log,
            stderr=log,
        )
        try:
            until(lambda: "Ray runtime started" in (tmp_path / "log").read_text(), 60)
            run(f"{command} --ray 127.0.0.1:{port}", shared_project, PYTHONPATH="src", **environment)
        finally:
            daemon.terminate()
            daemon.wait(60)
    more = f"{command.replace('sweep=one', 'sweep=two')} --workers 3"  # than trials
    run(f"{more} --study outputs/local --ray local", shared_project, PYTHONPATH="src", **environment)
    for study, names in (("studies/one", ["0000"]), ("local", ["0000", "0001"])):
        folder = shared_project / "outputs" / study
        assert sorted(trials(folder)) == names
        for name in names:
            assert record(folder / "trials" / name)["status"] == "finished"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("training.lr: {low: 1.0e-4", "training.learning: {low: 1.0e-4", "training.learning"),
        ("low: 1.0e-4, high: 1.0e-1, log: true", "low: 0.0, high: 1.0", "training.lr=0.0 is out of range"),
        ("training.batch_size: {choices: [32, 64]}", "paths: {choices: [default, pipeline]}", "search.space.paths"),
        ("search:", "training:\n  momentum: 0.5\nsearch:", "sweep=wrong sets more than search"),
    ],
)
def test_a_wrong_search_is_refused_before_any_trial(shared_project: Path, old: str, new: str, said: str) -> None:
    """What else may be wrong, the project's own tests/test_search.py asks."""
    assert old in SEARCH
    (shared_project / "configs" / "sweep" / "wrong.yaml").write_text(SEARCH.replace(old, new))
    result = run("python -m my_project tune sweep=wrong model=mlp", shared_project, check=False, PYTHONPATH="src")
    assert result.returncode == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (shared_project / "outputs" / "studies" / "wrong").exists()


def test_what_is_no_search_and_what_is_one(shared_project: Path) -> None:
    result = run("python -m my_project tune sweep=seeds", shared_project, check=False, PYTHONPATH="src")
    assert "sweep=seeds is not a search: give sweep=search" in result.stderr
    result = run("python train.py sweep=search", shared_project, check=False)
    assert result.returncode == 1
    assert "python -m reproml tune" in result.stderr


def test_what_could_not_be_promoted_is_refused_before_any_trial(shared_project: Path) -> None:
    for arguments, sentence in (
        ("--promote my-best", "--promote my-best is not a valid name"),
        ("debug=fast --promote quick", "--promote quick cannot keep debug=fast"),
        ("paths=pipeline", "paths=pipeline cannot be given to tune"),
    ):
        command = f"python -m my_project tune sweep=small {SETTINGS} {arguments} --study outputs/refused"
        refused = run(command, shared_project, check=False, PYTHONPATH="src")
        assert refused.returncode == 2
        assert sentence in refused.stderr
    assert not (shared_project / "outputs" / "refused").exists()


def test_a_mistyped_metric_ends_the_search_at_the_first_validation(shared_project: Path) -> None:
    sweep = shared_project / "configs" / "sweep" / "typo.yaml"
    sweep.write_text(SEARCH.replace("val/loss", "val/los"))
    result = run(f"python -m my_project tune sweep=typo {SETTINGS}", shared_project, check=False, PYTHONPATH="src")
    assert result.returncode == 2
    assert "search.metric=val/los is not a column of metrics.csv" in result.stderr
    sweep.write_text(SEARCH.replace("trials: 3", "trials: 1"))
    seldom = "trainer.check_val_every_n_epoch=2 --study outputs/seldom"  # the first epoch has no such column
    run(f"python -m my_project tune sweep=typo {SETTINGS} {seldom}", shared_project, PYTHONPATH="src")
    assert trials(shared_project / "outputs" / "seldom")["0000"]["state"] == "complete"


def test_the_page_on_search(shared_project: Path) -> None:
    """Its commands, with a shorter search than the one that it is about."""
    sweep = shared_project / "configs" / "sweep" / "search.yaml"
    sweep.write_text(sweep.read_text().replace("trials: 20", "trials: 1"))
    page = (shared_project / "docs" / "search.md").read_text()
    lines = "".join(code_blocks(page)).splitlines()
    assert len(lines) >= 4
    for line in lines:
        command = re.sub(r"\s+#.*", "", line)
        if not re.match(r"sbatch|pip|make", command) and "ray" not in command:  # tests of their own
            run(command.replace("model=mlp", f"{SETTINGS}"), shared_project, PYTHONPATH="src")
    assert (shared_project / "configs" / "experiment" / "best.yaml").exists()
