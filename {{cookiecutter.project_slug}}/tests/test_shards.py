"""Shards and windows: the same rows wherever they lie, and an order that is a function of seed and epoch."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reproml import Examples
from reproml.arrays.arrays import MappedArray, MappedShards
from reproml.arrays.sampler import BatchSampler
from reproml.arrays.shards import ShardWriter
from reproml.arrays.statistics import mean_and_deviation
from reproml.arrays.stream import StreamedShards, fetch_manifest
from reproml.arrays.windows import Window, WindowedOrder
from reproml.config.check import check
from reproml.errors import DataError

from .conftest import PLAIN, composed

INPUTS = np.random.default_rng(0).integers(0, 256, (1000, 1, 4, 4)).astype(np.uint8)


def written(folder: Path, *overrides: str) -> ShardWriter:
    """Write INPUTS as shards, in chunks that do not fit to them."""
    examples = Examples(len(INPUTS), INPUTS.shape[1:], "uint8", 0, iter([]))
    with ShardWriter(folder, examples, check(composed(*PLAIN, "data=digits", *overrides)).data) as writer:
        for start in range(0, len(INPUTS), 70):
            chunk = INPUTS[start : start + 70]
            writer.write(chunk, np.arange(start, start + len(chunk)))
    return writer


@pytest.mark.parametrize(("shard_bytes", "files"), [(1, 1000), (16 * 64, 16), (16 * 1000, 1)])
def test_rows_and_statistics_are_the_same_for_any_size(tmp_path: Path, shard_bytes: int, files: int) -> None:
    size = written(tmp_path, f"data.shard_bytes={shard_bytes}").size
    paths = sorted(tmp_path.glob("inputs*.npy"))
    assert len(paths) == files
    shards, positions = MappedShards(paths, size), np.array([999, 0, 64, 63, 500, 0])
    assert np.array_equal(shards.rows(positions), INPUTS[positions])
    assert shards.rows(positions[:0]).shape == (0, 1, 4, 4)
    train = np.arange(0, 1000, 3)
    np.save(tmp_path / "whole.npy", INPUTS)
    found, whole = mean_and_deviation(shards, train), mean_and_deviation(MappedArray(tmp_path / "whole.npy"), train)
    assert [part.tobytes() for part in found] == [part.tobytes() for part in whole]
    assert np.allclose(found[1], INPUTS[train].std())


def test_one_file_is_what_numpy_writes(tmp_path: Path) -> None:
    written(tmp_path)
    assert np.array_equal(np.load(tmp_path / "inputs.npy"), INPUTS)


def test_a_stream_gives_the_rows_and_refuses_others(tmp_path: Path) -> None:
    pytest.importorskip("datasets", reason="the extra `stream` is not installed")
    writer = written(tmp_path, "data.shard_bytes=1600", "data.window=2", "data.storage=arrow")
    manifest: dict[str, Any] = {
        "files": sorted(path.name for path in tmp_path.iterdir()),
        "shards": writer.description(),
        "examples": 1000,
        "input_shape": [1, 4, 4],
        "input_dtype": "uint8",
    }
    stream, positions = StreamedShards(str(tmp_path), manifest, kept=2), np.array([999, 0, 64, 100, 500, 0])
    assert np.array_equal(stream.rows(positions), INPUTS[positions])
    manifest["shards"]["content_sha256"][3] = "0" * 64
    with pytest.raises(DataError, match=r"inputs-00003.arrow is not the file that manifest.json names"):
        StreamedShards(str(tmp_path), manifest, kept=2).rows(np.array([301]))


def test_an_address_of_other_data_is_refused(tmp_path: Path) -> None:
    data = check(composed(*PLAIN, "data=digits")).data
    data.remote, settings = str(tmp_path), {"name": data.name, "shard_bytes": 1600}
    (tmp_path / "manifest.json").write_text(json.dumps({"version": 1, "settings": settings}))
    with pytest.raises(DataError, match=r"data.remote=.* holds data that was prepared with other settings"):
        fetch_manifest(data)


def windowed(seed: int, epoch: int, start: tuple[int, int] = (0, 0)) -> list[list[int]]:
    # every third example of shards of 40, of which the batches leave out the last, incomplete one
    sampler = BatchSampler(np.arange(0, 1000, 3), 16, seed, start=start, window=Window(2, 40))
    sampler.set_epoch(epoch)
    return [positions.tolist() for _, positions in sampler]


def test_windows_follow_seed_and_epoch_and_can_be_entered_anywhere() -> None:
    assert windowed(1, 3) == windowed(1, 3)
    assert windowed(1, 3) != windowed(1, 4)
    assert windowed(1, 3) != windowed(2, 3)
    for batch in range(20):
        assert windowed(1, 3, start=(3, batch)) == windowed(1, 3)[batch:]


def test_a_window_holds_whole_shards_and_an_epoch_every_example() -> None:
    positions = np.arange(0, 1000, 3)
    order = WindowedOrder(positions, Window(2, 40), seed=1, epoch=0)[0:1000]
    assert sorted(order) == positions.tolist()
    assert not np.array_equal(order, positions)
    shards = dict.fromkeys((order // 40).tolist())  # in the order of their first example
    first = list(shards)[:2]
    members = [position for position in positions if position // 40 in first]
    assert sorted(order[: len(members)]) == members
