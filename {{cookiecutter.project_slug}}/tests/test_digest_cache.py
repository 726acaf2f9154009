"""Data is read once as long as it stays as it is; whatever has changed, or proves something, is read again."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from reproml.arrays import prepare
from reproml.config.check import check
from reproml.files import file_digest
from reproml.release import publish
from reproml.release.version import Version
from reproml.runs import digest_cache
from reproml.runs.content import content_digest
from reproml.runs.digest_cache import file_digests, reading_everything
from reproml.verify import rerun
from reproml.verify.rehearsal import rehearse

from .conftest import PLAIN, ROOT, composed

CACHE = Path(".dvc/tmp/digests.json")
CONTENT = b"0123456789"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a project, in which a file is known as soon as it was read."""
    monkeypatch.chdir(tmp_path)
    Path(".dvc").mkdir()
    monkeypatch.setattr(digest_cache, "_RACY", -(10**10))
    return tmp_path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets the names of the files that are read."""
    names: list[str] = []

    def counted(path: Path) -> str:
        names.append(path.name)
        return file_digest(path)

    monkeypatch.setattr(digest_cache, "file_digest", counted)
    return names


@pytest.fixture
def data(place: Path) -> Path:
    (place / "data").mkdir()
    for name in ("a", "b"):
        (place / "data" / name).write_bytes(name.encode() + CONTENT)
    return place / "data"


def test_what_stays_as_it_is_is_read_once(data: Path, read: list[str]) -> None:
    first = file_digests([data / "a", Path("data/b")])
    assert first[data / "a"] == hashlib.sha256(b"a" + CONTENT).hexdigest()
    assert sorted(read) == ["a", "b"]
    assert file_digests([data / "a", Path("data/b")]) == first
    whole = content_digest(data)
    assert content_digest(Path("data")) == whole  # under another name
    assert sorted(read) == ["a", "b"]
    (data / "c").write_bytes(CONTENT)
    assert content_digest(data) != whole
    assert sorted(read) == ["a", "b", "c"]


def _rewrite(path: Path) -> None:
    path.write_bytes(b"b" + CONTENT)


def _rewrite_and_set_the_time_back(path: Path) -> None:
    before = path.stat()
    _rewrite(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replace_by_one_of_the_same_time(path: Path) -> None:
    other = path.with_name("other")
    _rewrite(other)
    shutil.copystat(path, other)
    other.replace(path)


@pytest.mark.parametrize("change", [_rewrite, _rewrite_and_set_the_time_back, _replace_by_one_of_the_same_time])
def test_a_change_of_a_byte_is_seen(data: Path, read: list[str], change: Callable[[Path], None]) -> None:
    os.utime(data / "a", (1, 1))
    before = file_digests([data / "a"])[data / "a"]
    change(data / "a")
    assert file_digests([data / "a"])[data / "a"] == hashlib.sha256(b"b" + CONTENT).hexdigest() != before
    assert read == ["a", "a"]


def test_a_file_that_was_just_written_is_read_again(
    data: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could change once more with the same size and the same time."""
    monkeypatch.setattr(digest_cache, "_RACY", 10**12)
    file_digests([data / "a"])
    file_digests([data / "a"])
    assert read == ["a", "a"]
    assert not CACHE.exists()


def test_a_file_that_changes_while_it_is_read_is_not_noted(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def overwritten(path: Path) -> str:
        found = file_digest(path)
        path.write_bytes(CONTENT * 2)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(digest_cache, "file_digest", overwritten)
        file_digests([data / "a"])
    assert file_digests([data / "a"])[data / "a"] == hashlib.sha256(CONTENT * 2).hexdigest()


def test_a_damaged_cache_is_ignored(data: Path, read: list[str]) -> None:
    found = file_digests([data / "a", data / "b"])
    whole = CACHE.read_bytes()
    flipped = [whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :] for at in range(0, len(whole), 5)]
    for damaged in (*flipped, b"", whole[:-1], b"\xff\x00", b"[]", b"null\n{}"):
        CACHE.write_bytes(damaged)
        read.clear()
        assert file_digests([data / "a", data / "b"]) == found
        assert sorted(read) == ["a", "b"]
    read.clear()
    assert file_digests([data / "a", data / "b"]) == found  # and it is whole again
    assert read == []


def test_what_cannot_be_noted_costs_no_more_than_time(data: Path, read: list[str]) -> None:
    CACHE.parent.write_bytes(b"")  # no folder
    assert file_digests([data / "a"]) == file_digests([data / "a"])
    CACHE.parent.unlink()
    Path(".dvc").rmdir()  # no project
    file_digests([data / "a"])
    assert read == ["a", "a", "a"]
    assert not Path(".dvc").exists()


def test_what_is_gone_leaves_the_cache_and_an_interrupted_reading_keeps_what_it_has(data: Path) -> None:
    file_digests([data / "a"])
    (data / "a").unlink()
    with pytest.raises(FileNotFoundError):
        file_digests([data / "b", data / "a"])
    noted = json.loads(CACHE.read_text().partition("\n")[2])
    assert list(noted) == [str(data / "b")]
    assert "/tmp" in (ROOT / ".dvc" / ".gitignore").read_text().split()  # no commit has these paths


def test_processes_that_write_at_once_leave_a_whole_cache(place: Path, read: list[str]) -> None:
    files = [place / f"file{number}" for number in range(8)]
    for file in files:
        file.write_bytes(file.name.encode() * 1000)
    children = []
    for file in files:
        if not (child := os.fork()):
            for _ in range(20):
                file_digests([file])
                os.utime(file)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 8
    expected = {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    assert file_digests(files) == expected
    read.clear()
    assert file_digests(files) == expected
    assert read == []


def test_what_keeps_all_marks_is_seen_by_reading_everything_alone(
    data: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit of the cache, such as a disk that forgets a bit."""
    monkeypatch.setattr(digest_cache, "marks", lambda state: [1, 2, 3, 4])
    before = file_digests([data / "a"])
    _rewrite(data / "a")
    assert file_digests([data / "a"]) == before
    with reading_everything():
        with reading_everything():
            assert file_digests([data / "a"]) != before
        assert file_digests([data / "a"]) != before
    assert file_digests([data / "a"]) != before  # as it was read last
    assert read == ["a", "a", "a"]


PIPELINE_RUN: dict[str, Any] = {"command": {"config": "pipeline"}, "config": {"paths": {"run": "models"}}}


@pytest.mark.parametrize(
    ("act", "module", "first_step"),
    [
        (lambda: rerun.train_again(PIPELINE_RUN, Path(), "python"), rerun, "_refuse_outside"),
        (lambda: rehearse.rehearse(DictConfig({}), print), rehearse, "refuse_inexact"),
        (lambda: publish.release(Path(), Version(1, 0, 0)), publish, "model_tag"),
    ],
)
def test_a_proof_reads_everything(
    data: Path, read: list[str], monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any], module: Any, first_step: str
) -> None:
    class Reached(Exception):
        pass

    def step(*_: Any) -> None:
        file_digests([data / "a"])
        raise Reached

    monkeypatch.setattr(module, first_step, step)
    file_digests([data / "a"])
    assert read == ["a"]
    with pytest.raises(Reached):
        act()
    assert read == ["a", "a"]
    file_digests([data / "a"])  # after it, the cache is used
    assert read == ["a", "a"]


def test_prepared_arrays_are_read_once_and_an_altered_one_is_seen(place: Path, read: list[str]) -> None:
    data = check(composed(*PLAIN, "data=digits")).data
    raw, processed = place / "raw", place / "processed"
    manifest = prepare.prepare_once(data, raw, processed)
    names = sorted(manifest["files"])
    for _ in range(3):
        assert prepare.prepare_once(data, raw, processed) == manifest
    assert sorted(read) == names
    with (processed / "inputs.npy").open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"\x7f")
    assert prepare.read_manifest(data, processed) is None
