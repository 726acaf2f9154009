"""The other Pythons that are offered: hooks, generation, configurations, syntax, style and types.

Trainings are tested with one Python only, as docs/promises.md says: there is no small build of torch for others here.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CHOICES, ROOT, THIS_PYTHON, Render, in_project, run

pytestmark = pytest.mark.slow
OTHERS = [version for version in CHOICES["python_version"] if version != THIS_PYTHON]
# What generates a project, composes its configurations, and runs the quick tests of both
PACKAGES = "cookiecutter filelock hydra-core hypothesis omegaconf pytest pytest-xdist python-dotenv pyyaml"
QUICK = ["tests/test_configs.py", "tests/test_answers.py", "-k", "test_configs or every_choice_renders or every_error"]


def interpreter(version: str) -> str | None:
    """Return the path of a Python, on the PATH or where pyenv keeps its own."""
    places = [shutil.which(f"python{version}"), *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]
    for place in filter(None, places):  # pyenv has commands on the PATH that only say what is not chosen
        if not subprocess.run([place, "-c", ""], capture_output=True).returncode:
            return place
    return None


@pytest.fixture(scope="module", params=OTHERS)
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return another Python in an environment of its own."""
    found = interpreter(request.param)
    if found is None:
        pytest.skip(f"there is no Python {request.param}")
    place = tmp_path_factory.mktemp("python") / "venv"
    uv = Path(sys.executable).with_name("uv")
    run(f"'{uv}' venv --quiet --python '{found}' '{place}'", ROOT)
    run(f"'{uv}' pip install --quiet --python '{place}' --constraint requirements-dev.txt {PACKAGES}", ROOT)
    return str(place / "bin" / "python")


def test_hooks_generation_and_configurations(python: str) -> None:
    command = [python, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", *QUICK]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_every_file_compiles(python: str, shared_project: Path) -> None:
    code = "import compileall, sys; sys.exit(not all(compileall.compile_dir(place, quiet=1) for place in sys.argv[1:]))"
    command = [python, "-W", "error", "-c", code, "src", "tests", "."]
    environment = in_project(shared_project, PYTHONPYCACHEPREFIX=str(Path(python).parents[2] / "bytecode"))
    done = subprocess.run(command, cwd=shared_project, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    (shared_project / "broken.py").write_text("def f(:\n")
    assert subprocess.run(command, cwd=shared_project, env=environment, capture_output=True).returncode
    (shared_project / "broken.py").unlink()


@pytest.mark.parametrize("version", OTHERS)
def test_the_style_holds(render: Render, version: str) -> None:
    project = render(python_version=version)
    ruff = Path(sys.executable).with_name("ruff")
    run(f"'{ruff}' check --no-cache . && '{ruff}' format --no-cache --check .", project)
    (project / "broken.py").write_text('"""A module."""\n\nimport os\n')
    assert "F401" in run(f"'{ruff}' check --no-cache .", project, check=False).stdout


@pytest.mark.parametrize("version", OTHERS)
def test_the_types_hold(shared_project: Path, version: str) -> None:
    run(f"mypy --python-version {version}", shared_project)
