"""What the tests share: rendering, running commands, and one real environment that is built once and kept."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import preloaded
import pytest
from budgets import budget, by_file, exceeded
from cookiecutter.main import cookiecutter
from sources import load_packages

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "{{cookiecutter.project_slug}}"
CACHE = ROOT / ".cache"
FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist

ANSWERS: dict[str, Any] = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
INSTALLED_NAMES = set((ROOT / "hooks" / "installed_names.txt").read_text(encoding="utf-8").split())
CHOICES: dict[str, list[str]] = {key: value for key, value in ANSWERS.items() if isinstance(value, list)}
LOGIC = ("{" + "%", "%" + "}")  # Jinja's marks, which no Python file holds, this one included
THIS_PYTHON = "{}.{}".format(*sys.version_info)

# What the tests were started with must not reach what they start: threads would contradict a project's settings, a make
# that a make calls prints in another way, and Python would compile a project again for each command.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTEST_ADDOPTS",
              "PYTHONDONTWRITEBYTECODE"):  # fmt: skip
    os.environ.pop(_name, None)

load_packages()
Render = Callable[..., Path]
Shell = Callable[..., str]
_USED = pytest.StashKey[float]()
_MAKING = pytest.StashKey["subprocess.Popen[bytes]"]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run a newcomer's first day beside the quick files, then the others by what they take.

    It is the longest part of `make test`, and one process runs it. With the short ones last, no process waits long.
    """
    slow, newcomer = ({item.path for item in items if item.get_closest_marker(name)} for name in ("slow", "newcomer"))

    def place(item: pytest.Item) -> tuple[bool, bool, bool, int]:
        is_slow = bool(item.get_closest_marker("slow"))
        return item.path not in newcomer, item.path in slow, is_slow, -budget(item.path.stem)

    items.sort(key=place)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let one of the processes of the tests begin to make the environments that they wait for otherwise."""
    slow = [item for item in session.items if item.get_closest_marker("slow")]
    if slow and os.environ.get("PYTEST_XDIST_WORKER") == "gw0":
        names = ["everything"] if any("full_environment" in item.fixturenames for item in slow) else []
        command = [sys.executable, Path(__file__).with_name("environments.py"), *names]
        session.config.stash[_MAKING] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave no process behind."""
    if making := session.config.stash.get(_MAKING, None):
        making.wait()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Note the seconds of processors that each part of a test took, in all of its processes."""
    report = yield
    used = sum(os.times()[:4]) + preloaded.used()
    report.processors = used - item.config.stash.get(_USED, 0.0)
    item.config.stash[_USED] = used
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name the test files that took most, and those that took more than tests/budgets.py allows."""
    reports = [report for kind in terminalreporter.stats.values() for report in kind if hasattr(report, "processors")]
    spent = by_file((Path(report.nodeid.partition("::")[0]).stem, report.processors) for report in reports)
    terminalreporter.section("seconds of processors that the files of tests took, the ten that took most")
    terminalreporter.write_line("\n".join(f"{seconds:6.0f} {name}" for name, seconds in list(spent.items())[:10]))
    if lines := exceeded(spent):
        terminalreporter.section("files of tests that took more than tests/budgets.py allows")
        terminalreporter.write_line("\n".join(lines))


@pytest.fixture(scope="session", autouse=True)
def _no_caches() -> None:
    """Remove what tools left inside the template's folder: cookiecutter would try to render it."""
    for name in (".ruff_cache", ".mypy_cache", "__pycache__"):
        for folder in list(TEMPLATE.rglob(name)):
            shutil.rmtree(folder, ignore_errors=True)  # another process of the tests may be doing the same


@pytest.fixture(scope="module", autouse=True)
def _preloaded(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let the commands of a file run in processes of preloaded.py, if it is marked so."""
    preloaded.wanted = request.node.get_closest_marker("preloaded") is not None
    yield
    preloaded.wanted = False


@pytest.fixture
def render(tmp_path: Path) -> Render:
    """Return a function that generates a project with some answers, in a folder of its own, and returns its path."""

    def generate(**answers: str) -> Path:
        folder = tmp_path / f"render{len(list(tmp_path.glob('render*')))}"
        return Path(cookiecutter(str(ROOT), no_input=True, output_dir=str(folder), extra_context=answers))

    return generate


def run(
    command: str, folder: Path, check: bool = True, plain: bool = False, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command line with bash, with the project's environment first on the path.

    In a file with the mark `preloaded`, the project's scripts and modules run in processes of preloaded.py, unless the
    command is to be `plain`.
    """
    result = _run(command, folder, plain, environment)
    if check and result.returncode:
        raise AssertionError(f"{command}\nexited with {result.returncode}\n{result.stdout}\n{result.stderr}")
    return result


def _run(command: str, folder: Path, plain: bool, given: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = in_project(folder, **given)
    arguments = None if plain else preloaded.simple(command)
    if arguments and preloaded.suits(folder, environment):
        process = preloaded.Process(arguments, folder, environment)
        output, errors = process.communicate()
        return subprocess.CompletedProcess(command, process.wait(), output, errors)
    if not plain:
        environment = dict(preloaded.in_shell(command, folder, environment))
    shell = ["bash", "-euo", "pipefail", "-c", command]
    return subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True)


def in_project(folder: Path, **given: str) -> dict[str, str]:
    """Return the variables of a command in a project: with its environment first on the path, and what is given."""
    who = {f"GIT_{role}_{part}" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    variables = dict.fromkeys(who, "test@example.com")
    path = f"{folder / '.venv' / 'bin'}:{os.environ['PATH']}"
    if (folder / ".venv").is_symlink():  # one that is kept, and so is what mypy has read of torch's types
        variables["MYPY_CACHE_DIR"] = str((folder / ".venv").resolve().parent / "mypy")
        variables["PYTHONPATH"] = "src"  # the project that it was made with is installed in it, and not this one
    return {**os.environ, **variables, "PATH": path, **given}


def twice(command: str, folder: Path, **environment: str) -> None:
    """Run a command that resolves packages, and retry it where it fails.

    A registry can list a release before it has all of its files.
    """
    if run(command, folder, check=False, **environment).returncode:
        run(command, folder, **environment)


def code_blocks(text: str, language: str = "bash") -> list[str]:
    """Return the shell commands of a Markdown text, or what it has in another language, block by block."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="session")
def environment() -> Path:
    """Return a real `.venv` with exactly what `make setup` installs in a project with the default answers."""
    from environments import DEFAULT, environment_for  # they import what is above

    return environment_for(DEFAULT)


@pytest.fixture(scope="session")
def full_environment() -> Path:
    """Return a real `.venv` with all trackers and extras.

    A file of tests that needs more than the defaults takes it as its `environment`.
    """
    from environments import EVERYTHING, environment_for

    return environment_for(EVERYTHING)


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, environment: Path) -> Path:
    """Return a generated project with the defaults, installed and committed to git."""
    from golden import fresh

    return fresh(tmp_path_factory, tmp_path / "project", environment)


@pytest.fixture(scope="module")
def shared_project(tmp_path_factory: pytest.TempPathFactory, environment: Path) -> Path:
    """Return one project for a whole file of tests that do not disturb each other."""
    from golden import fresh

    return fresh(tmp_path_factory, tmp_path_factory.mktemp("shared"), environment)


@pytest.fixture(scope="module")
def shared_pipeline(tmp_path_factory: pytest.TempPathFactory, environment: Path) -> Path:
    """Return one project for a whole test file, whose short pipeline has run and is committed."""
    from golden import run_through

    return run_through(tmp_path_factory, tmp_path_factory.mktemp("pipeline"), environment)


def installed(folder: Path, environment: Path) -> Path:
    """Give a project the shared environment and a first commit."""
    (folder / ".venv").symlink_to(environment)
    run(
        "git init --quiet --initial-branch main && git add . && git commit --quiet --message 'Generate the project'",
        folder,
    )
    return folder


@pytest.fixture(scope="session")
def fashion_mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the four real files, fetched with apt where the package is not installed."""
    if FASHION_MNIST.exists():
        return FASHION_MNIST
    if not shutil.which("apt-get"):
        pytest.skip("the package dataset-fashion-mnist is not installed, and there is no apt-get to fetch it")
    folder = tmp_path_factory.mktemp("package")
    run("apt-get download dataset-fashion-mnist && dpkg -x dataset-fashion-mnist*.deb .", folder)
    return folder / FASHION_MNIST.relative_to("/")


def metrics(folder: Path) -> dict[str, float]:
    """Return the metrics that a test wrote."""
    loaded: dict[str, float] = json.loads((folder / "metrics.json").read_text())
    return loaded


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
