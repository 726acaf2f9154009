"""uv and Poetry, really run: from a project as generated to the weights that pip's environment gives, and back.

What no manager can change (the project's own tests, a whole verification) is run in the environment of pip only, by
test_first_day.py and test_verify.py.
"""

import json
import os
import re
import shutil
import sys
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, THIS_PYTHON, Render, run, twice
from cookiecutter.main import cookiecutter
from golden import SHORTEN
from indexes import POETRY_SOURCE, PUBLIC, torch_index
from reproml.errors import RecordError
from reproml.verify.rerun import python_for

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]
LOCKS = {"uv": "uv.lock", "poetry": "poetry.lock"}


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a PATH with uv and Poetry, but without what else the template is developed with."""
    folder = tmp_path_factory.mktemp("tools")
    for name in ("uv", "poetry"):
        (folder / name).symlink_to(Path(sys.executable).with_name(name))
    own = str(Path(sys.executable).parent)
    outer = [entry for entry in os.environ["PATH"].split(os.pathsep) if entry != own]
    return os.pathsep.join([str(folder), *outer])


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment of something else, which is active all the time."""
    folder = tmp_path_factory.mktemp("other") / "venv"
    venv.create(folder)
    return folder


@pytest.fixture(scope="module", params=list(LOCKS))
def made(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    tools: str,
    other: Path,
    environment: Path,
) -> Iterator[Path]:
    """Return a project whose environment is made by `make setup`, with the build of torch that an index serves.

    What mypy has read of the packages' types is there already: it compares the files, and reads those that differ.
    """
    folder = tmp_path_factory.mktemp(request.param)
    answers = {"python_version": THIS_PYTHON, "environment_manager": request.param}
    project = Path(cookiecutter(str(ROOT), no_input=True, output_dir=str(folder), extra_context=answers))
    shutil.copytree(environment.with_name("mypy"), project / ".mypy_cache")
    with torch_index(folder / "index") as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("POETRY_CACHE_DIR", str(folder / "cache"))  # of its own: an old page of an index lacks what is new
        pyproject = project / "pyproject.toml"
        text = pyproject.read_text()
        assert text.count(PUBLIC) == 1
        pyproject.write_text(text.replace(PUBLIC, address) + (POETRY_SOURCE if request.param == "poetry" else ""))
        command = f"rm -f {LOCKS[request.param]} && make setup"
        twice(command, project, PATH=tools, VIRTUAL_ENV=str(other))
        run("git init --quiet --initial-branch main && git add . && git commit --quiet --message 'Generate'", project)
        yield project
    for large in (project / ".venv", folder / "cache"):  # pytest keeps folders
        shutil.rmtree(large, ignore_errors=True)


def inside(project: Path, tools: str) -> str:
    return f"{project / '.venv' / 'bin'}{os.pathsep}{tools}"


def packages(project: Path) -> dict[str, str]:
    """Return the version of each package in the project's environment."""
    code = "import json; from importlib.metadata import distributions as all; "
    code += "print(json.dumps({d.metadata['Name'].lower().replace('_', '-'): d.version for d in all()}))"
    listed: dict[str, str] = json.loads(run(f'.venv/bin/python -c "{code}"', project).stdout)
    return listed


def weights(folder: Path) -> str:
    """Return the digest of the weights that a run has trained."""
    return str(json.loads((folder / "run.json").read_text())["weights_sha256"])


def lock_check(project: Path) -> str:
    command = f"PYTHONPATH=src '{sys.executable}' -m reproml.locks.lock"
    return run(command, project, check=False).stderr


def test_the_environment_is_that_of_the_list(made: Path, other: Path, tools: str) -> None:
    data = tomllib.loads((made / "pyproject.toml").read_text())
    direct = [*data["project"]["dependencies"], *data["project"]["optional-dependencies"]["mlflow"]]
    direct += data["dependency-groups"]["dev"]
    found = packages(made)
    for name, version in (item.split("==") for item in direct):
        assert found[name].partition("+")[0] == version
    assert found["torch"].endswith("+cpu")
    assert "tensorboard" not in found
    [folder] = other.glob("lib/*/site-packages")
    assert not list(folder.glob("torch*")), "the environment that was active has been filled"
    assert lock_check(made) == ""


def test_the_projects_tests_of_the_server(made: Path, tools: str) -> None:
    """What it stands on is not pinned by the list, but by the manager's lock. All other tests are imported, too."""
    said = run("pytest -k test_serving", made, PATH=inside(made, tools)).stdout
    assert re.search(r"[0-9]+ passed, [0-9]+ deselected", said)


def test_style_types_and_the_commit_hooks(made: Path, tools: str) -> None:
    """The hook of mypy does what `make lint` has done just before."""
    run("make lint && SKIP=mypy pre-commit run --all-files", made, PATH=inside(made, tools))
    assert run("git status --porcelain", made).stdout == ""


def test_the_weights_are_those_of_every_other_manager(made: Path, tools: str, shared_pipeline: Path) -> None:
    """With the short training of the pipeline that has run with pip."""
    run(f"{SHORTEN} && make run", made, PATH=inside(made, tools))
    assert weights(made / "models") == weights(shared_pipeline / "models")
    run("python train.py seed=7 hydra.run.dir=outputs/other", made, PATH=inside(made, tools))
    assert weights(made / "outputs/other") != weights(shared_pipeline / "models")


def test_a_stale_lock_is_refused_and_mended(made: Path, tools: str) -> None:
    before, path = packages(made), inside(made, tools)
    lock = LOCKS["uv" if (made / "uv.lock").exists() else "poetry"]
    pyproject = made / "pyproject.toml"
    kept, locked = pyproject.read_text(), (made / lock).read_bytes()
    pyproject.write_text(kept.replace('"ruff==', '"cowsay==6.1",\n    "ruff=='))
    refused = run("make setup", made, check=False, plain=True, PATH=path)
    assert refused.returncode != 0
    assert re.search(rf"{lock}.*(needs to be updated|was last generated)", refused.stderr)
    assert re.search(r"[Rr]un `(uv|poetry) lock`", refused.stderr)
    assert packages(made) == before
    assert (made / lock).read_bytes() == locked
    assert f"{lock} lacks cowsay" in lock_check(made)

    run("make lock setup", made, PATH=path)
    assert packages(made) == {**before, "cowsay": "6.1"}
    pyproject.write_text(kept)
    (made / lock).write_bytes(locked)
    run("make setup", made, PATH=path, VIRTUAL_ENV=str(made / ".venv"))  # as most people have it: active
    assert packages(made) == before


def test_a_python_that_is_not_there(made: Path, tools: str) -> None:
    before, path = packages(made), inside(made, tools)
    kept = (made / "pyproject.toml").read_text()
    run("sed -i 's/^requires-python = .*/requires-python = \"==3.99.*\"/' pyproject.toml", made)
    for verb in ("setup", "lock"):
        refused = run(f"make {verb}", made, check=False, plain=True, PATH=path)
        assert refused.returncode != 0
    assert "==3.99.*" in refused.stderr
    (made / "pyproject.toml").write_text(kept)
    assert packages(made) == before


def test_make_lock_keeps_the_versions_of_pip(render: Render, tools: str) -> None:
    """The lock of a new project is what its own `make lock` writes; an edit of the list changes what it names."""
    project = render()
    names = ("requirements.in", "requirements.txt", "requirements-dev.in", "requirements-dev.txt")

    def pins() -> dict[str, set[str]]:
        pin = re.compile(r"^[a-z0-9-]+==[^ \n]+", re.MULTILINE)
        return {name: set(pin.findall((project / name).read_text())) for name in names}

    before = pins()
    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(text.replace('    "rich==', '    "cowsay==6.1",\n    "rich=='))
    assert "requirements.in lacks cowsay; requirements.txt lacks cowsay" in lock_check(project)
    run("make lock", project, PATH=tools)
    assert lock_check(project) == ""
    assert all(before.values())
    assert pins() == {name: before[name] | ({"cowsay==6.1"} if name in names[:2] else set()) for name in names}
    refused = run("make lock", project, check=False, PATH="/usr/bin:/bin")
    assert "error: uv is not installed" in refused.stderr


def shortened(project: Path) -> Path:
    """Leave one package in the list of a project, so that its environment takes seconds; return pyproject.toml."""
    pyproject = project / "pyproject.toml"
    text = re.sub(r"^(dependencies|dev) = \[.*?^\]", r"\1 = []", pyproject.read_text(), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^torch = \[.*?^\]", "", text, flags=re.MULTILINE | re.DOTALL)  # where Poetry finds it
    text = re.sub(r"^(\[project\.optional-dependencies\]\n)(.+\n)+", r"\1", text, flags=re.MULTILINE)
    pyproject.write_text(text.replace("dependencies = []", 'dependencies = [\n    "iniconfig==2.1.0",\n]'))
    return pyproject


@pytest.mark.parametrize("manager", list(LOCKS))
def test_a_fresh_environment_from_the_committed_lock(
    render: Render, tools: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manager: str
) -> None:
    """As `verify --clean` makes it: in the checked-out copy, even with the environment of the project active."""
    project = render(python_version=THIS_PYTHON, environment_manager=manager, tracker="none")
    pyproject = shortened(project)
    if manager == "poetry":
        pyproject.write_text(pyproject.read_text() + POETRY_SOURCE)
    run(f"rm -f {LOCKS[manager]} && make lock", project, PATH=tools)
    run("git init --quiet && git add . && git commit --quiet --message 'Generate'", project)
    run(f"git clone --quiet '{project}' copy", tmp_path)
    venv.create(project / ".venv", clear=True)  # Poetry has made it to write the lock
    monkeypatch.setenv("PATH", inside(project, tools))
    monkeypatch.setenv("VIRTUAL_ENV", str(project / ".venv"))
    python = python_for(tmp_path / "copy", clean=True)
    assert Path(python) == tmp_path / "copy" / ".venv" / "bin" / "python"
    assert packages(tmp_path / "copy").keys() - {"pip"} == {"iniconfig", "my-project"}
    assert not packages(project)
    (tmp_path / "copy" / "pyproject.toml").write_text(
        pyproject.read_text().replace("iniconfig==2.1.0", "iniconfig==2.0.0")
    )
    with pytest.raises(RecordError, match="make setup failed in the checked-out project"):
        python_for(tmp_path / "copy", clean=True)


@pytest.mark.parametrize("manager", ["pip", "uv"])
def test_make_add_changes_list_lock_and_environment(render: Render, tools: str, manager: str) -> None:
    project = render(python_version=THIS_PYTHON, environment_manager=manager, tracker="none")
    pyproject = shortened(project)
    venv.create(project / ".venv", with_pip=True)
    run("make lock install", project, PATH=tools)
    made = (project / ".venv" / "pyvenv.cfg").stat().st_ino

    run("make add PACKAGE=cowsay==6.1", project, PATH=tools)
    assert '    "cowsay==6.1",\n    "iniconfig==2.1.0",\n' in pyproject.read_text()
    assert lock_check(project) == ""
    assert run('.venv/bin/python -c "import cowsay, iniconfig"', project).returncode == 0
    assert (project / ".venv" / "pyvenv.cfg").stat().st_ino == made

    def files() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in project.iterdir() if path.is_file()}

    before = files()
    for package in ("PACKAGE=cowsay==0.0.99", "PACKAGE=cowsay", "PACKAGE='x==1; touch x'", ""):
        refused = run(f"make add {package}", project, check=False, PATH=tools)
        assert refused.returncode != 0
        if "0.0.99" not in package:
            [said] = [line for line in refused.stderr.splitlines() if not line.startswith("make")]
            assert "is not a package at an exact version: write it as in make add PACKAGE=einops==0.8.1" in said
        assert files() == before


@pytest.mark.parametrize(
    ("manager", "command"),
    [("pip", f"'{sys.executable}' -m build"), ("uv", "uv build"), ("poetry", "poetry build")],
    ids=["build", "uv", "poetry"],
)
def test_the_package_builds_and_imports_elsewhere(
    render: Render, tools: str, tmp_path: Path, manager: str, command: str
) -> None:
    project = render(python_version=THIS_PYTHON, environment_manager=manager, package_name="some_name")
    if manager == "poetry":
        (project / "pyproject.toml").write_text((project / "pyproject.toml").read_text() + POETRY_SOURCE)
    run(command, project, PATH=tools)
    [wheel], [source] = (project / "dist").glob("*.whl"), (project / "dist").glob("*.tar.gz")
    assert source.name == "my_project-0.1.0.tar.gz"
    shutil.move(wheel, tmp_path)
    shutil.rmtree(project)
    venv.create(tmp_path / ".venv")
    python = ".venv/bin/python"
    run(f"uv pip install --quiet --no-deps --python {python} {wheel.name}", tmp_path, PATH=tools)
    code = (
        "import some_name, reproml.files, importlib.metadata as m; print(some_name.__file__, m.version('my-project'))"
    )
    where, version = run(f'{python} -c "{code}"', tmp_path).stdout.split()
    assert Path(where).is_relative_to(tmp_path / ".venv")
    assert version == "0.1.0"
    assert run(f"{python} -c 'import torch'", tmp_path, check=False).returncode == 1  # nothing else came along
