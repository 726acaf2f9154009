"""Examples from files: CSV, JSON, lines of text, NumPy's arrays and images, one after the other."""

import base64
import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from ..errors import DataError
from ..models.interface import Interface
from .inputs import Inputs, stored
from .places import DELIMITERS, LINES
from .schemas import first_fault

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # what Pillow calls images of so many channels
_MISSING = ("", "NA", "N/A", "NaN", "nan", "?")  # texts that stand for a missing number


@dataclass(frozen=True)
class Example:
    """One input, as the model takes it, and where it stands.

    Args:
        file: that holds it.
        place: the same with its line, for sentences.
        value: of it.
    """

    file: Path
    place: str
    value: Any


class Reader:
    """Reads what a model takes.

    Args:
        inputs: what it takes, as it is declared.
        interface: of prepared arrays; None: of a task of the user's own.
    """

    def __init__(self, inputs: Inputs, interface: Interface | None) -> None:
        self.inputs, self.interface = inputs, interface
        self._type: TypeAdapter[Any] = TypeAdapter(inputs.item)
        schema = self._type.json_schema()
        if "$ref" in schema:
            schema = {**schema, **schema["$defs"][schema["$ref"].rpartition("/")[2]]}
        self._schema = schema

    def read(self, file: Path) -> Iterator[Example]:
        """Yield the examples of a file, each checked, and no more of it in memory than one of them, but of `.json`.

        Raises:
            DataError: the file cannot be read, or an example is not what the model takes.
        """
        kind = file.suffix.lower()
        try:
            if kind in DELIMITERS:
                yield from self._table(file, DELIMITERS[kind])
            elif kind in LINES:
                yield from self._json_lines(file)
            elif kind == ".json":
                yield from self._json(file)
            elif kind == ".txt":
                yield from self._text(file)
            elif kind == ".npy":
                yield from self._array(file)
            else:
                yield from self._image(file)
        except UnicodeDecodeError as error:
            raise DataError(f"{file} is not text in UTF-8 ({error.reason}): save it so") from error
        except OSError as error:
            raise DataError(f"{file} cannot be read ({error.strerror or error}): fetch it again") from error

    def _checked(self, file: Path, place: str, check: Callable[[Any], Any], value: Any) -> Example:
        try:
            return Example(file, place, check(value))
        except ValidationError as error:
            first = first_fault(error)
            where = "".join(f"[{part}]" if isinstance(part, int) else f" {part}" for part in first["loc"])
            raise DataError(f"{place}{where}: {first['msg']}; {self._wanted()}") from None

    def _wanted(self) -> str:
        return f"give {self.inputs.words}" if self.interface else "docs/predict.md says how files are read"

    def _table(self, file: Path, delimiter: str) -> Iterator[Example]:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(stream, delimiter=delimiter, strict=True)
            header: list[str] | None = None
            read: Callable[[list[str]], Any] = list
            try:
                for row in rows:
                    place = f"{file}, line {rows.line_num}"
                    if header is None and row:
                        header = [name.strip() for name in row]
                        read, is_header = self._columns(header, place)
                        if is_header:
                            continue
                    if header is None or not row:
                        continue
                    if len(row) != len(header):
                        raise DataError(f"{place} has {len(row)} values, not {len(header)}: correct that line")
                    yield self._checked(file, place, self._type.validate_python, read(row))
            except csv.Error as error:
                raise DataError(f"{file}, line {rows.line_num} is not CSV ({error}): correct that line") from None

    def _columns(self, header: list[str], place: str) -> tuple[Callable[[list[str]], Any], bool]:
        """Return what makes an example of a row, and whether the first row names the columns."""
        if self.interface is None:
            return self._own_columns(header, place)
        number = float if np.dtype(self.interface.input_dtype).kind == "f" else int
        shape, names = self.interface.input_shape, self.interface.features
        if names:
            if missing := [name for name in names if name not in header]:
                raise DataError(f"{place} names no column {missing[0]}: name the columns {', '.join(names)}")
            at = [header.index(name) for name in names]
        else:
            at = list(range(prod(shape)))
            if len(header) != len(at):
                raise DataError(
                    f"{place} has {len(header)} columns, not {len(at)}: give one for each number of an example of the "
                    f"shape {' x '.join(map(str, shape))}, in their order"
                )

        def read(row: list[str]) -> Any:
            return _shaped([_number(row[place].strip(), number) for place in at], shape)

        return read, bool(names) or not all(_is_number(cell) for cell in header)

    def _own_columns(self, header: list[str], place: str) -> tuple[Callable[[list[str]], Any], bool]:
        kind = self._schema.get("type")
        if kind == "object":
            known = self._schema.get("properties", {})
            required = self._schema.get("required", [])
            if missing := [name for name in required if name not in header]:
                raise DataError(f"{place} names no column {missing[0]}: name the columns {', '.join(known)}")

            def read(row: list[str]) -> Any:
                cells = {name: cell for name, cell in zip(header, row, strict=True) if name in known or not known}
                text = {name for name in cells if known.get(name, {}).get("type") == "string"}
                given = {name: cell for name, cell in cells.items() if cell or name in text}
                return {**given, **{name: None for name in cells if name not in given and name in required}}

            return read, True
        if kind == "array":
            return list, not all(_is_number(cell) for cell in header)
        if len(header) != 1:
            raise DataError(f"{place} has {len(header)} columns, and the model takes one value: give one column")
        return (lambda row: row[0]), True

    def _json_lines(self, file: Path) -> Iterator[Example]:
        with file.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield self._checked(file, f"{file}, line {number}", self._type.validate_json, line)

    def _json(self, file: Path) -> Iterator[Example]:
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{file} is not JSON ({error}): correct it") from None
        listed = found.get("inputs") if isinstance(found, dict) else found
        if not isinstance(listed, list):
            raise DataError(f"{file} holds no list of examples: give one, or an object whose key `inputs` is one")
        for number, value in enumerate(listed, 1):
            text = json.dumps(value)  # as of the server: JSON's types, and no others
            yield self._checked(file, f"{file}, example {number}", self._type.validate_json, text)

    def _text(self, file: Path) -> Iterator[Example]:
        if self.interface is not None or self._schema.get("type") != "string":
            raise DataError(f"{file} holds text, which the model does not take: {self._wanted()}")
        with file.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, 1):
                place = f"{file}, line {number}"
                yield self._checked(file, place, self._type.validate_python, line.removesuffix("\n"))

    def _array(self, file: Path) -> Iterator[Example]:
        try:
            found = np.load(file, mmap_mode="r", allow_pickle=False)
        except (EOFError, ValueError):
            raise DataError(f"{file} is no array of numbers: write it with numpy.save") from None
        if not found.ndim:
            raise DataError(f"{file} holds a single number: give an array whose first dimension counts the examples")
        for number, value in enumerate(found):
            yield self._numbers(file, f"{file}, example {number + 1}", value)

    def _image(self, file: Path) -> Iterator[Example]:
        if self.interface is None and self._schema.get("format") == "base64":
            text = base64.b64encode(file.read_bytes())
            yield self._checked(file, str(file), self._type.validate_python, text)
            return
        shape = self.interface.input_shape if self.interface else ()
        if self.interface is None or len(shape) != 3 or shape[0] not in _MODES or self.interface.input_dtype != "uint8":
            raise DataError(
                f"{file} is an image, and the model does not take images of 8 bits a channel: {self._wanted()}"
            )
        from PIL import Image, UnidentifiedImageError  # comes with matplotlib

        try:
            with Image.open(file) as image:
                pixels = np.asarray(image.convert(_MODES[shape[0]])).reshape(image.height, image.width, shape[0])
        except (UnidentifiedImageError, SyntaxError, Image.DecompressionBombError):
            raise DataError(f"{file} is no image that can be read: fetch it again") from None
        if pixels.shape[:2] != shape[1:]:
            raise DataError(
                f"{file} is {pixels.shape[1]} x {pixels.shape[0]} pixels, and the model takes {shape[2]} x {shape[1]}: "
                "prepare it as the training data were"
            )
        yield self._numbers(file, str(file), pixels.transpose(2, 0, 1))

    def _numbers(self, file: Path, place: str, value: np.ndarray) -> Example:
        if self.interface is None:
            return self._checked(file, place, self._type.validate_python, value.tolist())
        try:
            return Example(file, place, stored(self.interface, value[None])[0])
        except DataError as error:
            raise DataError(f"{place}: {error}") from None


def _number(text: str, kind: type[int] | type[float]) -> Any:
    """Return a text as a number, None where one is missing, and what is no number as it is: the check says so."""
    try:
        return None if text in _MISSING else kind(text)
    except ValueError:
        return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text.strip() in _MISSING
    return True


def _shaped(values: list[Any], shape: tuple[int, ...]) -> Any:
    """Return a list of numbers as lists in lists of a shape."""
    for length in reversed(shape[1:]):
        values = [values[start : start + length] for start in range(0, len(values), length)]
    return values
