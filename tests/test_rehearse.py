"""`rehearse`: what is exact passes, and what is broken is found, named where it breaks, and told how to fix."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import Render, run
from test_contract import LANGUAGE, WORDS, page, write

CASES = Path(__file__).with_name("rehearsal_cases.py")
SCRIPT = Path(__file__).with_name("rehearsed.py")
VERB = "PYTHONPATH=src python -m my_project rehearse"


def own(data: str, task: str, *more: str) -> list[str]:
    """Return the overrides that choose classes of rehearsal_cases.py."""
    place = "my_project.rehearsal_cases"
    return ["data=tried", "task=tried", f"data._target_={place}.{data}", f"task._target_={place}.{task}", *more]


def callback(name: str) -> str:
    return f"+callbacks.tried._target_=my_project.rehearsal_cases.{name}"


EXACT = {
    "the example of the page": ["data=patients", "task=progression", "training.epochs=100"],
    "a language model": ["data=letters", "task=next_letter"],
    "plain attributes, accumulation, one epoch": own("Data", "Counting", "training.accumulate=2", "training.epochs=1"),
    "generators, a meter and a deque of their own": own("Holding", "WithMeter", callback("Slower")),
    "a stream with a state, two processes": own("Streamed", "Net", "trainer=ddp"),
    "workers, the best weights, files elsewhere": own(
        "Data",
        "Net",
        "+data.num_workers=1",
        "callbacks=best",
        "callbacks.best_checkpoint.monitor=val_loss",
        "+callbacks.mine._target_=lightning.pytorch.callbacks.ModelCheckpoint",
        "+callbacks.mine.dirpath=models/mine",
    ),
}
# What is broken, the training that finds it, what differed first, who held it, and a part of the fix.
BROKEN = {
    "a generator of its own": (
        own("WithHiddenGenerator", "Net"),
        ("again", "examples", "dataset HiddenGenerator.rngs", "draw from torch.rand"),
    ),
    "a new generator each time": (own("WithNewGenerator", "Net"), ("again", "examples", None, "draw from torch.rand")),
    "the clock": (own("WithClock", "Net"), ("again", "examples", None, "the clock")),
    "drawn at import": (
        own("WithSalt", "Net"),
        ("again", "examples", "global my_project.rehearsal_cases.SALT", "os.urandom"),
    ),
    "memory that nothing has written": (own("Data", "WithMemory"), ("again", "loss", None, "torch.empty")),
    "a time as a metric": (own("Data", "TimedValidation"), ("again", "metrics", None, "log what depends on")),
    "a dataset that counts": (
        own("WithReads", "Net"),
        ("with 2 workers", "examples", "dataset CountingPoints.reads", "a function of its index"),
    ),
    "a sampler of its own": (
        own("WithHiddenSampler", "Net"),
        ("interrupted", "order", "sampler Hidden.rngs", "a function of the epoch"),
    ),
    "objects in a list": (
        own("Data", "WithMeters"),
        ("interrupted", "loss", "module WithMeters.meters[0].total", "on_save_checkpoint"),
    ),
    "a global variable": (
        own("Data", "WithGlobal"),
        ("interrupted", "loss", "global my_project.rehearsal_cases.STEPS", "no global variables"),
    ),
    "an attribute of the class": (
        own("Data", "WithClass"),
        ("interrupted", "loss", "class my_project.rehearsal_cases.WithClass.count", "(self.name)"),
    ),
    "a callback without a state": (
        own("Data", "Net", callback("SlowerByNamespace")),
        ("interrupted", "weights", "callback SlowerByNamespace.held.last", "state_dict"),
    ),
    "a callback with half a state": (
        own("Data", "Net", callback("Forgetful")),
        ("interrupted", "weights", "callback Forgetful.batches", "state_dict"),
    ),
    "saving that counts": (
        own("Data", "Saving"),
        ("without resume points", "loss", "module Saving.saved", "only read in state_dict"),
    ),
}
NOT_PROVEN = {
    "a seed that reaches nothing": (own("InOrder", "FromZero"), "another seed gives the same"),
    "a model that does not learn": (own("Data", "Frozen"), "no weight changes"),
}
REFUSED = {
    "a stream without a state": (own("Forgotten", "Net"), "give it state_dict() and load_state_dict(state)"),
    "a test that fails": (own("Data", "Failing"), "rehearsal_cases.py, line"),
    "a callback by the clock": (
        own("Data", "Net", "+callbacks.t._target_=lightning.pytorch.callbacks.Timer"),
        "stops by the clock",
    ),
}


def test_what_no_rehearsal_can_prove_is_refused(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    from reproml.cli.rehearse import composed
    from reproml.errors import ConfigError
    from reproml.verify.rehearsal.short import refuse_inexact

    monkeypatch.chdir(render(tracker="none"))
    refuse_inexact(composed("config", ["model=mlp"]))
    refuse_inexact(composed("pipeline", []))
    for override, said in {
        "reproducibility=fast": "guarantees no bits",
        "restore=continue restore.run=outputs/first": "rehearse with restore=fresh",
    }.items():
        with pytest.raises(ConfigError, match=said):
            refuse_inexact(composed("config", override.split()))
    with pytest.raises(ConfigError, match="this sweep has 3 runs"):
        composed("config", ["sweep=learning_rate"])
    with pytest.raises(ConfigError, match=r"training\.lrr is not a key"):
        composed("config", ["+training.lrr=1"])


@pytest.fixture(scope="module")
def project(shared_project: Path) -> Path:
    """Return a project with all cases, committed."""
    write(shared_project, page(shared_project) | LANGUAGE)
    (shared_project / WORDS).write_text(" ".join(a + b + c for a in "bdfgklmn" for b in "aeiou" for c in "nrst"))
    shutil.copy(CASES, shared_project / "src/my_project")
    for group, name in (("data", "Data"), ("task", "Net")):
        (shared_project / f"configs/{group}/tried.yaml").write_text(f"_target_: my_project.rehearsal_cases.{name}\n")
    run("git add . && git commit --quiet --message 'Tasks of our own'", shared_project)
    return shared_project


@pytest.fixture(scope="module")
def found(project: Path) -> dict[str, Any]:
    """Return what was said of all cases: one process rehearses them in some minutes."""
    others = {name: overrides for name, (overrides, _) in [*BROKEN.items(), *NOT_PROVEN.items(), *REFUSED.items()]}
    cases = json.dumps({**EXACT, **others})
    result = run(f"PYTHONHASHSEED=0 python {SCRIPT} '{cases}'", project, plain=True)
    assert not run("git status --porcelain", project).stdout, "something was written into the project"
    assert not (project / "outputs").exists()
    assert not (project / "models/mine").exists()
    reports: dict[str, Any] = json.loads(result.stdout)
    return reports


@pytest.mark.slow
@pytest.mark.parametrize("name", EXACT)
def test_what_is_exact_passes(found: dict[str, Any], name: str) -> None:
    report = found[name]
    assert report.get("verdict") == "exact", "\n".join(report.get("lines", [str(report)]))
    assert report["code"] == 0
    tried = {trial["name"].split(",")[0]: trial["status"] for trial in report["trials"]}
    assert tried.pop("with seed 43") == "differs, as it must"
    assert set(tried.values()) == {"exact"}
    interrupted = [each for each in tried if each.startswith("interrupted")]
    assert [each.split()[1] for each in interrupted] == ["inside", "between", "inside", "during"]
    assert {"again", "without resume points"} < tried.keys()
    workers = "with 0 workers instead of 1" if name.startswith("workers") else "with 2 workers instead of 0"
    assert workers in tried
    for part in ("weights", "optimizer states", "epoch metrics", "test metrics"):
        assert part in report["line"], part
    assert ("final weights" in report["line"]) == ("the best weights" in name)


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_named(found: dict[str, Any], name: str) -> None:
    tried, first, holder, fix = BROKEN[name][1]
    report = found[name]
    assert report.get("verdict") == "not exact", "\n".join(report.get("lines", [str(report)]))
    assert report["code"] == 1
    trial = next(trial for trial in report["trials"] if trial["status"] == "not exact")
    assert trial["name"].startswith(tried)
    assert trial["found"]["first"] == first
    assert trial["found"]["where"] in report["line"]
    assert first == "metrics" or trial["found"]["step"] >= 1
    assert fix in trial["fix"]
    if holder:
        assert next(iter(trial["found"]["suspects"])) == holder
    if tried == "again":
        assert len(report["trials"]) == 1 and "differs by itself" in report["notes"][0]
    else:
        assert report["trials"][0]["status"] == "exact"  # so only what was tried can have broken it


@pytest.mark.slow
@pytest.mark.parametrize("name", NOT_PROVEN)
def test_a_comparison_that_proves_nothing_says_so(found: dict[str, Any], name: str) -> None:
    report = found[name]
    assert (report["verdict"], report["code"]) == ("not proven", 2)
    assert NOT_PROVEN[name][1] in report["line"]


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED)
def test_what_train_refuses_is_refused_here(found: dict[str, Any], name: str) -> None:
    assert REFUSED[name][1] in found[name]["refused"]
    assert len(found[name]["refused"].splitlines()) == 1


@pytest.mark.slow
def test_what_is_not_compared_is_said(found: dict[str, Any]) -> None:
    report = found["a stream with a state, two processes"]
    notes = "\n".join(report["notes"])
    assert "not compared: 2 processes" in notes
    assert "the number of workers that read Stream" in notes
    [workers] = [trial["name"] for trial in report["trials"] if " workers instead of " in trial["name"]]
    assert workers.endswith(", where no stream is read")  # which is another one than the note is about


@pytest.mark.slow
def test_a_reason_is_told_once(found: dict[str, Any]) -> None:
    lines = found["objects in a list"]["lines"]
    assert sum("fix: " in line for line in lines) == 1
    assert sum("for the same reason" in line for line in lines) == 3


@pytest.mark.slow
def test_the_command(project: Path) -> None:
    """Its exit codes and its output; it needs no tracker, and starts none."""
    exact = run(f"{VERB} model=mlp 'tracking=[mlflow]'", project, plain=True)
    assert exact.stdout.splitlines()[-1].startswith("exact: weights (")
    assert "differs, as it must" in exact.stdout
    assert not run("git status --porcelain --ignored=no", project).stdout
    assert not (project / "mlflow.db").exists()
    overrides = " ".join(own("WithClock", "Net"))
    command = f"PYTHONPATH=src python -m reproml rehearse --json {overrides}"
    broken = run(command, project, check=False, plain=True)
    assert broken.returncode == 1
    assert json.loads(broken.stdout)["trials"][0]["found"]["step"] == 1
    refused = run(f"{VERB} reproducibility=fast", project, check=False, plain=True)
    assert refused.returncode == 2
    assert refused.stderr.startswith("could not be rehearsed: reproducibility=fast")
    assert len(refused.stderr.splitlines()) == 1
