"""The verdict of a verification, where the training that is made again is a copy with a known difference."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reproml.errors import RecordError
from reproml.runs import record
from reproml.verify import rerun, statistics, verify
from reproml.verify.verify import DIFFERS, REPRODUCED, Verdict

from .conftest import COMMIT, with_values

Again = Callable[[Callable[[Path], object]], None]


@pytest.fixture
def run(short_run: Path, tmp_path: Path) -> Path:
    """Return a copy of the short run that names a commit."""
    folder = Path(shutil.copytree(short_run, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints")))
    (folder / "changes.patch").unlink(missing_ok=True)
    level = record.read(folder)["reproducibility"]
    with_values(folder, git=COMMIT, reproducibility={**level, "level": "strict"})
    return folder


@contextmanager
def _nothing(before: dict[str, Any], folder: Path) -> Iterator[Path]:
    """Stand for a checkout of the recorded code."""
    yield folder


@pytest.fixture
def again(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Again:
    """Return a function that lets the training that is made again be a copy of the run with a change."""

    def planted(change: Callable[[Path], object]) -> None:
        shutil.rmtree(tmp_path / "again", ignore_errors=True)
        folder = Path(shutil.copytree(run, tmp_path / "again"))
        change(folder)
        monkeypatch.setattr(verify, "checked_out", _nothing)
        monkeypatch.setattr(verify, "train_again", lambda *given: folder)

    return planted


def _other_loss(folder: Path) -> None:
    """Change the loss of the third step."""
    lines = (folder / "trace.jsonl").read_text().splitlines()
    steps = [number for number, line in enumerate(lines) if line.startswith("[3,")]
    step, epoch, order, loss = json.loads(lines[steps[0]])
    lines[steps[0]] = json.dumps([step, epoch, order, loss + 1])
    (folder / "trace.jsonl").write_text("".join(f"{line}\n" for line in lines))
    with_values(folder, trace_sha256="f" * 64)


def test_the_same_bits_are_reproduced_and_others_are_not(run: Path, again: Again) -> None:
    again(lambda folder: None)
    found = verify.verify(run)
    digest = record.read(run)["weights_sha256"][:12]
    assert found.line == f"reproduced bit for bit: weights, test metrics, history, step trace (weights {digest})"
    assert (found.code, found.explanation) == (REPRODUCED, [])
    again(_other_loss)
    found = verify.verify(run)
    assert (found.code, found.line) == (DIFFERS, "differs: loss first at step 3 (epoch 0)")
    again(lambda folder: with_values(folder, weights_sha256="f" * 64))
    assert verify.verify(run).line.startswith("differs: weights first at step")


def test_what_differs_without_effect_is_told(run: Path, again: Again) -> None:
    environment = record.read(run)["environment"]
    again(lambda folder: with_values(folder, environment={**environment, "python": "3.0.0"}))
    found = verify.verify(run)
    line = f"differs, without effect: Python: python was {environment['python']}, is 3.0.0"
    assert (found.code, found.explanation) == (REPRODUCED, [line])
    with_values(run, git={**COMMIT, "left_out": [{"path": "key.pem", "reason": "named like a secret"}]})
    assert "key.pem is not in the record, because it is named like a secret" in verify.verify(run).explanation


def test_what_guarantees_no_bits_or_names_no_code_is_not_tried(run: Path, again: Again) -> None:
    again(lambda folder: None)
    level = record.read(run)["reproducibility"]
    with_values(run, reproducibility={**level, "level": "fast"})
    with pytest.raises(RecordError, match=r"reproducibility=fast guarantees no bits: .* with --tolerance"):
        verify.verify(run)
    with_values(run, git=None)
    with pytest.raises(RecordError, match="has no commit in its record: commit the code, and train again"):
        verify.verify(run)


def test_a_noted_verdict_is_of_this_training_alone(run: Path) -> None:
    assert verify.noted(run) is None
    verify.note(Verdict(REPRODUCED, "reproduced", ["why"]), run, clean=True)
    found = verify.noted(run)
    assert found is not None
    assert (found["code"], found["line"], found["explanation"], found["clean"]) == (0, "reproduced", ["why"], True)
    sessions = record.read(run)["sessions"]
    with_values(run, sessions=[{**sessions[0], "started": "2026-01-31T12:00:00+00:00"}])  # the same weights, later
    assert verify.noted(run) is None
    with_values(run, sessions=sessions)
    assert verify.noted(run) == found
    with_values(run, weights_sha256="f" * 64)
    assert verify.noted(run) is None
    with_values(run, weights_sha256=found["weights_sha256"])
    for damage in ("{", "[]", '{"code": "0"}', "[" * 100_000):
        (run / "verification.json").write_text(damage)
        assert verify.noted(run) is None


def test_the_interval_is_that_of_student() -> None:
    found = statistics.Sample([0.90, 0.92, 0.94])
    assert found.mean == pytest.approx(0.92)
    assert found.deviation == pytest.approx(0.02)
    # 4.302653 is the 97.5 % point of the t distribution with 2 degrees of freedom, as tables print it
    assert found.interval == pytest.approx((0.92 - 4.302653 * 0.02 / 3**0.5, 0.92 + 4.302653 * 0.02 / 3**0.5))
    assert statistics.Sample([0.90, 0.92, 0.94], confidence=0.5).interval[0] > found.interval[0]


def test_other_seeds_are_compared_by_the_mean(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values, seeds = iter([]), []  # type: ignore[var-annotated]

    def trained(before: dict[str, Any], project: Path, python: str, argument: str) -> Path:
        seeds.append(argument)
        folder = Path(shutil.copytree(run, tmp_path / f"seed{len(seeds)}"))
        with_values(folder, metrics={**before["metrics"], "score": next(values)})
        return folder

    monkeypatch.setattr(statistics, "checked_out", _nothing)
    monkeypatch.setattr(statistics, "train_again", trained)
    with_values(run, metrics={**record.read(run)["metrics"], "score": 0.93})
    values = iter([0.90, 0.92, 0.94])
    found = statistics.verify_within(run, 0.011, "score", 3)
    assert found.code == REPRODUCED
    assert found.line.startswith("reproduced within the tolerance: score recorded 0.93; over 3 seeds mean 0.92, devia")
    assert found.line.endswith("interval of the mean 0.870317 to 0.969683; distance 0.01, tolerance 0.011")
    first = list(seeds)
    assert len(set(first)) == 3
    values = iter([0.90, 0.92, 0.94])
    assert statistics.verify_within(run, 0.009, "score", 3).code == DIFFERS
    assert seeds[3:] == first  # the same are drawn again
    with pytest.raises(RecordError, match=r"--metric=mistyped is not recorded; there are: .*score"):
        statistics.verify_within(run, 1, "mistyped", 2)
    monkeypatch.setattr(statistics, "headline", lambda folder, found: None)
    with pytest.raises(RecordError, match="names no headline: choose --metric=NAME"):
        statistics.verify_within(run, 1, None, 2)
    earlier = {"mode": "finetune", "run": "outputs/earlier", "file": "best.ckpt", "skip": [], "sha256": "0" * 64}
    with_values(run, restored=earlier)
    with pytest.raises(RecordError, match="is built on outputs/earlier, whose splits another seed would mix"):
        statistics.verify_within(run, 1, "score", 2)


def _project(folder: Path, makefile: str = "setup:\n\ttrue\n") -> Path:
    """Return a checkout."""
    (folder / ".git").mkdir(parents=True)
    (folder / "Makefile").write_text(makefile)
    return folder


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_a_fresh_environment_is_made_by_make_or_the_reason_is_told(tmp_path: Path) -> None:
    good = _project(tmp_path / "good", "setup:\n\ttouch made\n")
    assert not (good / "made").exists()
    assert rerun.python_for(good, clean=True) == str(good / ".venv" / "bin" / "python")
    assert (good / "made").exists()
    bad = _project(tmp_path / "bad", "setup:\n\techo no such version >&2; exit 1\n")
    with pytest.raises(RecordError, match=r"make setup failed in the checked-out project: no such version$"):
        rerun.python_for(bad, clean=True)
    assert rerun.python_for(bad, clean=False) == sys.executable


def test_raw_data_is_found_where_it_is_or_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its digest, and never into a folder outside of the checkout."""
    monkeypatch.chdir(tmp_path)
    project, raw = _project(tmp_path / "checkout"), tmp_path / "raw"
    raw.mkdir()
    (raw / "a.csv").write_bytes(b"one")
    digest = hashlib.sha256(b"one").hexdigest()
    before: dict[str, Any] = {
        "config": {"paths": {"raw": "raw"}, "data": {"name": "birds", "source": "raw", "_target_": "my.Birds"}},
        "data": {"name": "birds", "raw": {"a.csv": digest}},
        "restored": None,
    }
    arrays = f"paths.processed='{project}/data/processed/birds'"
    assert rerun._raw(before, project) == [arrays, f"paths.raw='{raw}'", f"data.source='{raw}'"]
    (raw / "a.csv").write_bytes(b"two")
    assert rerun._raw(before, project) == [arrays, "paths.raw='raw'"]  # in the checkout, from its source
    before["config"]["paths"]["raw"] = str(raw)
    assert rerun._raw(before, project) == [arrays, "paths.raw='data/raw/birds'"]
    (project / "params.yaml").write_text("paths: {raw: data/kept}")
    (project / "data" / "kept").mkdir(parents=True)
    (project / "data" / "kept" / "a.csv").write_bytes(b"one")  # as DVC would fetch it
    assert rerun._raw(before, project) == [arrays, "paths.raw='data/kept'"]
    (project / "params.yaml").write_text("paths: {raw: ../elsewhere}")
    with pytest.raises(RecordError, match=r"params.yaml: paths.raw=../elsewhere is outside of the project"):
        rerun._raw(before, project)


@pytest.mark.parametrize(
    ("devices", "nodes", "expected"),
    [(2, 1, []), (2, 4, ["trainer.devices=8", "trainer.num_nodes=1"]), ("auto", 4, [])],
)
def test_processes_of_several_nodes_run_on_this_one(devices: Any, nodes: Any, expected: list[str]) -> None:
    assert rerun._processes({"config": {"trainer": {"devices": devices, "num_nodes": nodes}}}) == expected


def test_the_last_line_of_a_program_is_its_own() -> None:
    assert rerun.last_line("one\nthe reason\nmake: *** [Makefile:2: setup] Error 1\nmake[1]: Leaving\n") == "the reason"
    assert rerun.last_line("\n") == "it printed nothing"


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_a_place_outside_of_the_checkout_is_refused(tmp_path: Path) -> None:
    project = tmp_path / "checkout"
    subprocess.run(["git", "init", "--quiet", project], check=True)
    (project / "out").symlink_to(tmp_path)
    rerun._refuse_outside({"paths.run": "outputs/run"}, project)
    for place in ("../run", "/tmp/run", "out/run", "."):
        with pytest.raises(RecordError, match=rf"paths.run={place} is outside of the project"):
            rerun._refuse_outside({"paths.run": place}, project)
