"""Raw files, prepared arrays, splits and order."""

import hashlib
import json
import os
import pickle
import shutil
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reproml.arrays.arrays import MappedArray
from reproml.arrays.opened import open_prepared
from reproml.arrays.prepare import _own_digest, _raw_files_of, prepare, prepare_once, read_manifest
from reproml.arrays.raw import fetch
from reproml.arrays.sampler import BatchSampler
from reproml.arrays.splits import split, subset
from reproml.config.check import check
from reproml.errors import ConfigError

from .conftest import PLAIN, Command, composed

DATA = ["digits", "breast_cancer"]


@pytest.fixture(params=DATA)
def prepared(request: pytest.FixtureRequest, project: Path, command: Command) -> Path:
    command("prepare.py", *PLAIN, f"data={request.param}")
    return project / "data" / "processed" / request.param


def test_a_manifest_has_no_file_outside_of_the_raw_data_removed(tmp_path: Path) -> None:
    named = {name: "" for name in ("a.csv", "more/b.csv", "../../train.py", "/etc/hosts")}
    (tmp_path / "manifest.json").write_text(json.dumps({"settings": {"files": named}}))
    assert _raw_files_of(tmp_path) == {"a.csv", "more/b.csv"}


def test_the_manifest_describes_the_arrays(prepared: Path) -> None:
    manifest = json.loads((prepared / "manifest.json").read_text())
    inputs, targets = np.load(prepared / "inputs.npy"), np.load(prepared / "targets.npy")
    assert manifest["examples"] == len(inputs) == len(targets) == sum(manifest["splits"].values())
    assert manifest["input_shape"] == list(inputs.shape[1:])
    assert list(manifest["class_counts"].values()) == np.bincount(targets).tolist()


def test_another_version_of_a_library_of_the_reader_is_named(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = check(composed(*PLAIN, "data=digits")).data
    raw, folder = project / "data" / "raw" / "digits", project / "data" / "processed" / "libraries"
    manifest = open_prepared(data, raw, folder).manifest
    assert manifest["libraries"]["numpy"] == np.__version__
    assert not caplog.records
    other = {**manifest, "libraries": {**manifest["libraries"], "numpy": "1.0"}}
    other["sha256"] = _own_digest(other)
    (folder / "manifest.json").write_text(json.dumps(other))
    open_prepared(data, raw, folder)
    assert f"libraries was prepared with numpy 1.0 (now {np.__version__}):" in caplog.text


@pytest.mark.parametrize("damage", ["truncated", "altered", "emptied"])
def test_a_damaged_raw_file_is_named_and_the_earlier_output_stays(project: Path, command: Command, damage: str) -> None:
    command("prepare.py", "data=digits")
    raw, processed = project / "data/raw/digits/digits.csv.gz", project / "data/processed/digits"
    good, before = raw.read_bytes(), {path: path.read_bytes() for path in processed.iterdir()}
    damaged = {"truncated": good[: len(good) // 2], "altered": good[:5000] + b"!" + good[5001:], "emptied": b""}[damage]
    raw.chmod(0o644)
    raw.write_bytes(damaged)
    try:
        result = command("prepare.py", "data=digits", check=False)
    finally:
        raw.write_bytes(good)
        raw.chmod(0o444)
    assert result.returncode == 1
    assert "digits.csv.gz" in result.stderr
    assert "delete it" in result.stderr
    assert {path: path.read_bytes() for path in processed.iterdir()} == before
    hidden = {path.name for path in processed.parent.iterdir() if path.name.startswith(".")}
    assert not {name for name in hidden - {".gitkeep"} if not name.endswith(".lock")}


def test_those_that_need_the_same_data_at_once_get_it(tmp_path: Path) -> None:
    """Trials of a search or runs of a sweep begin together; each finds the data whole."""
    data = check(composed("data=digits")).data
    raw, processed = tmp_path / "raw", tmp_path / "processed" / "digits"
    for _ in range(5):
        with ThreadPoolExecutor(4) as pool:
            tasks = [pool.submit(prepare_once, data, raw, processed) for _ in range(4)]
        assert [task.result() for task in tasks] == [read_manifest(data, processed)] * 4
        shutil.rmtree(processed)


def test_a_prepared_folder_may_be_a_link_and_has_the_rights_of_the_user(tmp_path: Path) -> None:
    data = check(composed("data=digits")).data
    raw, processed = tmp_path / "raw", tmp_path / "processed" / "digits"
    (tmp_path / "disk").mkdir()
    processed.parent.mkdir()
    processed.symlink_to(tmp_path / "disk" / "digits")  # which is not there yet
    before = os.umask(0o077)
    try:
        for _ in range(2):
            prepare(data, raw, processed)
            assert processed.is_symlink()
            assert sorted(path.name for path in processed.parent.iterdir()) == ["digits"]
    finally:
        os.umask(before)
    for path in (tmp_path / "disk" / "digits", raw / "digits.csv.gz"):
        assert path.stat().st_mode & 0o077 == 0
    (processed.parent / ".digits.old").symlink_to(tmp_path / "disk" / "digits")  # as an earlier version left it
    processed.unlink()
    prepare(data, raw, processed)
    assert sorted(path.name for path in processed.parent.iterdir()) == [".digits.lock", "digits"]


def test_raw_files_may_lie_in_folders(tmp_path: Path) -> None:
    data = check(composed("data=digits")).data
    content, source, raw = b"1,2,3\n", tmp_path / "source", tmp_path / "raw"
    data.source, data.files = str(source), {"first/rows.csv": hashlib.sha256(content).hexdigest()}
    (source / "first").mkdir(parents=True)
    (source / "first" / "rows.csv").write_bytes(content)
    fetch(data, raw)
    assert (raw / "first" / "rows.csv").read_bytes() == content


def test_altered_arrays_are_made_again(project: Path, command: Command, short_run: Path) -> None:
    inputs = project / "data/processed/digits/inputs.npy"
    good = inputs.read_bytes()
    inputs.write_bytes(good[:-1000] + bytes(1000))
    command("evaluate.py", f"run={short_run}")
    assert inputs.read_bytes() == good


def test_a_folder_of_another_origin_is_not_replaced(command: Command, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    result = command("prepare.py", "data=digits", f"paths.processed={tmp_path}", check=False)
    assert result.returncode == 1
    assert "name another folder" in result.stderr
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_raw_files_are_read_only(project: Path, command: Command) -> None:
    command("prepare.py", "data=digits")
    assert (project / "data/raw/digits/digits.csv.gz").stat().st_mode & 0o222 == 0


def test_splits_are_disjoint_stratified_and_follow_the_seed() -> None:
    targets = np.repeat([0, 1], [300, 100])
    splits = split(targets, 0, 0.2, 0.1, seed=1)
    assert sorted(np.concatenate(list(splits.values()))) == list(range(400))
    for name, share in (("validation", 0.2), ("test", 0.1)):
        assert np.bincount(targets[splits[name]]).tolist() == [300 * share, 100 * share]
    same, other = split(targets, 0, 0.2, 0.1, seed=1), split(targets, 0, 0.2, 0.1, seed=2)
    assert all(np.array_equal(splits[name], same[name]) for name in splits)
    assert not np.array_equal(splits["test"], other["test"])


def test_a_seed_draws_the_same_splits_in_every_version() -> None:
    """The numbers are those of an earlier version: other splits would make recorded runs another experiment."""
    splits = split(np.arange(1000) % 7, 0, 0.2, 0.1, seed=1)
    sums = {name: zlib.crc32(positions.astype("<i8").tobytes()) for name, positions in splits.items()}
    assert sums == {"train": 0x0426F4EC, "validation": 0x6D763544, "test": 0xFF875452}


def test_folds_are_disjoint_stratified_and_leave_the_test_alone() -> None:
    targets = np.repeat([0, 1, 2], [301, 100, 99])
    plain = split(targets, 0, 0.2, 0.1, seed=1)
    folds = [split(targets, 0, 0.2, 0.1, seed=1, folds=5, fold=fold) for fold in range(5)]
    rest = np.union1d(plain["train"], plain["validation"])
    assert np.array_equal(np.sort(np.concatenate([fold["validation"] for fold in folds])), rest)
    counts = [np.bincount(targets[fold["validation"]]) for fold in folds]
    assert (np.ptp(counts, axis=0) <= 1).all()
    for fold in folds:
        assert np.array_equal(fold["test"], plain["test"])
        assert np.array_equal(np.union1d(fold["train"], fold["validation"]), rest)
        assert not np.intersect1d(fold["train"], fold["validation"]).size
    sizes = [len(fold["validation"]) for fold in folds]
    assert max(sizes) - min(sizes) <= 3
    other = split(targets, 0, 0.2, 0.1, seed=2, folds=5, fold=0)
    assert not np.array_equal(other["validation"], folds[0]["validation"])


def test_folds_leave_an_official_test_set_alone() -> None:
    folds = [split(np.tile([0, 1], 50), 20, 0.25, 0.5, seed=1, folds=4, fold=fold) for fold in range(4)]
    assert np.array_equal(np.sort(np.concatenate([fold["validation"] for fold in folds])), np.arange(80))
    assert all(np.array_equal(fold["test"], np.arange(80, 100)) for fold in folds)


def test_more_folds_than_examples_of_a_class_are_refused() -> None:
    targets = np.repeat([0, 1], [50, 4])
    assert len(split(targets, 0, 0.2, 0.1, seed=1, folds=4, fold=3)["validation"])
    with pytest.raises(ConfigError, match=r"data.folds=5 is more than the 4 examples .* class number 1"):
        split(targets, 0, 0.2, 0.1, seed=1, folds=5, fold=0)


def test_a_larger_subset_holds_a_smaller() -> None:
    positions = np.arange(5, 105)
    small, large = subset(positions, 10, seed=1), subset(positions, 30, seed=1)
    assert len(small) == 10
    assert set(small) < set(large) < set(positions)
    assert not np.array_equal(small, subset(positions, 10, seed=2))


def test_an_official_test_set_stays_as_it_is() -> None:
    splits = split(np.tile([0, 1], 50), 20, 0.25, 0.5, seed=1)
    assert splits["test"].tolist() == list(range(80, 100))
    assert len(splits["validation"]) == 20


def order(seed: int, epoch: int, **arguments: Any) -> list[list[int]]:
    sampler = BatchSampler(np.arange(100), 16, seed, **arguments)
    sampler.set_epoch(epoch)
    return [positions.tolist() for _, positions in sampler]


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    assert order(1, 3) == order(1, 3)
    assert order(1, 3) != order(1, 4)
    assert order(1, 3) != order(2, 3)


def test_processes_share_each_batch_without_overlap() -> None:
    shares = [order(1, 0, rank=rank, processes=2) for rank in (0, 1)]
    assert [sorted(first + second) for first, second in zip(*shares, strict=True)] == [
        sorted(batch) for batch in order(1, 0)
    ]


def test_a_mapped_array_travels_to_a_worker_as_its_path(tmp_path: Path) -> None:
    values = np.arange(1_000_000).reshape(-1, 10)
    np.save(tmp_path / "values.npy", values)
    array = MappedArray(tmp_path / "values.npy")
    assert np.array_equal(array.rows(np.array([7, 3])), values[[7, 3]])
    sent = pickle.dumps(array)
    assert len(sent) < 1000
    assert np.array_equal(pickle.loads(sent).rows(np.array([5])), values[[5]])
