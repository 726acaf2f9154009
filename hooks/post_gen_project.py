"""Give the generated project the files of the chosen options, and its package's name in imports.

The folders under `variants/` are the table: a project with the answer pip gets the files in `environment_manager=pip/`,
at the same place below its root, instead of the root's. If several of these folders have a file, it is assembled from
them: first the answers', last the one in `variants/` itself. So a Dockerfile begins with the manager's stage, and a
lock with what every tracker needs; the packages of a lock are sorted afterwards. Each part is valid by itself. Nothing
here needs the network or git, and running it twice changes nothing.
"""

import contextlib
import os
import re
import shlex
import shutil
import tempfile
from pathlib import Path

ANSWERS = {
    "environment_manager": "{{ cookiecutter.environment_manager }}",
    "license": "{{ cookiecutter.license }}",
    "tracker": "{{ cookiecutter.tracker }}",
}
PACKAGE = "{{ cookiecutter.package_name }}"
# Files that begin in the root, and to which a manager adds tables or sections
ROOT = {Path("pyproject.toml"), Path("docs/environments.md")}


def keep_chosen(variants: Path, target: Path, begun: set[Path]) -> None:
    """Move the files of the chosen variants to `target`, after what has begun there, and remove the others."""
    for path in sorted(variants.iterdir(), key=lambda path: ("=" not in path.name, path.name)):
        option, is_option, answer = path.name.partition("=")
        if is_option:
            if ANSWERS[option] == answer:
                keep_chosen(path, target, begun)
        elif path.is_dir():
            (target / path.name).mkdir(exist_ok=True)
            keep_chosen(path, target / path.name, begun)
        else:
            with (target / path.name).open("ab" if target / path.name in begun else "wb") as file:
                file.write(path.read_bytes())
            begun.add(target / path.name)
    shutil.rmtree(variants)


def sort_packages(root: Path) -> None:
    """Sort the packages that a tracker adds to the locks among the others, in the order that `make lock` writes."""
    for path in root.glob("requirements*"):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        head, locked = ("".join(line for line in lines if line.startswith("#") is kind) for kind in (True, False))
        packages = re.split(r"^(?=[a-z0-9-]+==)", locked, flags=re.MULTILINE)
        packages.sort(key=lambda package: package.partition("==")[0])
        path.write_text(head + "".join(packages), encoding="utf-8", newline="\n")


def name_package(root: Path) -> None:
    """Write the package's name into the imports of the scripts and tests, and into the setting that sorts them.

    In the template they import `package_name`, so that they are valid Python there too.
    """
    for path in [*root.glob("*.py"), *root.glob("tests/*.py"), root / "ruff.toml"]:
        text = path.read_text(encoding="utf-8")
        place = r"^(\s*from |\s*import |known-first-party = \[\")package_name\b"
        named = re.sub(place, rf"\g<1>{PACKAGE}", text, flags=re.MULTILINE)
        path.write_text(named, encoding="utf-8", newline="\n")


def hide_store(root: Path) -> None:
    """Make a repository around the project ignore DVC's store, which lies beside the project."""
    if any((folder / ".git").exists() for folder in root.parents):
        store = root.with_name(f"{root.name}-dvc-store")
        store.mkdir(exist_ok=True)
        (store / ".gitignore").write_text("*\n", encoding="utf-8")


def remove_caches(root: Path) -> None:
    """Remove caches that linters left in a clone of the template."""
    for cache in [*root.rglob(".*_cache"), *root.rglob("__pycache__")]:
        shutil.rmtree(cache)


def show_next(root: Path) -> None:
    """Print the next commands, ready to paste where the project was generated.

    Not if cruft generates it in a temporary folder for a comparison: what it prints then may be a patch.
    """
    here = Path(os.environ.get("PWD", "/"))
    inside = root.is_relative_to(here)
    if not inside and root.is_relative_to(Path(tempfile.gettempdir()).resolve()):
        return
    place = shlex.quote(str(root.relative_to(here) if inside else root))
    text = f"{root.name} is ready. The next three commands:\n\n  cd {place}\n  make setup\n  make run\n"
    with contextlib.suppress(OSError):  # nobody needs to read it
        os.write(1, text.encode())


if __name__ == "__main__":
    remove_caches(Path())
    name_package(Path())
    hide_store(Path.cwd())
    if Path("variants").is_dir():  # removed last: while it exists, the project is unfinished
        keep_chosen(Path("variants"), Path(), set(ROOT))
        sort_packages(Path())
        show_next(Path.cwd())
