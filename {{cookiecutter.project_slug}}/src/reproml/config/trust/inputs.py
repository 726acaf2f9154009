"""The inputs that the folder of a run asks for: they would be read, and their digests written into a record."""

from pathlib import Path

from ...errors import ConfigError
from .flag import FLAG, given
from .names import named, short


def check_inputs(inputs: dict[str, str], source: Path, project: Path = Path()) -> None:
    """Refuse to read what only the folder of a run names, unless it lies in this project.

    The digest in a record can reveal the content of a file, if only few contents are possible. Files that are
    named like those that keep secrets are refused whoever asks for them, see combinations.py.

    Args:
        inputs: name -> path.
        source: the file that they come from.
        project: which they may lie in, and whose configs/ may name others.

    Raises:
        ConfigError: an input lies elsewhere, and `--trust` was not given.
    """
    if given():
        return
    known, root = named((project / "configs").resolve()), project.resolve()
    for name, path in inputs.items():
        if not (root / path).resolve().is_relative_to(root) and (name, path) not in known:
            raise ConfigError(
                f"{source} asks to read inputs.{name}={short(path)}, which is outside of this project, and which no "
                f"file in configs/ names: add {FLAG} if you trust its author"
            )
