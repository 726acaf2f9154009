"""Copies of this template, as the tests change them."""

import shutil
import subprocess
from pathlib import Path

from conftest import ROOT


def copy_of_the_template(folder: Path) -> Path:
    """Copy what git knows or would add, as it stands in the working tree."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():  # a file that was removed is still known
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder, by its path in it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
