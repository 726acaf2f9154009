"""Croissant: the data described for machines, by the library of MLCommons (https://docs.mlcommons.org/croissant)."""

import mimetypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlcroissant as mlc
import numpy as np

from ..config.schema import Data
from ..errors import CardError
from ..runs.digest_cache import file_digests
from .sources import Source

_VERSION = "http://mlcommons.org/croissant/1.1"
_NPY = "https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html"  # the format has no media type
_KINDS = {".npy": ("A NumPy array", _NPY), ".arrow": ("An Arrow table", "application/vnd.apache.arrow.stream")}


def describe(
    data: Data,
    source: Source,
    version: str,
    manifest: dict[str, Any],
    targets: dict[str, Any],
    raw: Path,
    processed: Path,
    folder: Path,
) -> dict[str, Any]:
    """Return the description as JSON-LD, validated.

    The raw files and the arrays are its files. Its record sets are the names that the targets stand for, if there are
    some, the splits, and the two arrays: the whole inputs and the whole targets, which belong together row by row.

    Args:
        data: the checked configuration.
        source: who made the data.
        version: of this project, which prepares it.
        manifest: of the prepared data.
        targets: what is said of them, by name.
        raw: the folder of the raw files.
        processed: the folder of the arrays.
        folder: the folder of the description; addresses of local files are relative to it.

    Raises:
        CardError: it is not valid.
    """
    context = mlc.Context(conforms_to=_VERSION)
    return _described(
        context,
        data.name,
        source,
        version,
        lambda: _raw_files(context, data, raw, folder) + _arrays(context, manifest, processed, folder),
        lambda: _record_sets(context, data, manifest, targets, processed),
    )


def describe_own(name: str, source: Source, version: str, files: dict[str, str], folder: Path) -> dict[str, Any]:
    """Return the description of data that a user's own class reads: of the files, as only it knows the records.

    Args:
        name: of the data.
        source: who made the data.
        version: of this project.
        files: SHA-256 by path.
        folder: the folder of the description.

    Raises:
        CardError: it is not valid.
    """
    context = mlc.Context(conforms_to=_VERSION)
    return _described(
        context,
        name,
        source,
        version,
        lambda: [_file(context, Path(path), folder, files[path]) for path in files],
        list,
    )


def _described(
    context: mlc.Context,
    name: str,
    source: Source,
    version: str,
    distribution: Callable[[], list[mlc.FileObject]],
    record_sets: Callable[[], list[mlc.RecordSet]],
) -> dict[str, Any]:
    try:
        metadata = mlc.Metadata(
            ctx=context,
            name=name,
            description=source.description or source.title,
            license=[f"https://spdx.org/licenses/{source.license}.html"] if source.license else None,
            url=source.address,
            creators=[mlc.Person(ctx=context, name=creator) for creator in source.creators],
            date_published=source.published,
            cite_as=source.citation,
            version=version,
            distribution=distribution(),
            record_sets=record_sets(),
        )
        jsonld: dict[str, Any] = metadata.to_json()
        jsonld["@context"].pop("@base", None)  # a placeholder inside the library
    except (mlc.ValidationError, ValueError) as error:
        raise _invalid(error) from error
    validate(jsonld)
    return jsonld


def validate(jsonld: dict[str, Any]) -> None:
    """Read a description as any other program would.

    Raises:
        CardError: it is not valid Croissant.
    """
    try:
        mlc.Dataset(jsonld=jsonld)
    except (mlc.ValidationError, ValueError) as error:
        raise _invalid(error) from error


def _invalid(error: Exception) -> CardError:
    reason = " ".join(str(error).split())
    return CardError(f"the description of the data is not valid Croissant: {reason}; fix data/sources.yaml")


def _raw_files(context: mlc.Context, data: Data, raw: Path, folder: Path) -> list[mlc.FileObject]:
    archives = data.archives if "://" in data.source else {}
    here = file_digests(raw / name for name in data.files if not archives.get(name))
    files = []
    for name in data.files:
        served = archives.get(name)
        file = _file(context, raw / name, folder, served or here[raw / name], name)
        if "://" in data.source:
            file.content_url = f"{data.source.rstrip('/')}/{name}"
        if served:
            # the file here may come from a mirror that compresses in another way: its size need not be that one's
            file.content_size = None
        files.append(file)
    return files


def _file(context: mlc.Context, path: Path, folder: Path, digest: str, name: str | None = None) -> mlc.FileObject:
    kind, compression = mimetypes.guess_type(path.name)
    return mlc.FileObject(
        ctx=context,
        id=name or path.as_posix(),
        name=name or path.name,
        description="A raw file.",
        content_url=_relative(path, folder),
        content_size=f"{path.stat().st_size} B",
        encoding_formats=[kind or ("application/gzip" if compression else "application/octet-stream")],
        sha256=digest,
    )


def _arrays(context: mlc.Context, manifest: dict[str, Any], processed: Path, folder: Path) -> list[mlc.FileObject]:
    return [
        mlc.FileObject(
            ctx=context,
            id=name,
            name=name,
            description=f"{kind} that prepare.py made from the raw files.",
            content_url=_relative(processed / name, folder),
            content_size=f"{file['bytes']} B",
            encoding_formats=[encoding],
            sha256=file["sha256"],
        )
        for name, file in manifest["files"].items()
        for kind, encoding in [_KINDS[Path(name).suffix]]
    ]


def _record_sets(
    context: mlc.Context, data: Data, manifest: dict[str, Any], said: dict[str, Any], processed: Path
) -> list[mlc.RecordSet]:
    count, shape = manifest["examples"], manifest["input_shape"]
    inputs = _array(context, "inputs", manifest["input_dtype"], [count, *shape])
    dtype = str(np.load(processed / "targets.npy", mmap_mode="r").dtype)
    quantity = ", ".join(f"{name}: {value}" for name, value in said.items() if isinstance(value, str))
    targets = _array(context, "targets", dtype, [count], quantity)
    named = {
        name: [{f"{name}/number": number, f"{name}/name": each} for number, each in enumerate(value)]
        for name, value in said.items()
        if isinstance(value, list)
    }
    counts = manifest["splits"] or {}  # none where they depend on the seed
    splits = [{"splits/name": name, "splits/examples": examples} for name, examples in counts.items()]
    drawn = "; the seed draws which" if data.split not in ("contiguous", "given") else ""
    return [
        *(
            _table(context, name, "What the numbers in the targets stand for.", "number", rows)
            for name, rows in named.items()
        ),
        *([_table(context, "splits", f"How many examples are for what{drawn}.", "name", splits)] if splits else []),
        *([inputs] if "inputs.npy" in manifest["files"] else []),  # shards are files alone
        targets,
    ]


def _table(context: mlc.Context, name: str, text: str, key: str, rows: list[dict[str, Any]]) -> mlc.RecordSet:
    fields = [
        mlc.Field(
            ctx=context,
            id=column,
            name=column.partition("/")[2],
            data_types=[mlc.DataType.INTEGER if isinstance(value, int) else mlc.DataType.TEXT],
        )
        for column, value in rows[0].items()
    ]
    return mlc.RecordSet(
        ctx=context, id=name, name=name, description=text, key=[f"{name}/{key}"], fields=fields, data=rows
    )


def _array(context: mlc.Context, name: str, dtype: str, shape: list[int], about: str = "") -> mlc.RecordSet:
    """Return a record set of one record: the whole array of the file of that name."""
    field = mlc.Field(
        ctx=context,
        id=f"{name}/array",
        name="array",
        description=f"One row for each example{'; ' + about if about else ''}.",
        data_types=[getattr(mlc.DataType, dtype.upper())],
        is_array=True,
        array_shape=",".join(map(str, shape)),
        source=mlc.Source(
            ctx=context, file_object=f"{name}.npy", extract=mlc.Extract(ctx=context, file_property="content")
        ),
    )
    return mlc.RecordSet(ctx=context, id=name, name=name, description=f"The array {name}.npy.", fields=[field])


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()
