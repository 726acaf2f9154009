"""Which files are read as examples, and where what is predicted goes: checked before NumPy and torch are loaded."""

from pathlib import Path

from ..errors import ConfigError, DataError

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
DELIMITERS = {".csv": ",", ".tsv": "\t"}
LINES = (".jsonl", ".ndjson")
KINDS = (*DELIMITERS, ".json", *LINES, ".txt", ".npy", *IMAGES)
FORMS = (".csv", ".jsonl")  # that are written


def check_places(source: Path, output: Path | None) -> list[Path]:
    """Return the files to read, before anything is loaded.

    Args:
        source: a file or a folder.
        output: the file to write; None: the console.

    Raises:
        ConfigError: the output is of another form, or would be read as an example.
        DataError: there is nothing to read.
    """
    files = files_of(source)
    if output is not None and output.suffix.lower() not in FORMS:
        raise ConfigError(f"--output {output} is neither CSV nor JSON lines: give a name that ends with .csv or .jsonl")
    if output is not None and output.resolve().is_relative_to(source.resolve()):
        raise ConfigError(f"--output {output} is among what is read: give it another place")
    return files


def files_of(path: Path) -> list[Path]:
    """Return a file, or all files in a folder, in the order of their names; those whose names begin with a dot are not.

    Raises:
        DataError: there is none, or one of a kind that cannot be read.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist: name a file or a folder of {_listed()}")
    found = [path]
    if path.is_dir():
        inside = [each for each in sorted(path.rglob("*")) if each.is_file()]
        found = [each for each in inside if not any(part.startswith(".") for part in each.relative_to(path).parts)]
    if not found:
        raise DataError(f"{path} holds no file: name a folder of {_listed()}")
    for each in found:
        if each.suffix.lower() not in KINDS:
            raise DataError(f"{each} cannot be read as examples: give {_listed()}")
    return found


def _listed() -> str:
    return f"{', '.join(KINDS[:-1])} or {KINDS[-1]}"
