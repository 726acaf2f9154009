"""Predictions for files of examples, written as CSV or JSON lines while they are computed."""

import codecs
import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from math import isfinite
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ..errors import ConfigError, DataError
from ..files import whole_file
from .places import check_places
from .predictor import Predictor
from .reading import Example, Reader
from .schemas import first_fault, prediction_type

_FILE = "file"  # the column that names it, where a folder is read


def predict_files(predictor: Predictor, source: Path, output: Path | None, size: int) -> int:
    """Write what the task says of each example, in their order, and return how many there are.

    Args:
        predictor: the model.
        source: a file, or a folder whose files are read in the order of their names.
        output: the file to write, which appears whole or not at all; None: CSV on the console, as it is computed.
        size: examples that the model gets at once.

    Raises:
        ConfigError: the task answers with something else than it declares.
        DataError: an example is not what the model takes, or its answer is not finite.
    """
    files = check_places(source, output)
    reader = Reader(predictor.inputs, predictor.interface)
    examples = chain.from_iterable(map(reader.read, files))
    rows = _answers(predictor, examples, size, source if source.is_dir() else None)
    if output is None:
        return _write(rows, source, _csv_writer(sys.stdout))
    writer = _csv_writer if output.suffix.lower() == ".csv" else _json_writer
    with whole_file(output) as stream:
        return _write(rows, source, writer(codecs.getwriter("utf-8")(stream)))


def _answers(
    predictor: Predictor, examples: Iterable[Example], size: int, folder: Path | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place of each example with what is said of it, in JSON's types."""
    prediction: Any = prediction_type(predictor.outputs)
    answers: TypeAdapter[list[Any]] = TypeAdapter(list[prediction])
    remaining = iter(examples)
    with _progress() as advance:
        while batch := list(islice(remaining, size)):
            said = predictor.predict([example.value for example in batch])
            for example, answer in zip(batch, said, strict=False):
                if not _finite(answer):
                    raise DataError(f"{example.place}: its numbers are too large for the network to compute with")
            try:
                plain = answers.dump_python(answers.validate_python(said), mode="json")
            except ValidationError as error:
                first = first_fault(error)
                place = ".".join(str(part) for part in first["loc"][1:])
                raise ConfigError(
                    f"predict of the task answers with another {place} than it declares ({first['msg']})"
                ) from error
            if len(plain) != len(batch):
                raise ConfigError(
                    f"predict of the task gives {len(plain)} answers for {len(batch)} inputs: let it give one for each"
                )
            for example, row in zip(batch, plain, strict=True):
                named = {_FILE: example.file.relative_to(folder).as_posix()} if folder else {}
                yield example.place, {**named, **row}
            advance(len(batch))


def _finite(answer: Any) -> bool:
    if isinstance(answer, dict):
        return all(map(_finite, answer.values()))
    if isinstance(answer, list | tuple):
        return all(map(_finite, answer))
    return not isinstance(answer, float) or isfinite(answer)


def _write(
    rows: Iterable[tuple[str, dict[str, Any]]], source: Path, write: Callable[[str, dict[str, Any]], None]
) -> int:
    count = 0
    for place, row in rows:
        write(place, row)
        count += 1
    if not count:
        raise DataError(f"{source} holds no example: give at least one")
    return count


def _json_writer(stream: Any) -> Callable[[str, dict[str, Any]], None]:
    def write(place: str, row: dict[str, Any]) -> None:
        stream.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")

    return write


def _csv_writer(stream: Any) -> Callable[[str, dict[str, Any]], None]:
    """Return what writes a row; those in a dictionary have columns of their own, and a list is a text in JSON."""
    writer = csv.writer(stream, lineterminator="\n")
    columns: list[str] = []

    def write(place: str, row: dict[str, Any]) -> None:
        cells = dict(_cells(row))
        if not columns:
            columns.extend(cells)
            writer.writerow(columns)
        if list(cells) != columns:
            [other, *_] = sorted(cells.keys() ^ set(columns)) or columns
            raise DataError(f"{place} is answered with other columns than those before it ({other}): write JSON lines")
        writer.writerow(cells.values())

    return write


def _cells(row: dict[str, Any], group: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, dict):
            yield from _cells(value, f"{group}{name}.")
        else:
            yield f"{group}{name}", json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """Yield what counts examples; a terminal shows them."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    words = (SpinnerColumn(), TextColumn("{task.completed} examples"))
    with Progress(*words, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda count: bar.advance(task, count)
