"""Write the lock files: of the template's own tools, and of a generated project for each tracker.

And hooks/installed_names.txt: names that a project must not have, because an environment can hold such a package.

Run it with `make lock` after an edit of a pin. Everything is first resolved together, trackers and storage services
too, so that every lock holds the same version of a package and an extra can be added to any of them.
`make lock KEEP=1` keeps the version of every package that is already locked: use it to add one.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parent.parent
VARIANTS = ROOT / "{{cookiecutter.project_slug}}" / "variants"
NAMES = ROOT / "hooks" / "installed_names.txt"
TRACKERS = json.loads((ROOT / "cookiecutter.json").read_text())["tracker"]
COMPILE = ["pip", "compile", "--quiet", "--universal", "--no-sources", "--python-version", "3.11"]
# As `make lock` does in a generated project: variants/environment_manager=pip/environment.mk
DIRECT = ["--no-deps", "--no-annotate", "--no-strip-extras"]
EXCLUDES = ["--excludes", "requirements-exclude.txt"]
CPU = "https://download.pytorch.org/whl/cpu"
ALL = ["--generate-hashes", "--no-emit-package", "torch", *EXCLUDES, "--constraints", "together.txt"]


def compile_lock(project: Path, *arguments: str | Path) -> None:
    """Resolve pins in `project` with uv."""
    uv = Path(sys.executable).with_name("uv")
    command = [uv, *COMPILE, "--custom-compile-command", "make lock", *arguments]
    subprocess.run([str(part) for part in command], cwd=project, check=True)


def compile_pair(project: Path, name: str, *source: str) -> dict[str, str]:
    """Write a source's direct packages into NAME.in, and everything they need into NAME.txt; return both texts."""
    direct, everything = f"{name}.in", f"{name}.txt"
    compile_lock(project, *source, *DIRECT, "--output-file", direct)
    compile_lock(project, direct, *ALL, "--output-file", everything)
    texts = {file: (project / file).read_text() for file in (direct, everything)}
    return {file: text.replace("    #   -c together.txt\n", "") for file, text in texts.items()}  # users have none


def write_for_pip(project: Path, upgrade: list[str]) -> None:
    """Write requirements.txt, what each tracker adds to it, and requirements-dev.txt, from one resolution."""
    variant = VARIANTS / "environment_manager=pip"
    together = ["--all-extras", "--group", "dev", *EXCLUDES, "--output-file", "together.txt"]
    locked = [lock.read_text() for lock in sorted(variant.glob("**/requirements*.txt"))]
    (project / "together.txt").write_text("".join(locked))  # uv prefers what its output file holds
    compile_lock(project, "pyproject.toml", *upgrade, *together)
    base = compile_pair(project, "requirements", "pyproject.toml")
    write(variant, base | compile_pair(project, "requirements-dev", "--group", "dev"))
    for tracker in TRACKERS:
        if added := extra(tracker):
            locks = compile_pair(project, "requirements", "pyproject.toml", *added)
            write(variant / f"tracker={tracker}", {file: beyond(text, base[file]) for file, text in locks.items()})


def beyond(lock: str, base: str) -> str:
    """Return the packages of a lock that another one lacks; hooks/post_gen_project.py sorts them among the others."""
    packages = re.compile(r"^([a-z0-9-]+==.*\n(?: .*\n)*)", re.MULTILINE)
    there = {package.split()[0] for package in packages.findall(base)}
    return "".join(package for package in packages.findall(lock) if package.split()[0] not in there)


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files by their names."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def write_for_conda(project: Path) -> None:
    """Write environment.yml for each tracker, with the answers of the user in it."""
    command = [sys.executable, "-m", "reproml.locks.conda"]
    for tracker in TRACKERS:
        subprocess.run([*command, *extra(tracker)], cwd=project, check=True, env={"PYTHONPATH": "src"})
        text = (project / "environment.yml").read_text()
        text = text.replace("name: my-project\n", "name: {{ cookiecutter.project_slug }}\n")
        text = text.replace("python=3.11\n", "python={{ cookiecutter.python_version }}\n")
        folder = VARIANTS / "environment_manager=conda" / f"tracker={tracker}"
        folder.mkdir(exist_ok=True)
        (folder / "environment.yml").write_text(text)


def write_names(project: Path) -> None:
    """Write the names of all packages resolved together, and of all modules installed here."""
    resolved = (project / "together.txt").read_text()
    python = project / "everything" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", python.parent.parent], check=True)
    torch = re.findall(r"^torch==\S+", resolved, flags=re.MULTILINE)
    for packages in ([*torch, "--extra-index-url", CPU], ["--requirement", project / "together.txt"]):
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", *packages], check=True)
    ask = "from importlib.metadata import packages_distributions as found; print(*found())"
    modules = subprocess.run([python, "-P", "-c", ask], check=True, capture_output=True, text=True).stdout.split()
    packages = re.findall(r"^[a-z0-9-]+(?===)", resolved, flags=re.MULTILINE)
    names = {name.replace("-", "_") for name in packages} | set(modules)
    possible = {name for name in names - sys.stdlib_module_names if re.fullmatch(r"[a-z][a-z0-9_]*(?<!__mypyc)", name)}
    NAMES.write_text("".join(f"{name}\n" for name in sorted(possible)))


def extra(tracker: str) -> list[str]:
    """Return the arguments that choose the packages of a tracker."""
    return [] if tracker == "none" else ["--extra", tracker]


def rendered(folder: Path, manager: str) -> Path:
    """Return a project with the default answers, except for the manager."""
    answers = {"environment_manager": manager}
    return Path(cookiecutter(str(ROOT), no_input=True, output_dir=str(folder / manager), extra_context=answers))


def main() -> None:
    """Write every lock file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the versions of packages that are already locked")
    upgrade = [] if parser.parse_args().keep else ["--upgrade"]
    own = ["--generate-hashes", "--group", "dev", "--output-file", ROOT / "requirements-dev.txt"]
    compile_lock(ROOT, *upgrade, *own)
    with tempfile.TemporaryDirectory() as folder:
        project = rendered(Path(folder), "pip")
        write_for_pip(project, upgrade)
        write_names(project)
        write_for_conda(rendered(Path(folder), "conda"))


if __name__ == "__main__":
    main()
