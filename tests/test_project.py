"""A generated project's own quality: style, types and tests, with its real environment."""

from pathlib import Path

import pytest
from conftest import CACHE, CHOICES, ROOT, TEMPLATE, THIS_PYTHON, Render, installed, run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"package_name": "z" * 50, "project_slug": "another-name"},
        *({"environment_manager": manager} for manager in CHOICES["environment_manager"][1:]),
        *({"tracker": tracker} for tracker in CHOICES["tracker"][1:]),
    ],
    ids=str,
)
def test_style_and_types_of_a_rendered_project(render: Render, environment: Path, answers: dict[str, str]) -> None:
    project = installed(render(python_version=THIS_PYTHON, **answers), environment)
    run("make lint", project, MYPY_CACHE_DIR=str(CACHE / "mypy"))  # shared, because torch's types take long to read


def test_types_of_the_sources_as_they_stand(tmp_path: Path, environment: Path) -> None:
    """The package's folder needs a name that can be imported; nothing else is changed."""
    (tmp_path / "package_name").symlink_to(TEMPLATE / "src" / "{{cookiecutter.package_name}}")
    (tmp_path / ".venv").symlink_to(environment)
    scripts = " ".join(f"'{path}'" for path in [*TEMPLATE.glob("*.py"), TEMPLATE / "tests"])
    run(
        f"mypy --config-file '{TEMPLATE}/pyproject.toml' --cache-dir {CACHE}/mypy package_name {scripts}",
        tmp_path,
        MYPYPATH=str(tmp_path),
    )
    run(f"mypy --strict --cache-dir cache '{ROOT}/hooks/pre_gen_project.py'", tmp_path)
    run(f"mypy --strict --cache-dir cache '{ROOT}/hooks/post_gen_project.py'", tmp_path)


def test_the_projects_own_tests_pass_under_another_name(render: Render, environment: Path) -> None:
    """With the defaults they are run by the test of the README."""
    answers = {"python_version": THIS_PYTHON, "package_name": "other_package", "tracker": "none"}
    project = installed(render(**answers), environment)
    assert " passed" in run("make test", project).stdout


def test_no_package_can_take_the_name_of_a_dependency(environment: Path) -> None:
    """The hook's list is complete: it holds every module that a direct dependency installs."""
    space: dict[str, object] = {"__name__": "hook"}
    hook = (ROOT / "hooks" / "pre_gen_project.py").read_text().replace("{{ cookiecutter | jsonify }}", "{}")
    exec(compile(hook, "hook", "exec"), space)
    taken = space["TAKEN"]
    assert isinstance(taken, set)
    code = (
        "import re, tomllib; from importlib.metadata import packages_distributions as found;"
        "data = tomllib.load(open('pyproject.toml', 'rb'));"
        "names = [*data['project']['dependencies'], *data['dependency-groups']['dev']];"
        "names = {re.split('==', name)[0] for name in names};"
        "print(*(module for module, owners in found().items() if names & set(owners) and module.isidentifier()))"
    )
    modules = set(run(f'python -c "{code}"', environment.parent).stdout.split())
    assert {"torch", "hydra", "sklearn"} <= modules
    public = {module for module in modules if not module.startswith("_") and module not in ("functorch", "torchgen")}
    assert {module for module in public if module.islower()} - taken == set()
