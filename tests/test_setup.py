"""`make setup` says what is wrong in one sentence before it touches anything: no manager, no Python, a stale lock."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from conftest import CHOICES, TEMPLATE, THIS_PYTHON, Render
from poetry.core.factory import Factory

MAKE = shutil.which("make") or "make"
MISSING = {
    "pip": f"python{THIS_PYTHON} is not installed",
    "uv": "uv is not installed",
    "poetry": "Poetry is not installed",
    "conda": "conda is not installed",
}
# What `conda` does here: it runs conda's own Python, and notes that it was asked for an environment.
CONDA = """#!/bin/sh
if [ "$1 $2 $3 $4 $5" = "run --name base --no-capture-output python" ]; then shift 5; exec '{python}' "$@"; fi
echo "$@" > asked
"""


def make(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MAKE, *arguments], cwd=project, env={**os.environ, **environment}, capture_output=True, text=True
    )


def refused(project: Path, *arguments: str, **environment: str) -> str:
    """Return the sentence with which `make setup` refuses; the environment that is there stays."""
    mark = project / ".venv" / "mine"
    mark.parent.mkdir(exist_ok=True)
    mark.touch()
    result = make(project, "setup", *arguments, **environment)
    assert result.returncode != 0
    assert [path.name for path in mark.parent.iterdir()] == ["mine"]
    [sentence] = [line for line in result.stderr.splitlines() if not line.startswith("make: ")]
    assert sentence.startswith("error: ")
    return sentence


def check(project: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reproml.locks.lock"]
    return subprocess.run(command, cwd=project, env={"PYTHONPATH": "src"}, capture_output=True, text=True)


def edit(path: Path, pattern: str, new: str) -> None:
    text, count = re.subn(pattern, new, path.read_text(), flags=re.MULTILINE)
    assert count == 1
    path.write_text(text)


@pytest.mark.parametrize("manager", CHOICES["environment_manager"])
def test_a_missing_manager(render: Render, tmp_path: Path, manager: str) -> None:
    project = render(environment_manager=manager, python_version=THIS_PYTHON)
    said = refused(project, PATH=str(tmp_path / "empty"))
    assert MISSING[manager] in said
    assert re.search(r"install|see https://", said)


def test_another_python(render: Render) -> None:
    other = next(version for version in CHOICES["python_version"] if version != THIS_PYTHON)
    said = refused(render(python_version=other), f"PYTHON={sys.executable}")
    assert f"is not Python {other}, which pyproject.toml requires; name another with make setup PYTHON=" in said


def test_a_python_that_cannot_make_environments(render: Render, tmp_path: Path) -> None:
    """Debian's python3, for example, without python3-venv."""
    (tmp_path / "ensurepip.py").write_text("raise ModuleNotFoundError('ensurepip')")
    project = render(python_version=THIS_PYTHON)
    said = refused(project, f"PYTHON={sys.executable}", PYTHONPATH=str(tmp_path))
    assert f"cannot make environments; install its pip and venv (Debian: python{THIS_PYTHON}-venv)" in said


@pytest.mark.parametrize("manager", ["pip", "conda"])
@pytest.mark.parametrize("tracker", CHOICES["tracker"])
def test_the_lock_of_a_new_project_agrees(render: Render, manager: str, tracker: str) -> None:
    result = check(render(environment_manager=manager, tracker=tracker))
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("name", "pattern", "new", "expected"),
    [
        ("pyproject.toml", '"rich==.*"', '"rich==1.0"', "requirements.txt holds rich .* instead of 1.0"),
        ("pyproject.toml", '"ruff==.*"', '"ruff==1.0"', "requirements-dev.in holds ruff .* instead of 1.0"),
        ("pyproject.toml", "mlflow==.*?\"", 'mlflow==1.0"', "requirements.in holds mlflow .* instead of 1.0"),
        ("pyproject.toml", '"torch==.*"', '"torch==1.0"', "requirements.in holds torch .* instead of 1.0"),
        ("pyproject.toml", '    "rich==', '    "einops==0.8.1",\n    "rich==', "requirements.txt lacks einops"),
        ("pyproject.toml", '    "rich==', '    "einops>=0.8",\n    "rich==', "requirements.in lacks einops"),
        ("pyproject.toml", '    "rich==.*\n', "", "requirements.in holds rich, which pyproject.toml does not"),
        ("requirements.txt", "^numpy==[^ ]*", "numpy==1.0", "requirements.txt holds numpy 1.0 instead of"),
        ("requirements-dev.txt", "^ruff==[^ ]*", "rough==1.0", "requirements-dev.txt lacks ruff"),
    ],
)  # fmt: skip
def test_a_stale_lock_of_pip(render: Render, name: str, pattern: str, new: str, expected: str) -> None:
    project = render(python_version=THIS_PYTHON)
    edit(project / name, pattern, new)
    said = refused(project, f"PYTHON={sys.executable}")
    assert re.search(expected, said), said
    assert said.endswith("make lock writes it again")


def test_a_lock_that_is_not_there(render: Render) -> None:
    project = render(python_version=THIS_PYTHON)
    (project / "requirements-dev.txt").unlink()
    assert "(requirements-dev.txt is missing)" in refused(project, f"PYTHON={sys.executable}")
    for path in project.glob("requirements*"):
        path.unlink()
    assert "(there is none)" in refused(project, f"PYTHON={sys.executable}")


def test_how_requirements_may_be_written(render: Render) -> None:
    """Other names for a package, extras, markers, and what leaves a choice, as long as the lock holds the package."""
    project = render()
    pyproject, direct, lock = (project / name for name in ("pyproject.toml", "requirements.in", "requirements.txt"))
    more = ["Foo_Bar[baz] == 1.2 ; python_version > '3'", "einops >= 0.8, < 2", "own @ https://example.com/own.zip"]
    edit(pyproject, '    "rich==', "".join(f'    "{item}",\n' for item in more) + '    "rich==')
    assert (
        "requirements.in lacks foo-bar; requirements.in lacks einops; requirements.in lacks own"
        in check(project).stderr
    )
    for path in (direct, lock):
        path.write_text(path.read_text() + "foo-bar[baz]==1.2 ; python_version > '3'\neinops==1.0\n")
        path.write_text(path.read_text() + "own @ https://example.com/own.zip\n")
    assert check(project).returncode == 0, check(project).stderr


def test_conda_asks_its_own_python_and_writes_the_file_from_the_list(render: Render, tmp_path: Path) -> None:
    """With a stand-in for conda, which is in no registry that the tests can reach."""
    (tmp_path / "conda").write_text(CONDA.format(python=sys.executable))
    (tmp_path / "conda").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    project = render(environment_manager="conda", python_version=THIS_PYTHON)
    before = (project / "environment.yml").read_text()
    assert make(project, "setup", PATH=path).returncode == 0
    assert (project / "asked").read_text() == "env create --yes --prefix ./.venv --file environment.yml\n"
    (project / "asked").unlink()
    assert make(project, "lock", PATH=path).returncode == 0
    assert (project / "environment.yml").read_text() == before

    edit(project / "pyproject.toml", '"scipy==.*"', '"scipy==1.0"')
    edit(project / "pyproject.toml", '"rich==.*"', '"rich==1.0"')
    edit(project / "pyproject.toml", "pytorch-cpu", "pytorch-gpu")
    edit(project / "pyproject.toml", "^requires-python = .*", 'requires-python = "==3.10.*"')
    said = refused(project, PATH=path)
    for expected in ("scipy .* instead of 1.0", "rich .* instead of 1.0", "lacks torch", "python .* instead of 3.10"):
        assert re.search(f"environment.yml (holds )?{expected}", said), said
    assert not (project / "asked").exists()
    assert make(project, "lock", PATH=path).returncode == 0
    after = yaml.safe_load((project / "environment.yml").read_text())["dependencies"]
    direct = tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"]
    torch = next(item.partition("==")[2] for item in direct if item.startswith("torch=="))
    assert {"scipy=1.0", f"pytorch-gpu={torch}", "python=3.10"} <= {item for item in after if isinstance(item, str)}
    assert "rich==1.0" in after[-1]["pip"]
    assert make(project, "setup", PATH=path).returncode == 0


def test_each_part_of_pyproject_is_valid_by_itself() -> None:
    """As it stands. Those of the Dockerfile are linted by `make lint`, together for each manager."""
    parts = list(TEMPLATE.rglob("pyproject.toml"))
    assert len(parts) == 4  # pip adds nothing
    assert all(tomllib.loads(path.read_text()) for path in parts)


@pytest.mark.parametrize("manager", CHOICES["environment_manager"])
def test_the_managers_accept_pyproject(render: Render, manager: str) -> None:
    """Put together, with no word of warning: Poetry checks its tables and the project's, uv its own."""
    project = render(environment_manager=manager)
    found = Factory.validate(tomllib.loads((project / "pyproject.toml").read_text()), strict=True)
    assert found == {"errors": [], "warnings": []}
    uv = Path(sys.executable).with_name("uv")
    read = subprocess.run([uv, "--offline", "version"], cwd=project, capture_output=True, text=True)
    assert (read.stdout, read.stderr) == ("my-project 0.1.0\n", "")
