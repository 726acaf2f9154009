"""The prepared data, opened for reading: one mapped file, mapped shards, or a stream of shards."""

import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..config.schema import Config, Data
from ..packages import installed_version
from .arrays import InMemoryArray, MappedArray, MappedShards, Shards
from .prepare import prepare_once
from .splits import split, subset
from .stream import StreamedShards, fetch_array, fetch_manifest
from .told import TOLD, read_told

log = logging.getLogger(__name__)

Inputs = MappedArray | Shards
Targets = MappedArray | InMemoryArray


class Opened(NamedTuple):
    """What the batches are read from."""

    manifest: dict[str, Any]
    inputs: Inputs
    targets: Targets
    groups: np.ndarray | None  # the group of each example (n,), as `read` says it
    splits: np.ndarray | None  # the split of each example (n,), likewise


def open_prepared(data: Data, raw: Path, folder: Path) -> Opened:
    """Return the data in `folder`, prepared first where it is not, or at the address `data.remote`.

    Raises:
        DataError: it cannot be prepared or read.
    """
    if data.remote is not None:
        manifest = fetch_manifest(data)
        targets = fetch_array(data.remote, "targets.npy", manifest)
        told = [fetch_array(data.remote, name, manifest).open() if name in manifest["files"] else None for name in TOLD]
        return Opened(manifest, StreamedShards(data.remote, manifest, data.window or 1), targets, *told)
    manifest = prepare_once(data, raw, folder)
    _name_other_libraries(manifest, folder)
    return Opened(manifest, _inputs(data, folder, manifest), MappedArray(folder / "targets.npy"), *read_told(folder))


def splits_of(config: Config, opened: Opened) -> dict[str, np.ndarray]:
    """Return the positions of the examples in each split of opened data."""
    data = config.data
    splits = split(
        np.asarray(opened.targets.open()),
        opened.manifest["official_test_examples"],
        data.validation_fraction,
        data.test_fraction,
        config.seed,
        data.folds,
        data.fold,
        strategy=data.split,
        groups=opened.groups,
        given=opened.splits,
    )
    if data.train_examples is not None:
        splits["train"] = subset(splits["train"], data.train_examples, config.seed)
    return splits


def _inputs(data: Data, folder: Path, manifest: dict[str, Any]) -> Inputs:
    if data.storage == "arrow":
        return StreamedShards(str(folder), manifest, data.window or 1)
    paths = [folder / name for name in manifest["files"] if name.startswith("inputs")]
    if len(paths) == 1:
        return MappedArray(paths[0])
    # windows want all rows of a shard, one after the other
    return MappedShards(paths, manifest["shards"]["examples"], read_ahead=data.window is not None)


def _name_other_libraries(manifest: dict[str, Any], folder: Path) -> None:
    """Name the libraries of the reader that have another version now: they may read other values from the same files.

    The data is used as it is, and the record has its digests. Earlier versions did not note the libraries.
    """
    changed = []
    for name, before in manifest.get("libraries", {}).items():
        now = installed_version(name) or "not installed"
        if now != before:
            changed.append(f"{name} {before} (now {now})")
    if changed:
        log.warning("%s was prepared with %s: remove that folder to prepare it again", folder, ", ".join(changed))
