"""Real environments, each made once and kept: what `make setup` gives for a tracker, and one with everything.

The first is made with the commands that the README prints. The others are copies of it by hard links, in which pip
removes and adds what the lock of another tracker does not share. That takes seconds, and little disk space. So is what
mypy has read of the packages' types: it reads again only what differs.
"""

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from conftest import ANSWERS, CACHE, ROOT, TEMPLATE, THIS_PYTHON, code_blocks
from conftest import run as run_in_project
from cookiecutter.main import cookiecutter
from filelock import FileLock
from indexes import PUBLIC, torch_index
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

DEFAULT = ANSWERS["tracker"][0]
EVERYTHING = "everything"  # all trackers and the extras, which some tests need
EXTRAS = ("s3", "slurm", "stream", "ray", "onnx")
_LOCKS = TEMPLATE / "variants" / "environment_manager=pip"
_OTHERS = [lock for lock in sorted(_LOCKS.glob("tracker=*/requirements.txt")) if f"={DEFAULT}" not in lock.parent.name]
_PIP = "python -m pip --disable-pip-version-check"
# How people install a project's own code in the environment: the README's last command
_EDITABLE = "python -m pip install --no-deps --no-build-isolation --editable ."
# Never preloaded: a server that starts while packages come and go would have imported what is removed after it
run = functools.partial(run_in_project, plain=True)


def environment_for(tracker: str) -> Path:
    """Return a `.venv` with exactly what `make setup` installs for a tracker, or with EVERYTHING."""
    CACHE.mkdir(exist_ok=True)
    with FileLock(CACHE / f"environment-{tracker}.lock"):  # the tests may run in several processes
        project = _render(tracker)
        commands, key = _commands(project), _key(project)
        home = (CACHE / f"environment-{tracker}-{key}").resolve()  # as its scripts will name it
        if not (home / "made").exists():
            shutil.rmtree(home, ignore_errors=True)
            project.rename(home)
            if tracker == DEFAULT:
                _install(home, commands)
                run("mypy", home, MYPY_CACHE_DIR="mypy")
            else:
                default = environment_for(DEFAULT)
                _copy(default, home / ".venv")
                _change(home, tracker)
                shutil.copytree(default.with_name("mypy"), home / "mypy")
            (home / "made").touch()
        shutil.rmtree(project.parent, ignore_errors=True)
    return home / ".venv"


def locked(project: Path) -> dict[str, str]:
    """Return the version of each package that a project with pip installs here: its locks, torch, and itself."""
    lines = [line for name in ("requirements.txt", "requirements-dev.txt") for line in _pins(project / name)]
    data = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    lines += [pin for pin in data["dependencies"] if pin.startswith("torch==")]
    found = {"my-project": data["version"]}
    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate():
            found[canonicalize_name(requirement.name)] = str(requirement.specifier).removeprefix("==")
    return found


def installed_in(environment: Path) -> dict[str, str]:
    """Return the version of each distribution in an environment, without the part that names a build."""
    code = "from importlib.metadata import distributions as all; print(*(f'{d.name}=={d.version}' for d in all()))"
    said = subprocess.run(
        [environment / "bin" / "python", "-P", "-c", code], capture_output=True, check=True, text=True
    )
    pairs = (item.split("==") for item in said.stdout.split())
    return {canonicalize_name(name): version.partition("+")[0] for name, version in pairs}


def _render(tracker: str) -> Path:
    answers = {"python_version": THIS_PYTHON, "tracker": DEFAULT if tracker == EVERYTHING else tracker}
    place = CACHE / f"new-{tracker}"
    return Path(cookiecutter(str(ROOT), no_input=True, output_dir=str(place), overwrite_if_exists=True,
                             extra_context=answers))  # fmt: skip


def _commands(project: Path) -> str:
    """Return the commands of the README; on a machine with a GPU, TORCH_INDEX names another build of torch."""
    commands = next(block for block in code_blocks((project / "README.md").read_text()) if "-m venv" in block)
    return commands.replace(PUBLIC, os.environ.get("TORCH_INDEX", PUBLIC))


def _install(home: Path, commands: str) -> None:
    """Run the commands, with torch from this machine: pip asks its index for each package that torch needs."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        if PUBLIC in commands:
            commands = commands.replace(PUBLIC, stack.enter_context(torch_index(Path(folder))))
        run(commands, home)


def _key(project: Path) -> str:
    """Return a digest of what an environment depends on: the commands, the list and the locks."""
    data = tomllib.loads((project / "pyproject.toml").read_text())
    lists = [data["project"]["dependencies"], data["project"]["optional-dependencies"], data["dependency-groups"]]
    locks = [*sorted(project.glob("requirements*.txt")), *_OTHERS]
    content = f"{_commands(project)}{json.dumps(lists)}".encode() + b"".join(path.read_bytes() for path in locks)
    return hashlib.sha256(content).hexdigest()[:12]


def _copy(source: Path, target: Path) -> None:
    """Copy an environment by hard links, except for the files that name its place."""
    subprocess.run(["cp", "--archive", "--link", source, target], check=True)
    for path in [target / "pyvenv.cfg", *(target / "bin").iterdir()]:
        content = b"" if path.is_symlink() else path.read_bytes()
        if os.fsencode(source) in content:
            mode = path.stat().st_mode
            path.unlink()
            path.write_bytes(content.replace(os.fsencode(source), os.fsencode(target)))
            path.chmod(mode)


def _change(home: Path, tracker: str) -> None:
    """Remove and add what this environment does not share with the one that it is a copy of."""
    run(f"{_PIP} uninstall --yes my-project && {_EDITABLE}", home)  # its path names the place, too
    if tracker == EVERYTHING:
        extras = tomllib.loads((home / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        for lock in _OTHERS:
            run(f"{_PIP} install --no-deps --require-hashes --requirement '{lock}'", home)
        run(f"{_PIP} install {' '.join(pin for name in EXTRAS for pin in extras[name])}", home)
        return
    surplus = installed_in(home / ".venv").keys() - locked(home).keys()
    run(f"{_PIP} uninstall --yes {' '.join(sorted(surplus))}", home)
    locks = [home / "requirements.txt", home / "requirements-dev.txt"]
    run(f"{_PIP} install --no-deps --require-hashes " + " ".join(f"--requirement '{lock}'" for lock in locks), home)


def _pins(lock: Path) -> list[str]:
    return [line.rstrip(" \\") for line in lock.read_text().splitlines() if re.match(r"[a-z0-9]", line)]


if __name__ == "__main__":  # python environments.py [everything]: before a test asks
    for wanted in (DEFAULT, *sys.argv[1:]):
        environment_for(wanted)
