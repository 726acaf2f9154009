"""Whether the lock is that of pyproject.toml: each direct package is in it, at the version that is pinned there.

`python -m reproml.locks.lock` needs nothing but Python, so that `make setup` can ask before it installs.
"""

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# What each manager's files hold of pyproject.toml. Of these managers, a project has the files of one.
_RUNTIME, _DEVELOPMENT = "dependencies", "dev"
_MANAGERS = (
    {
        "requirements.in": (_RUNTIME,),
        "requirements.txt": (_RUNTIME,),
        "requirements-dev.in": (_DEVELOPMENT,),
        "requirements-dev.txt": (_DEVELOPMENT,),
    },
    {"uv.lock": (_RUNTIME, _DEVELOPMENT)},
    {"poetry.lock": (_RUNTIME, _DEVELOPMENT)},
    {"environment.yml": (_RUNTIME, _DEVELOPMENT)},
)
_APART = {"requirements.txt": {"torch"}}  # pip installs it first, from the index of its build
_LISTS = ("requirements.in", "requirements-dev.in", "environment.yml")  # hold nothing but direct packages
_REQUIREMENT = re.compile(r"([\w.-]+)\s*(?:\[[^]]*\])?\s*(?:==\s*([^\s;,*]+)\s*(?:;.*)?$)?")
_ENTRY = re.compile(r"^(?: +- )?([\w.-]+)(?:\[[^]]*\])? *(?:={1,2} *([\w.!+]+)|[<>~!@])", re.MULTILINE)


def disagreements(project: Path) -> list[str]:
    """Return what the lock in a folder holds otherwise than its pyproject.toml asks for; nothing if they agree."""
    pyproject = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    files = next((files for files in _MANAGERS if any((project / name).exists() for name in files)), None)
    if files is None:
        return ["there is none"]
    return [item for name, groups in files.items() for item in _disagreements(project / name, pyproject, groups)]


def requirements(pyproject: dict[str, Any]) -> dict[str, list[str]]:
    """Return the direct requirements: those of the package itself, of each extra, and those for development."""
    package = pyproject["project"]
    development = pyproject.get("dependency-groups", {}).get("dev", [])
    return {_RUNTIME: package["dependencies"], **package.get("optional-dependencies", {}), _DEVELOPMENT: development}


def pins(items: Iterable[str]) -> dict[str, str | None]:
    """Return the version that each requirement pins exactly, None where it leaves a choice, by normal name."""
    found = (_REQUIREMENT.match(item.strip()) for item in items)
    return {normal(match[1]): match[2] for match in found if match}


def normal(name: str) -> str:
    """Return the name under which indexes know a package (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def conda_names(pyproject: dict[str, Any]) -> dict[str, str]:
    """Return the packages that conda installs, by normal name, with the name that each has there."""
    tables = pyproject.get("tool", {}).get("reproml", {})
    return {normal(name): there for name, there in tables.get("conda", {}).items()}


def python_version(pyproject: dict[str, Any]) -> str | None:
    """Return the Python that is required, as in 3.11, or None where there is a choice."""
    match = re.fullmatch(r"==\s*(\d+\.\d+)\.\*", pyproject["project"]["requires-python"])
    return match and match[1]


def _disagreements(lock: Path, pyproject: dict[str, Any], groups: tuple[str, ...]) -> list[str]:
    if not lock.exists():
        return [f"{lock.name} is missing"]
    held = _held(lock, pyproject)
    wanted: dict[str, str | None] = {}
    for group, items in requirements(pyproject).items():
        extra = group not in (_RUNTIME, _DEVELOPMENT)
        # nothing names the chosen extras: one is chosen if any of its packages is there
        if group in groups or (extra and _RUNTIME in groups and pins(items).keys() & held.keys()):
            wanted.update(pins(items))
    if lock.suffix == ".yml":
        wanted |= {"python": python_version(pyproject), "pip": None}  # conda installs these two as well
    found = []
    for name, version in wanted.items():
        if name in _APART.get(lock.name, ()):
            continue
        if name not in held:
            found.append(f"{lock.name} lacks {name}")
        elif version is not None and version not in held[name]:
            found.append(f"{lock.name} holds {name} {' and '.join(sorted(held[name]))} instead of {version}")
    if lock.name in _LISTS:
        found += [f"{lock.name} holds {name}, which pyproject.toml does not" for name in held.keys() - wanted.keys()]
    return found


def _held(lock: Path, pyproject: dict[str, Any]) -> dict[str, set[str]]:
    """Return the versions of each package in a lock, without what tells one build of a version from another."""
    text = lock.read_text(encoding="utf-8")
    if lock.suffix == ".lock":
        entries = [(package["name"], package.get("version", "")) for package in tomllib.loads(text)["package"]]
    else:
        entries = _ENTRY.findall(text)
    names = {there: name for name, there in conda_names(pyproject).items()} if lock.suffix == ".yml" else {}
    held: dict[str, set[str]] = {}
    for name, version in entries:
        held.setdefault(names.get(name, normal(name)), set()).add(version.partition("+")[0])
    return held


def main() -> None:
    """Exit with one sentence where the lock in this folder is not that of pyproject.toml."""
    if found := disagreements(Path()):
        sys.exit(f"error: the lock does not agree with pyproject.toml ({'; '.join(found)}): make lock writes it again")


if __name__ == "__main__":
    main()
