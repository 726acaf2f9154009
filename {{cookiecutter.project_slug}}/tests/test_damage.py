"""What a crash, a disk or a person can damage: told in one sentence, and what a kill leaves is removed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reproml.arrays import prepare
from reproml.arrays.arrays import MappedArray
from reproml.config.check import check
from reproml.config.explain import explain
from reproml.errors import ConfigError, DataError, RecordError
from reproml.files import remove_left, working_folder, write_bytes
from reproml.runs import params, record, tracked
from reproml.runs.command import with_recorded_overrides
from reproml.runs.content import content_digest
from reproml.runs.folder import RunFolder, Status, read_config, resume_points
from reproml.runs.overwritten import Watch
from reproml.runs.record import identity
from reproml.runs.trace import kept_trace
from reproml.training.checkpoint import load_checkpoint, refuse_foreign
from reproml.training.resume import latest_valid
from reproml.verify import baseline

from .conftest import PLAIN, composed

KILLED = """
import os, signal, sys
from pathlib import Path
from reproml import files
place = Path(sys.argv[1])
with files.working_folder(place, "work-") as folder:
    (folder / "file").touch()
    os.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
    files.write_bytes(place / "run.json", b"{}")
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_holds_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = str(Path(sys.modules["reproml"].__path__[0]).parent)
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    assert subprocess.run(command, env={**os.environ, "PYTHONPATH": source}).returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 2
    replace = os.replace

    def meanwhile(part: Path, path: Path) -> None:
        left = names(tmp_path)
        remove_left(tmp_path)
        assert part.exists()
        assert len(left) - len(names(tmp_path)) == 1  # the part of the killed process
        replace(part, path)

    monkeypatch.setattr(os, "replace", meanwhile)
    write_bytes(tmp_path / "run.json", b"{}")
    with working_folder(tmp_path, "work-") as mine:
        assert names(tmp_path) == ["run.json", mine.name]
        with working_folder(tmp_path, "work-") as other:
            assert mine.exists()
            assert other.exists()
    assert names(tmp_path) == ["run.json"]


def test_a_step_trace_that_was_cut_or_altered_is_refused_at_a_resume(tmp_path: Path) -> None:
    trace, lines = tmp_path / "trace.jsonl", b"[1, 0, null, 0.5]\n[2, 0, null, 0.25]\n"
    trace.write_bytes(lines + b"\0\0\0 what a power cut left")
    point = {"step_trace": {"bytes": len(lines), "sha256": content_digest(_written(tmp_path / "kept", lines))}}
    assert kept_trace(trace, point) == lines
    for damaged in (lines[:20], lines.replace(b"0.5", b"0.6"), b""):
        trace.write_bytes(damaged)
        with pytest.raises(DataError, match=r"trace\.jsonl was cut or altered .* restore=warmstart restore\.run="):
            kept_trace(trace, point)
    trace.unlink()
    with pytest.raises(DataError, match=r"trace\.jsonl cannot be read"):
        kept_trace(trace, point)
    assert kept_trace(trace, {}) == b""  # of a run without one


def test_data_that_was_overwritten_while_it_was_read_is_named(tmp_path: Path) -> None:
    array, folder = _written(tmp_path / "inputs.npy", b"12345678"), tmp_path / "images"
    _written(folder / "a.png", b"a")
    watch = Watch({str(path): content_digest(path) for path in (array, folder)})
    assert watch.overwritten() == []
    os.utime(array, (1, 1))
    assert watch.overwritten() == []  # touched, and the same
    array.write_bytes(b"12345670")
    assert watch.overwritten() == [str(array)]
    (folder / "a.png").unlink()
    assert watch.overwritten() == [str(array), str(folder)]


def test_an_array_that_is_cut_is_refused_and_ends_no_process(tmp_path: Path) -> None:
    path = tmp_path / "inputs.npy"
    np.save(path, np.zeros((5000, 10)))
    array, whole = MappedArray(path), path.read_bytes()
    assert array.rows(np.array([4999])).shape == (1, 10)
    os.truncate(path, 5000)
    with pytest.raises(DataError, match=r"inputs\.npy was overwritten while a run read it"):
        array.rows(np.array([4999]))
    for content in (whole[:5000], whole[:20], b"", b"\0" * 100):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"inputs\.npy is damaged or missing"):
            MappedArray(path).open()


def test_a_checkpoint_of_another_run_with_the_same_configuration_is_refused(tmp_path: Path) -> None:
    config = {"data": {}, "paths": {"run": "outputs/one"}}
    own = {"config": config, "command": {}, "git": None, "code": {}, "sessions": [{"started": "1", "from_batch": 0}]}
    again = {**own, "sessions": [{"started": "2", "from_batch": 0}]}
    held = {"config": config, "run": identity(own)}
    refuse_foreign(tmp_path, held, own)
    refuse_foreign(tmp_path, {"config": config}, own)  # of an earlier version
    with pytest.raises(DataError, match="belongs to another run, with the same configuration"):
        refuse_foreign(tmp_path, held, again)


def test_any_flipped_bit_of_a_manifest_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the data is prepared again, and is the same."""
    data = check(composed(*PLAIN, "data=digits")).data
    monkeypatch.setattr(prepare, "_code", lambda data: {})
    manifest: dict[str, Any] = {"version": 1, "settings": prepare._settings(data), "code": {}, "examples": 5}
    manifest["files"] = {}
    manifest["sha256"] = prepare._own_digest(manifest)
    path = tmp_path / "manifest.json"
    content = json.dumps(manifest, indent=2).encode()
    path.write_bytes(content)
    assert prepare.read_manifest(data, tmp_path) == manifest
    for place in range(0, len(content), 3):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        assert prepare.read_manifest(data, tmp_path) in (None, manifest)  # a bit of the space between changes nothing


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a project without runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _written(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_run_without_a_record_is_not_called_another_run(empty: Path) -> None:
    _written(empty / "outputs/other/run.json", '{"status": "finished"}')
    _written(empty / "outputs/killed/.hydra/config.yaml", "seed: 1")
    _written(empty / "outputs/lost/config.yaml", "seed: 1\npaths: {run: outputs/lost}")
    _written(empty / "configs/config.yaml", "defaults: [_self_]\nseed: 1")
    with pytest.raises(RecordError, match=r"configs/run\.json does not exist: name the folder of a run"):
        record.read(Path("configs"))
    killed, lost = Path("outputs/killed"), Path("outputs/lost")
    asked: list[Callable[[Path], object]] = [record.read, lambda run: with_recorded_overrides([f"resume={run}"])]
    for ask in [*asked, read_config]:
        with pytest.raises((ConfigError, RecordError), match="killed stopped before its training began"):
            ask(killed)
    for ask in asked:
        with pytest.raises((ConfigError, RecordError), match=r"lost/run\.json does not exist: .* record was lost"):
            ask(lost)
    _written(lost / "run.json", '{"status"')
    with pytest.raises(RecordError, match=r"lost/run\.json is damaged"):
        with_recorded_overrides([f"resume={lost}"])


def test_the_status_of_a_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    assert run.status() is Status.NONE
    for written, status in (
        (run.path / ".hydra" / "config.yaml", Status.UNBEGUN),
        (run.config, Status.LOST),
        (run.record, Status.DAMAGED),
    ):
        _written(written, "paths: {run: outputs/run}")
        assert run.status() is status
    for said, status in (("running", Status.RUNNING), ("finished", Status.FINISHED), ("perhaps", Status.DAMAGED)):
        _written(run.record, json.dumps({"status": said}))
        assert run.status() is status
        with pytest.raises(ConfigError, match=r"holds|is damaged"):
            run.refuse_used()
    _written(run.record, "[]")
    assert run.status() is Status.DAMAGED


def test_a_finished_run_says_what_trackers_lack_and_loses_what_a_kill_left(
    short_run: Path, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path("outputs/done")
    _written(folder / "run.json", (short_run / "run.json").read_bytes())
    left = [folder / ".run.json.1.part", folder / "checkpoints" / f"resume-{5:010d}-{'0' * 16}.ckpt"]
    kept = [folder / "checkpoints" / "last.ckpt", folder / "checkpoints" / "resume-zz-1.ckpt"]
    for path in (*left, *kept):
        _written(path, "x")
    tracked.note_missed(folder, "mlflow")
    for expected in ("but mlflow lacks something of it: python -m reproml sync outputs/done", "nothing left to do"):
        with pytest.raises(SystemExit) as stop:
            with_recorded_overrides([f"resume={folder}"])
        assert stop.value.code == 0
        assert expected in capsys.readouterr().out
        tracked.note_sent(folder, "mlflow")
    assert [path.exists() for path in (*left, *kept)] == [False, False, True, True]
    for damage in ("{", "[]", "\0"):
        _written(folder / "tracking.json", damage)
        with pytest.raises(RecordError, match=r"tracking\.json is damaged.* delete it"):
            tracked.note(folder, "mlflow", "1")


def test_checkpoints_of_any_content_are_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "best.ckpt"
    with pytest.raises(DataError, match=r"best\.ckpt does not exist"):
        load_checkpoint(path)
    torch.save({"epoch": 1, "weights": torch.ones(40)}, path)
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        try:  # a bit that nothing depends on may be another one
            assert load_checkpoint(path)["weights"].sum() == 40
        except DataError as error:
            assert "best.ckpt is damaged" in str(error)
    for other in ("resume-zz-1.ckpt", "resume-1.ckpt", "resume-.ckpt"):
        path.rename(path := tmp_path / other)
        assert latest_valid(tmp_path) is None
        assert resume_points(tmp_path) == []


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_a_damaged_lock_of_dvc_comes_with_its_fix(empty: Path) -> None:
    def git(*arguments: str) -> None:
        name = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
        subprocess.run(["git", *name, *arguments], check=True, capture_output=True)

    git("init")
    params.refuse_damaged_lock(empty)
    lock = _written(empty / "dvc.lock", "schema: '2.0'\nstages: {}\n")
    params.refuse_damaged_lock(empty)
    for damage in ("", "schema: '2.0'\nsta", "\0" * 9, "[]"):
        lock.write_text(damage)
        with pytest.raises(ConfigError, match=r"dvc\.lock is damaged, .*: rm dvc\.lock starts a new one"):
            params.refuse_damaged_lock(empty)
    git("add", "dvc.lock")
    git("commit", "--message", "all")
    with pytest.raises(ConfigError, match=r"git checkout HEAD dvc\.lock restores the committed one"):
        params.refuse_damaged_lock(empty)


def test_a_baseline_of_other_types_is_damaged(empty: Path) -> None:
    whole: dict[str, Any] = {**dict.fromkeys(record.RESULTS), "schema_version": 1, "date": "2026", "commit": "abc"}
    whole |= {"metrics": {"accuracy": 0.5}, "inputs": {"code": {}}, "weights_sha256": "0" * 64}
    _written(empty / baseline.BASELINE, json.dumps(whole))
    assert baseline.read() == whole
    for part in ("date", "commit", "metrics", "inputs", "weights_sha256"):
        others: tuple[Any, ...] = (None, 1, [], {"code": {"a": None}})
        for other in others:
            _written(empty / baseline.BASELINE, json.dumps({**whole, part: other}))
            with pytest.raises(RecordError, match=r"baseline\.json is damaged"):
                baseline.read()


def test_what_the_disk_refuses_is_one_sentence(tmp_path: Path) -> None:
    for error, expected in (
        (
            PermissionError(13, "Permission denied", str(tmp_path / "x")),
            "/x cannot be read or written: Permission denied",
        ),
        (IsADirectoryError(21, "Is a directory", str(tmp_path / "x")), "/x cannot be read or written: Is a directory"),
        (OSError(30, "Read-only file system", str(tmp_path / "x")), "or choose another folder"),
    ):
        assert expected in explain(error)
        assert "traceback" not in explain(error)
