"""What grows with the number of runs: which of their files are opened. Times are measured by benchmarks/growth_*.py."""

import itertools
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from reproml.__main__ import main
from reproml.catalog import clean
from reproml.catalog.entries import entries, newest_entries
from reproml.catalog.find import find_run
from reproml.runs.folder import Status, newest

MANY = 200
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
_opened: list[str] | None = None


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _opened is not None:
        _opened.append(str(arguments[0]))


sys.addaudithook(_note)


@contextmanager
def opened(name: str) -> Iterator[list[str]]:
    """Yield a list that holds afterwards which files of this name were opened inside."""
    global _opened
    found: list[str] = []
    _opened = []
    try:
        yield found
    finally:
        found += [path for path in _opened if Path(path).name == name]
        _opened = None


def make(number: int, restored: str | None = None) -> Path:
    """Write the small files of a run that began so many minutes after the first."""
    began = FIRST + timedelta(minutes=number)
    folder = Path(f"outputs/{began:%Y-%m-%d}/{began:%H-%M-%S}-{number:06x}")
    folder.mkdir(parents=True)
    (folder / "tracking.json").write_text(json.dumps({"0123456789abcdef": {"mlflow": "1"}}))
    record = {
        "status": "finished" if number % 7 else "running",
        "sessions": [{"started": began.isoformat(), "from_batch": 0, "seconds": 9.0}],
        "config": {"model": {"_target_": "p.models.cnn.CNN"}},
        "command": {"config": "config", "overrides": [f"seed={number}"]},
        "data": {"name": "digits"},
        "git": None,
        "metrics": {"loss": 1 / (1 + number)} if number % 7 else None,
        "restored": restored and {"run": restored},
        "weights_sha256": "0",
    }
    (folder / "run.json").write_text(json.dumps(record))
    written = (began + timedelta(seconds=9)).timestamp()
    os.utime(folder / "run.json", (written, written))
    return folder


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return many runs in an empty project, the first of which was touched after all others had ended."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").touch()
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_STEP_ID", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    made = [make(number) for number in range(MANY)]
    os.utime(made[0] / "run.json")
    return made


def test_the_newest_runs_are_listed_without_the_records_of_the_others(
    runs: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = entries()
    with opened("run.json") as read:
        assert newest_entries(30) == (whole[:30], MANY)
    assert len(set(read)) <= 30 + 2
    assert newest_entries(MANY) == (whole, MANY) == newest_entries(MANY + 1)

    def said(arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["p", "runs", *arguments.split()])
        assert main() == 0
        return capsys.readouterr().out

    with opened("run.json") as read:
        shown = said("")
    assert len(set(read)) <= 30 + 2
    assert shown.endswith(f"{MANY - 30} more: --limit {MANY} shows all\n")
    assert shown.splitlines()[1:31] == said(f"--limit {MANY}").splitlines()[1:31]
    with opened("run.json") as read:
        assert str(runs[-1]) not in said("--reverse --json --limit 1")  # which has to look at all
    assert len(set(read)) == MANY


def test_a_record_without_a_time_hides_no_other_run(runs: list[Path]) -> None:
    record = json.loads((runs[5] / "run.json").read_text())
    record["sessions"][0]["started"] = "yesterday"
    (runs[5] / "run.json").write_text(json.dumps(record))
    (runs[6] / "run.json").write_text("")
    assert newest_entries(3)[0] == entries()[:3]


def test_the_last_run_is_found_without_the_records_of_the_others(runs: list[Path]) -> None:
    with opened("run.json") as read:
        assert find_run("last") == runs[-1]
    assert len(set(read)) <= 3
    with opened("run.json") as read:
        assert newest(Status.RUNNING) == runs[0]  # its record was written last
        assert newest(Status.FINISHED) == runs[-1]
    assert len(set(read)) <= 3


def test_old_runs_are_removed_without_reading_their_records_again(runs: list[Path]) -> None:
    unsent = runs[20] / "tracking.json"
    unsent.write_text(json.dumps({"0123456789abcdef": {"mlflow": "1", "missed": ["mlflow"]}}))
    found = entries(trials=True)
    with opened("run.json") as read:
        removals, kept = clean.chosen(found, clean.Rule(keep_last=10))
    assert (len(removals), kept) == (MANY - 10, {})
    assert [Path(path).parent for path in read] == [runs[20]]  # whose notes say that something is missing, of one run
    with opened("run.json") as read:
        assert all(clean.remove(each.run) for each in removals)
    assert read == []
    assert {each.folder for each in entries()} == set(runs[-10:])


def test_all_that_a_run_was_built_on_stays(runs: list[Path]) -> None:
    """However long the chain is, as where each training continues the one before it."""
    before = str(runs[0])
    for number in range(1, MANY):
        record = json.loads((runs[number] / "run.json").read_text())
        record["restored"] = {"run": before}
        (runs[number] / "run.json").write_text(json.dumps(record))
        before = str(runs[number])
    os.utime(runs[0] / "run.json")
    removals, kept = clean.chosen(entries(trials=True), clean.Rule(keep_last=1))
    assert removals == [] and len(kept) == MANY - 1
    names = [str(folder.relative_to("outputs")) for folder in runs]
    assert kept == {name: f"{by} was built on it" for name, by in itertools.pairwise(names)}
