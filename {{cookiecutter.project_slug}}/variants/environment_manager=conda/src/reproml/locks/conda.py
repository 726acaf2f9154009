"""The environment that conda makes, written from pyproject.toml: `python -m reproml.locks.conda`."""

import argparse
import tomllib
from pathlib import Path
from typing import Any

from ..files import write_text
from .lock import conda_names, pins, python_version, requirements

_PIP = "pip=26.3"


def environment(pyproject: dict[str, Any], extras: list[str]) -> str:
    """Return environment.yml: Python, the packages that conda installs, and then all others by pip.

    Args:
        pyproject: the content of pyproject.toml.
        extras: the extras to install besides what the package and its development need.
    """
    groups = requirements(pyproject)
    items = [item for group in ("dependencies", *extras, "dev") for item in groups[group]]
    names, python = conda_names(pyproject), python_version(pyproject)
    by_conda = [f"python={python}" if python else f"python{pyproject['project']['requires-python']}", _PIP]
    by_pip = []
    for item in items:
        [(name, version)] = pins([item]).items()
        if name not in names:
            by_pip.append(item)
        else:
            by_conda.append(f"{names[name]}={version}" if version else names[name])
    lines = [
        "# Written by `make lock` from pyproject.toml, which says what conda-forge has to give; pip gives the rest.",
        f"name: {pyproject['project']['name']}",
        "channels:",
        "  - conda-forge",
        "  - nodefaults",
        "dependencies:",
        *(f"  - {spec}" for spec in by_conda),
        "  - pip:",
        *(f"      - {item}" for item in by_pip),
        "      - --editable .",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write environment.yml into this folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extra", action="append", default=[], help="an extra to install too")
    pyproject = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    write_text(Path("environment.yml"), environment(pyproject, parser.parse_args().extra))


if __name__ == "__main__":
    main()
