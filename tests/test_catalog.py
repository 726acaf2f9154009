"""Runs are named, listed and removed by what their small files say."""

import argparse
import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from reproml.__main__ import main
from reproml.catalog import clean, table
from reproml.catalog.entries import entries, read_entry
from reproml.catalog.find import find_run, with_named_runs
from reproml.checklist import pipeline_run
from reproml.cli.arguments import RunName, resolve
from reproml.errors import ConfigError
from reproml.runs import record as records

NOW = datetime.now(UTC)


def make(folder: str, days: float = 0, accuracy: float | None = 0.9, **changes: Any) -> Path:
    """Write the small files of a run that began so many days ago; without an accuracy it was interrupted."""
    place = Path(folder)
    (place / "test").mkdir(parents=True)
    (place / ".lock").touch()
    record = {
        "status": "running" if accuracy is None else "finished",
        "sessions": [{"started": (NOW - timedelta(days=days)).isoformat(), "from_batch": 0, "seconds": 65.0}],
        "config": {"model": {"_target_": "p.models.cnn.CNN"}, "training": {"lr": 0.01}},
        "command": {"config": "config", "overrides": []},
        "data": {"name": "digits"},
        "git": {"commit": "f09e45de1eec069883ef9ff31a53af1f65d4fffd", "dirty": True},
        "metrics": None if accuracy is None else {"accuracy": accuracy, "loss": 1 - accuracy},
        "restored": None,
        "weights_sha256": "0",
        **changes,
    }
    (place / "run.json").write_text(json.dumps(record))
    evaluation = {"headline": "accuracy", "higher_is_better": True}
    (place / "test" / "evaluation.json").write_text(json.dumps(evaluation))
    return place


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty project."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").touch()
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_STEP_ID", "SLURM_PTY_PORT", "LOCAL_RANK", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def runs(project: Path) -> dict[str, Path]:
    """Make four runs, one of them interrupted, a trial, and the pipeline's."""
    (project / "outputs" / "studies" / "search").mkdir(parents=True)
    (project / "outputs" / "studies" / "search" / "journal.log").touch()
    return {
        "old": make("outputs/2026-01-30/12-00-00-1a2b3c", days=40, accuracy=0.8),
        "best": make("outputs/2026-01-31/12-00-00-4d5e6f", days=3, accuracy=0.97),
        "named": make("outputs/first", days=2, accuracy=0.9),
        "last": make("outputs/2026-02-01/08-30-00-7a8b9c", days=1, accuracy=None),
        "trial": make("outputs/studies/search/trials/0003", days=0, accuracy=0.99),
        "models": make("models", days=5, accuracy=0.95),
    }


def test_a_short_name_is_enough(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert find_run("last") == runs["last"]  # a trial is nobody's own
    assert find_run("best") == runs["best"]
    told = capsys.readouterr().err
    assert f"last is {runs['last']}\n" in told
    assert "accuracy 0.9700, the best of 4 finished runs of data=digits" in told
    assert find_run("models") == runs["models"]
    for text in ("first", "fi", "outputs/first"):
        assert find_run(text) == runs["named"]
    for text in ("2026-01-31", "2026-01-31/12-00", "4d5e", "12-00-00-4d5e6f"):
        assert find_run(text) == runs["best"]
    assert find_run("search/trials/0003") == runs["trial"]
    assert find_run(str(runs["old"].resolve())) == runs["old"].resolve()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("12-00", "names 2 runs, 2026-01-3"),
        ("zz", "names no run: give last, best, models, a folder, or the beginning of its name (the newest: "),
        (300 * "a", f"{40 * 'a'}... has 300 characters, and cannot be the name of a run or of its folder"),
        (400 * "outputs/deep/", "has 5200 characters, and cannot be the name of a run or of its folder"),
    ],
)
def test_a_name_of_no_run_or_of_several_is_refused(runs: dict[str, Path], text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"^[^\n]+$") as error:
        find_run(text)
    assert said in str(error.value)


def test_best_compares_what_can_be_compared(runs: dict[str, Path]) -> None:
    make("outputs/other", data={"name": "fashion_mnist"})
    make("outputs/tried", accuracy=0.999, command={"config": "config", "overrides": ["debug=fast"]})
    with pytest.raises(
        ConfigError, match=r"outputs/other \(fashion_mnist: .*; outputs/2026-01-31/.*\(digits: accuracy 0.97"
    ):
        find_run("best")


def test_no_run_is_the_last_or_the_best_where_there_is_none(project: Path) -> None:
    for text in ("last", "best"):
        with pytest.raises(ConfigError, match=f"{text} names no run"):
            find_run(text)


def test_a_job_names_its_folder(runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its processes, and the job when it starts again, would find another run."""
    monkeypatch.setenv("SLURM_STEP_ID", "0")
    with pytest.raises(ConfigError, match="name the folder"):
        find_run("last")
    assert find_run("first") == runs["named"]


def test_runs_are_named_in_overrides(runs: dict[str, Path]) -> None:
    given = ["resume=last", "+restore.run=best", "run=fi", "model=first", "resume=auto", "resume=null", "-m"]
    assert with_named_runs(given) == [
        f"resume='{runs['last']}'",
        f"+restore.run='{runs['best']}'",
        "run='outputs/first'",
        *given[3:],
    ]
    there = Path("outputs/first").rename("outputs/it's moved, here")
    assert with_named_runs([f"resume={there}"]) == [r"resume='outputs/it\'s moved, here'"]
    others = ["restore.run=outputs/a,outputs/b", "run='x y'"]
    assert with_named_runs(others) == others
    assert with_named_runs(["restore.run=outputs/gone"]) == ["restore.run='outputs/gone'"]
    with pytest.raises(ConfigError, match="has 300 characters, and cannot be the name of a run"):
        with_named_runs([f"resume={'x' * 300}/y"])


def test_every_command_that_takes_a_run_takes_its_short_name(runs: dict[str, Path]) -> None:
    from reproml.__main__ import _parser

    parser, folder = _parser("p"), runs["last"]
    for line in (
        "verify last", "diff last last", "check last", "summary last", "report last", "compare last last",
        "spread last last", "archive last", "serve --run last", "sync last",
    ):  # fmt: skip
        arguments = parser.parse_args(line.split())
        resolve(arguments)
        found = vars(arguments)
        named = [found[key] for key in ("run", "other", "folders") if key in found]
        flat = [each for item in named for each in (item if isinstance(item, list) else [item])]
        assert flat == [folder] * line.count("last"), line
    for line in ("rehearse restore.run=last", "tune sweep=search restore.run=last", "data restore.run=last"):
        arguments = parser.parse_args(line.split())
        resolve(arguments)
        assert f"restore.run='{folder}'" in arguments.overrides
    # a new command that asks for a run has to take short names as well
    for name, command in next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction)).choices.items():
        for action in command._actions:
            if action.dest in ("run", "other", "folders"):
                assert action.type is RunName, f"{name} {action.dest}"


def test_runs_are_listed_and_sorted(runs: dict[str, Path]) -> None:
    found, columns = table.in_order(entries(), None)
    assert [each.folder for each in found] == [runs[name] for name in ("last", "named", "best", "models", "old")]
    assert runs["trial"] in [each.folder for each in entries(trials=True)]
    heading, first, second, *_ = table.as_text(found, columns, 200)
    assert heading.split() == ["run", "started", "status", "time", "data", "model", "result", "commit", "verified"]
    assert first.split()[0] == "2026-02-01/08-30-00-7a8b9c" and " interrupted " in first and " 1:05 " in first
    assert "accuracy 0.9000" in second and "f09e45d+" in second and second.endswith("no")
    narrow = table.as_text(found, columns, 80)
    assert max(map(len, narrow)) <= 80
    assert narrow[0].split() == ["run", "status", "result", "commit", "verified"]

    def order(key: str, reverse: bool = False) -> list[Path]:
        return [each.folder for each in table.in_order(entries(), key, reverse)[0]]

    by_result = [runs[name] for name in ("best", "models", "named", "old", "last")]
    assert order("result") == order("accuracy") == order("loss") == by_result
    assert order("loss", reverse=True) == [*reversed(by_result[:-1]), runs["last"]]  # which has none
    assert order("started", reverse=True)[0] == runs["old"]
    make("outputs/lower", config={"model": {"_target_": "MLP"}, "training": {"lr": 0.001}})
    assert order("training.lr")[0] == Path("outputs/lower")
    assert table.as_text(*table.in_order(entries(), "training.lr"), 200)[1].split()[-1] == "0.001"
    with pytest.raises(
        ConfigError, match="acuracy is not a column, a metric or a setting of a run; the nearest is accu"
    ):
        order("acuracy")


def test_a_list_is_read_by_programs(
    runs: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    def said(line: str) -> str:
        monkeypatch.setattr("sys.argv", ["p", *line.split()])
        assert main() == 0
        return capsys.readouterr().out

    found = json.loads(said("runs --json --sort accuracy"))
    assert found[0]["run"] == str(runs["best"]) and found[0]["metrics"]["accuracy"] == 0.97
    assert found[-1]["status"] == "interrupted" and found[-1]["headline"] is None
    rows = list(csv.DictReader(io.StringIO(said("runs --csv --limit 2"))))
    assert [row["run"] for row in rows] == [str(runs["last"]), str(runs["named"])]
    assert rows[1]["test/accuracy"] == "0.9"
    shown = said("runs --limit 1")
    assert "4 more: --limit 5 shows all" in shown and "\x1b" not in shown


def test_what_makes_no_sense_is_listed_as_damaged(project: Path) -> None:
    whole = make("outputs/whole", data={"name": "a\x1b[2Jb\nc"})
    assert read_entry(whole).data == "a?[2Jb?c"
    for number, content in enumerate(
        ("", "[]", '{"status": 1}', '{"status": "finished", "sessions": [{}]}', "[" * 10**5)
    ):
        folder = Path("outputs") / str(number)
        folder.mkdir()
        (folder / "run.json").write_text(content)
        assert read_entry(folder).status == "damaged"
    assert len(table.as_text(*table.in_order(entries(), "result"), 80)) == 7


def test_a_verification_counts_for_its_own_run_alone(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reproml.catalog.entries.identity", lambda record: "this")
    folder = make("outputs/a")
    for found, shown in (
        ({"code": 0, "weights_sha256": "0"}, "yes"),
        ({"code": 1, "weights_sha256": "0", "run": "this"}, "differs"),
        ({"code": 0, "weights_sha256": "1"}, "no"),
        ({"code": 0, "weights_sha256": "0", "run": "other"}, "no"),
        ([], "no"),
    ):
        (folder / "verification.json").write_text(json.dumps(found))
        assert read_entry(folder).verified == shown


def removed(rule: clean.Rule) -> tuple[set[str], dict[str, str]]:
    """Return the names of the runs that a rule removes, and why others stay."""
    removals, kept = clean.chosen(entries(trials=True), rule)
    return {each.run.name for each in removals}, kept


def test_a_rule_says_which_runs_go(runs: dict[str, Path]) -> None:
    make("outputs/tried", days=50, command={"config": "config", "overrides": ["debug=fast"]})
    (Path("outputs") / "broken").mkdir()
    (Path("outputs") / "broken" / "run.json").touch()
    old, best, last = ("2026-01-30/12-00-00-1a2b3c", "2026-01-31/12-00-00-4d5e6f", "2026-02-01/08-30-00-7a8b9c")
    assert removed(clean.Rule(keep_last=2)) == ({old, best, "tried"}, {})
    assert removed(clean.Rule(older_than=timedelta(days=30)))[0] == {old, "tried"}
    assert removed(clean.Rule(failed=True))[0] == {last}
    assert removed(clean.Rule(debug=True))[0] == {"tried"}
    assert removed(clean.Rule(debug=True, failed=True))[0] == {"tried", last}
    assert removed(clean.Rule(keep_last=1, debug=True, failed=True))[0] == {"tried"}
    assert removed(clean.Rule(older_than=timedelta(days=30), failed=True)) == (set(), {})
    assert clean.age("30d") == timedelta(days=30) and clean.age("2w") == timedelta(days=14)
    with pytest.raises(ConfigError, match="--older-than month is not an age"):
        clean.age("month")


def test_what_others_need_stays(runs: dict[str, Path]) -> None:
    """The pipeline's run, one that is trained, one that another was built on, and trials; nothing behind a link."""
    everything = clean.Rule(keep_last=0)
    make("outputs/tuned", days=0, restored={"run": "outputs/first"})
    make("outputs/again", days=0, restored={"run": str(runs["old"])})  # goes itself, with what it was built on
    make("models-2")
    Path("outputs/link").symlink_to(Path("models-2").resolve())
    outside = make("elsewhere/run")
    Path("outputs/inside").mkdir()
    Path("outputs/inside/link").symlink_to(outside.resolve())
    with FileLock("outputs/tuned/.lock"):
        gone, kept = removed(clean.Rule(failed=True))
        assert (gone, kept) == ({"2026-02-01/08-30-00-7a8b9c"}, {})
        names, kept = removed(everything)
    assert {"models", "link", "studies/search/trials/0003"}.isdisjoint(names)
    assert "again" in names and "2026-01-30/12-00-00-1a2b3c" in names
    make("outputs/trained", accuracy=None)
    with FileLock("outputs/trained/.lock"):
        names, kept = removed(everything)
        assert kept == {"trained": "a process is using it"}
        assert not clean.remove(read_entry(Path("outputs/trained")))  # it began after the question
    Path("outputs/tuned/run.json").write_text("")  # cannot be read, so it stays, and says nothing of what it needs
    make("models/built", restored=None)
    edit = json.loads(Path("models/run.json").read_text())
    Path("models/run.json").write_text(json.dumps({**edit, "restored": {"run": "outputs/first"}}))
    names, kept = removed(everything)
    assert kept == {"first": "models was built on it"}


def test_runs_are_removed_whole(runs: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    outside = Path("outside")
    outside.mkdir()
    (outside / "kept").touch()
    (runs["old"] / "link").symlink_to(outside.resolve())
    make("outputs/2026-01-29/10-00-00-aaaaaa/0", days=41)
    Path("outputs/2026-01-29/10-00-00-aaaaaa/multirun.yaml").touch()
    left = Path("outputs/2026-01-30/.removed-12345678")  # by a kill
    left.mkdir()

    def call(line: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["p", *line.split()])
        code = main()
        said = capsys.readouterr()
        return code, said.out + said.err

    code, said = call("clean")
    assert (code, "say which runs to remove" in said) == (2, True)
    code, said = call("clean --older-than 30d")
    assert (code, "There is no terminal to ask on: add --yes" in said) == (2, True)
    assert "kB 2026-01-30/12-00-00-1a2b3c: finished" in said or " B 2026-01-30/12-00-00-1a2b3c: finished" in said
    assert runs["old"].exists()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "n")
    assert call("clean --older-than 30d")[0] == 1 and runs["old"].exists()
    monkeypatch.setattr("builtins.input", lambda question: "y")
    code, said = call("clean --older-than 30d")
    assert (code, "removed 2 runs" in said) == (0, True)
    assert not runs["old"].parent.exists() and not Path("outputs/2026-01-29").exists()
    assert (outside / "kept").exists() and runs["best"].exists() and runs["trial"].exists()
    Path("outputs").rename("scratch")
    Path("outputs").symlink_to("scratch")
    code, said = call("clean --keep-last 0 --yes")
    assert (code, "outputs is a link" in said) == (2, True)
    assert Path("scratch/first").exists()


def test_the_checklist_judges_the_run_of_the_pipeline(runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ran last: neither a debug run, nor a trial, nor a run in models/ that the pipeline has not made."""
    monkeypatch.setattr(records, "read", lambda folder: json.loads((folder / "run.json").read_text()))
    make("outputs/tried", command={"config": "config", "overrides": ["debug=fast"]})
    assert pipeline_run(Path()) is None
    found = json.loads(Path("models/run.json").read_text())
    Path("models/run.json").write_text(json.dumps({**found, "command": {"config": "pipeline", "overrides": []}}))
    assert pipeline_run(Path()) == Path("models")
    Path("models/run.json").write_text(json.dumps({**found, "status": "running", "command": {"config": "pipeline"}}))
    assert pipeline_run(Path()) is None
