"""Raw files -> memory-mapped arrays and a manifest that says what they hold."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from hydra.utils import get_class

from ..config.schema import Data
from ..errors import ConfigError, DataError
from ..evaluation.stored import Tally
from ..files import file_digest, remove_left, sync_folder, working_folder, write_json
from ..runs.digest_cache import file_digests
from ..runs.imported import check_watched, code_of, libraries_of, module_of
from . import raw
from .arrays import write_header
from .chunk import as_stored, check_announced
from .examples import Chunk, Examples
from .shards import ShardWriter
from .splits import check_told, split_counts
from .told import ToldWriter

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
_VERSION = 1


def prepare(data: Data, raw_folder: Path, folder: Path) -> dict[str, Any]:
    """Fetch and check the raw files, convert them, and return the manifest.

    In a stage of DVC, raw files of the data that was there before are removed: its folder is the same for all data.
    `folder` is replaced only by a complete result: an error leaves it as it was. Other processes that prepare the same
    folder wait.

    Raises:
        ConfigError: some of the code lies where the stage of DVC that runs does not look, or `read` does not say what
            `data.split` needs.
        DataError: a raw file is missing, damaged or not the one named, or its content does not fit the configuration.
    """
    check_watched({f"data._target_={data._target_}": module_of(data._target_), "prepare.py": __name__})
    folder = _place(folder)
    before = _raw_files_of(folder)
    with _lock(folder):
        _recover(folder)
        manifest = _prepare(data, raw_folder, folder)
    if "DVC_STAGE" in os.environ:  # its folder holds one set of data, and other data is in DVC's cache
        for name in sorted(before - set(data.files)):
            (raw_folder / name).unlink(missing_ok=True)
    return manifest


def prepare_once(data: Data, raw_folder: Path, folder: Path) -> dict[str, Any]:
    """Return the manifest of a prepared folder, and prepare it first if no other process has.

    Raises:
        DataError: as in `prepare`.
    """
    remove_left(folder.parent, f".{escape(folder.name)}.*.part")
    if not _old(folder).exists() and (manifest := read_manifest(data, folder)):
        return manifest
    folder = _place(folder)
    with _lock(folder):
        _recover(folder)
        return read_manifest(data, folder) or _prepare(data, raw_folder, folder)


def _raw_files_of(folder: Path) -> set[str]:
    """Return the names of the raw files that a prepared folder was made from; of a damaged one, none.

    They will be removed, and anybody may have made that folder: a name that leads out of it is none.
    """
    try:
        names = set(map(Path, json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["settings"]["files"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return set()
    return {str(name) for name in names if not name.is_absolute() and ".." not in name.parts}


def _place(folder: Path) -> Path:
    """Return where a prepared folder lies: a link to another disk stays one, and what it leads to is replaced."""
    return folder.resolve() if folder.is_symlink() else folder


def _lock(folder: Path) -> FileLock:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(folder.with_name(f".{folder.name}.lock"))


def _prepare(data: Data, raw_folder: Path, folder: Path) -> dict[str, Any]:
    if folder.exists() and any(folder.iterdir()) and not (folder / MANIFEST).exists():
        raise DataError(
            f"paths.processed={folder} holds files that prepare.py did not write, or its {MANIFEST} was lost: name "
            "another folder, or remove this one if it holds nothing else"
        )
    raw.fetch(data, raw_folder)
    with working_folder(folder.parent, f".{folder.name}.", ".part", private=False) as part:
        examples = _read(data)(raw_folder)
        check_announced(examples, data)
        targets, shards, told = _write_arrays(examples, data, part)
        check_told(data.split, told.groups > 0, told.counts is not None)
        manifest = _describe(data, examples, targets, told, part)
        if data.shard_bytes is not None:
            manifest["shards"] = shards
        manifest["sha256"] = _own_digest(manifest)
        write_json(part / MANIFEST, manifest)
        _replace_folder(part, folder)
    log.info("prepared %s: %d examples, %s", folder, manifest["examples"], data.targets.words)
    return manifest


def _read(data: Data) -> Callable[[Path], Examples]:
    try:
        read: Callable[[Path], Examples] | None = getattr(get_class(data._target_), "read", None)
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"data._target_={data._target_} cannot be imported: name a class, as in package.module.Class "
            f"({' '.join(str(error).split())})"
        ) from error
    if read is None:
        raise ConfigError(
            f"data._target_={data._target_} has no read, which turns raw files into arrays: derive it from "
            "reproml.ArrayDataModule"
        )
    return read


def read_manifest(data: Data, folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a prepared folder, or None if it is missing, altered, or made in another way than now."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        recorded = {folder / name: file["sha256"] for name, file in manifest["files"].items()}
        whole = describes(manifest, data) and file_digests(recorded) == recorded
    except PermissionError as error:
        raise DataError(f"{error.filename} cannot be read: give yourself permission with chmod u+r") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return manifest if whole else None


def describes(manifest: dict[str, Any], data: Data) -> bool:
    """Whether a manifest describes data that was prepared with the same settings and code."""
    same_settings = manifest["version"] == _VERSION and manifest["settings"] == _settings(data)
    return same_settings and manifest.get("code") == _code(data) and manifest.get("sha256") == _own_digest(manifest)


def _own_digest(manifest: dict[str, Any]) -> str:
    """Return the SHA-256 of all that a manifest says, but for that itself: it can be damaged like any file."""
    said = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _code(data: Data) -> dict[str, str]:
    return code_of(module_of(data._target_), __name__)


def _settings(data: Data) -> dict[str, Any]:
    # what the arrays depend on; splits are drawn when they are read
    found = {"name": data.name, "_target_": data._target_, "files": data.files, **data.targets.settings()}
    if data.shard_bytes is not None:
        found |= {"shard_bytes": data.shard_bytes, "storage": data.storage}
    return found


def _write_arrays(examples: Examples, data: Data, folder: Path) -> tuple[Tally, dict[str, Any], ToldWriter]:
    """Write the arrays chunk by chunk, so that memory does not grow with the data.

    Returns what is to be said of the targets, a description of the shards, and what `read` says for the splits.
    """
    known = Tally(data.targets, examples.count - examples.test_count)
    with (
        ShardWriter(folder, examples, data) as inputs,
        (folder / "targets.npy").open("wb") as targets,
        ToldWriter(folder, examples.count, data._target_) as told,
    ):
        write_header(targets, np.dtype(data.targets.dtype), (examples.count,))
        for chunk in examples.chunks:
            chunk_inputs, chunk_targets = as_stored(chunk, examples, data)
            inputs.write(chunk_inputs, chunk_targets)
            targets.write(chunk_targets.tobytes())
            told.write(Chunk(*chunk))
            known.add(chunk_targets)
    if known.seen != examples.count:
        raise DataError(
            f"the raw files of data={data.name} announce {examples.count} examples but hold {known.seen}; fetch them "
            "again"
        )
    return known, inputs.description(), told


def _describe(data: Data, examples: Examples, targets: Tally, told: ToldWriter, folder: Path) -> dict[str, Any]:
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": file_digest(path)} for path in sorted(folder.iterdir())
    }
    return {
        "version": _VERSION,
        "settings": _settings(data),
        "code": _code(data),
        "libraries": libraries_of(module_of(data._target_)),
        "examples": examples.count,
        "input_shape": list(examples.shape),
        "input_dtype": examples.dtype,
        "official_test_examples": examples.test_count,
        **({"missing": True} if examples.missing else {}),
        **({"features": list(examples.features)} if examples.features else {}),
        **targets.described(),
        "splits": split_counts(
            targets.counts[0],
            targets.counts[1],
            data.validation_fraction,
            data.test_fraction,
            data.split,
            told.counts,
        ),
        **({"groups": told.groups} if told.groups else {}),
        "files": files,
    }


def _replace_folder(new: Path, folder: Path) -> None:
    sync_folder(new)
    if folder.exists():
        os.replace(folder, _old(folder))
    os.replace(new, folder)
    sync_folder(folder.parent)
    shutil.rmtree(_old(folder), ignore_errors=True)


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _recover(folder: Path) -> None:
    """Put the old output back if a kill came while it was replaced. The lock is held, so no other process does it."""
    if _old(folder).exists():
        if _old(folder).is_symlink():  # an earlier version moved a link away
            _old(folder).unlink()
        elif folder.exists():
            shutil.rmtree(_old(folder))
        else:
            os.replace(_old(folder), folder)
