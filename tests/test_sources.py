"""The template's own sources, before anything is rendered."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CHOICES, LOGIC, ROOT, TEMPLATE

PYTHON = sorted(
    path
    for folder in ("hooks", "scripts", "tests", "benchmarks", "examples", TEMPLATE.name)
    for path in (ROOT / folder).rglob("*.py")
)
MACHINERY = [path for path in PYTHON if "reproml" in path.parts]
OWN = [path for path in PYTHON if "{{cookiecutter.package_name}}" in path.parts]
PACKAGE = "{{cookiecutter.package_name}}"
# What readers are to write, and what other programs do
EXAMPLES = {
    f"src/package_name/{name}.py" for name in ("data/patients", "data/words", "models/progression", "models/text")
}
EXAMPLES |= {
    "src/package/models/cnn.py",
    "reproml.conda",
    "reports/drift.md",
    "reference/index.md",
    "benchmarks/memory.py",
    "demo/my-project/README.md",
}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_python_is_valid_and_holds_no_template_logic(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    ast.parse(text)
    assert not [mark for mark in LOGIC if mark in text]


def imported(path: Path) -> set[str]:
    """Return the packages that a module imports by name, not relatively."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", MACHINERY, ids=name)
def test_the_machinery_imports_itself_relatively_and_nothing_of_the_users(path: Path) -> None:
    assert not imported(path) & {"reproml", "package_name", "my_project"}


def named(text: str) -> set[str]:
    """Return the files of code and pages that a text names with their folder, and the modules of the machinery."""
    text = re.sub(r"\{\{ ?cookiecutter.package_name ?\}\}|\bmy_project\b", "package_name", text)
    text = re.sub(
        r"\w+://\S+|(?<!-)\bproject/(?=docs/|README)", "", text
    )  # where the site has a project's documentation
    files = re.findall(r"(?<![\w./{}*-])(?:[\w-]+/)+[\w-]+\.(?:py|md)\b", text)
    return {*files, *re.findall(r"\breproml(?:\.[a-z_]\w*)+", text)}


def module_is_there(place: Path, parts: list[str]) -> bool:
    """Whether a module, or what it defines, is below a folder."""
    while parts and (place / parts[0]).is_dir():
        place, parts = place / parts[0], parts[1:]
    if not parts:
        return True
    if (place / f"{parts[0]}.py").is_file():
        place, parts = place / f"{parts[0]}.py", parts[1:]
    else:
        place /= "__init__.py"
    return place.is_file() and all(re.search(rf"\b{part}\b", place.read_text()) for part in parts[:1])


def is_there(name: str, beside: Path) -> bool:
    sources = [TEMPLATE / "src", *TEMPLATE.glob("variants/*/src")]
    if name.startswith("reproml."):
        return name in EXAMPLES or any(module_is_there(source, name.split(".")) for source in sources)
    roots = [TEMPLATE, *(package for source in sources for package in source.iterdir()), beside]
    roots += [] if TEMPLATE in beside.parents else [ROOT]
    if "examples" in beside.relative_to(ROOT).parts:  # and docs/examples, their pages
        copied = [path for path in (ROOT / "examples").iterdir() if path.is_dir()]
        roots += [*copied, *(path / "src" / "my_project" for path in copied)]
    names = (name.replace("package_name", package) for package in (PACKAGE, "my_project"))
    return name in EXAMPLES or any((root / each).exists() for each in names for root in roots)


def test_files_and_modules_that_texts_name_are_there() -> None:
    """In comments, docstrings, messages, configuration and documentation: a move leaves none of them behind."""
    assert named("see data/code.py and reproml.gone.there") == {"data/code.py", "reproml.gone.there"}
    lost = []
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for path in (ROOT / name for name in listed.split("\0")):
        if path.suffix in (".py", ".md", ".yaml", ".toml", ".j2", ".mk", ".json") and "tests" not in path.parts:
            for name in sorted(named(path.read_text(encoding="utf-8"))):
                if not is_there(name, path.parent):
                    lost.append(f"{path.relative_to(ROOT)}: {name}")
    assert not lost, "\n".join(lost)


def test_what_is_the_users_is_short() -> None:
    assert len(OWN) <= 20
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in OWN) <= 800
    assert any("reproml" in imported(path) for path in OWN)  # what users import, they import from the machinery


@pytest.mark.parametrize("path", [*TEMPLATE.glob("*.py"), *(ROOT / "hooks").glob("*.py")], ids=name)
def test_sizes(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < (60 if path.parent == TEMPLATE else 120)


def test_hooks_together_are_short() -> None:
    lines = [line for path in (ROOT / "hooks").glob("*.py") for line in path.read_text(encoding="utf-8").splitlines()]
    assert len([line for line in lines if line.strip()]) <= 160


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]], ids=" ".join)
def test_style(arguments: list[str]) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    result = subprocess.run([ruff, *arguments, "--no-cache", "."], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_only_the_evaluation_knows_what_is_classified() -> None:
    """The configuration has a key with names of classes; everything else asks evaluation/targets.py."""
    inside = re.compile(r"\w\.classes\b|accuracy|confusion|\bclasses is (not )?None", re.IGNORECASE)
    found = {name(path): inside.findall(path.read_text(encoding="utf-8")) for path in MACHINERY}
    known = {path for path, parts in found.items() if parts}
    assert known
    assert not [path for path in known if "reproml/evaluation/" not in path]


def test_the_rooms_of_the_machinery_import_from_those_below_only(tmp_path: Path) -> None:
    """As `[tool.importlinter]` orders them; and the check sees an import that goes up."""
    source = TEMPLATE / "src"
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--config", ROOT / "pyproject.toml"]

    def said(folder: Path) -> tuple[int, str]:
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        return result.returncode, result.stdout + result.stderr

    code, text = said(source)
    assert code == 0, text
    copy = tmp_path / "copy"
    shutil.copytree(source / "reproml", copy / "reproml", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "reproml" / "files.py").open("a").write("from .verify import verify\n")
    code, text = said(copy)
    assert code == 1
    assert "reproml.files is not allowed to import reproml.verify" in text


@pytest.mark.parametrize("manager", CHOICES["environment_manager"])
def test_the_dockerfiles_are_linted(manager: str) -> None:
    """As `make lint` does it; and hadolint sees a mistake in either part."""
    variants = TEMPLATE / "variants"
    parts = [variants / f"environment_manager={manager}" / "Dockerfile", variants / "Dockerfile"]

    def said(parts: list[str]) -> str:
        command = [Path(sys.executable).with_name("hadolint"), "--ignore", "SC1083", "-"]
        return subprocess.run(command, input="".join(parts), capture_output=True, text=True).stdout

    first, second = (part.read_text() for part in parts)
    assert said([first, second]) == ""
    assert "DL3022" in said([first.replace("AS dependencies", "AS packages"), second])
    assert "DL3025" in said([first, second.replace('CMD ["python", "train.py"', 'CMD python ["train.py"')])


def test_no_registry_or_local_path_is_committed() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    locks = [ROOT / path for path in tracked.split("\0") if Path(path).name.startswith("requirements")]
    assert len(locks) >= 5
    for lock in locks:
        assert not re.search(r"://|^--|@ file|^/", lock.read_text(), flags=re.MULTILINE), lock


def test_every_module_that_is_imported_is_there() -> None:
    """Within functions too, which only a command with the right argument would run."""
    source = TEMPLATE / "src"
    for path in [*source.rglob("*.py"), *TEMPLATE.glob("*.py"), *(TEMPLATE / "tests").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom):
                continue
            folder = path.parents[node.level - 1] if node.level else source
            if node.level or (node.module or "").partition(".")[0] == "reproml":
                place = folder.joinpath(*(node.module or "").split("."))
                assert place.is_dir() or place.with_suffix(".py").exists(), f"{path}:{node.lineno}"
