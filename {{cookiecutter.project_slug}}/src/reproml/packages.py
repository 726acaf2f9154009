"""The packages of this project, the user's and this one, and the versions of others."""

import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path


def own_packages(project: Path = Path()) -> dict[str, Path]:
    """Return the folder of each package of a project, by its name.

    They are in src/. Where there is no src/, as in an image, they are what is installed under the project's name, and
    this package.
    """
    source = project / "src"
    if source.is_dir():
        return {path.parent.name: path.parent for path in sorted(source.glob("*/__init__.py"))}
    here = Path(__file__).parent
    return {**_installed((project / "pyproject.toml").resolve()), here.name: here}


def users_package(project: Path = Path()) -> str:
    """Return the name of the user's package of a project, under which its commands run; without one, of this one."""
    here = Path(__file__).parent.name
    return next((name for name in own_packages(project) if name != here), here)


def installed_version(name: str) -> str | None:
    """Return the version of a package as it is installed, such as `2.13.0+cpu`; None if it is not."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def extra(name: str, project: Path = Path()) -> list[str]:
    """Return the pins of an extra, as pyproject.toml has them."""
    data = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    return list(data["project"].get("optional-dependencies", {}).get(name, []))


@cache  # every import that is looked up asks for it
def _installed(pyproject: Path) -> dict[str, Path]:
    try:
        name = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["name"]
        files = distribution(name).files or []
    except (OSError, KeyError, tomllib.TOMLDecodeError, PackageNotFoundError):
        return {}
    roots = [file for file in files if len(file.parts) == 2 and file.name == "__init__.py"]
    return {file.parts[0]: Path(str(file.locate())).parent for file in roots}
