"""A generated project's own quality: style, types and tests, with its real environment."""

import re
import sys
from pathlib import Path

import pytest
from conftest import INSTALLED_NAMES, ROOT, TEMPLATE, THIS_PYTHON, Render, installed, run
from test_any_answer import EXTREME

pytestmark = pytest.mark.slow


def test_the_style_of_a_rendered_project(render: Render, environment: Path) -> None:
    """With a long name, which moves imports and lines. Types have nothing to do with it: test_first_day.py has them."""
    project = installed(render(python_version=THIS_PYTHON, package_name="z" * 50), environment)
    run("ruff check . && ruff format --check .", project)


def test_types_of_the_sources_as_they_stand(tmp_path: Path, full_environment: Path) -> None:
    """With what other trackers and extras bring; without, test_first_day.py has them checked in a project.

    The user's folder needs a name that can be imported.
    """
    (tmp_path / "package_name").symlink_to(TEMPLATE / "src" / "{{cookiecutter.package_name}}")
    (tmp_path / "reproml").symlink_to(TEMPLATE / "src" / "reproml")
    (tmp_path / ".venv").symlink_to(full_environment)
    scripts = " ".join(f"'{path}'" for path in [*TEMPLATE.glob("*.py"), TEMPLATE / "tests"])
    run(
        f"mypy --config-file '{TEMPLATE}/pyproject.toml' package_name reproml {scripts}",
        tmp_path,
        MYPYPATH=str(tmp_path),
    )
    run(
        f"mypy --strict --cache-dir cache '{ROOT}/hooks/pre_gen_project.py' '{ROOT}/hooks/post_gen_project.py'",
        tmp_path,
    )


# What a user changes on the first day. The project's tests must not insist on the values that it came with.
EDITS = {
    "configs/config.yaml": {
        "data: digits ": "data: breast_cancer ",
        "seed: 42": "seed: 7",
    },
    "configs/task/classification.yaml": {"model: cnn ": "model: mlp "},
    "configs/training/default.yaml": {
        "epochs: 30": "epochs: 3",
        "batch_size: 64": "batch_size: 48",
        "lr: 0.003": "lr: 0.001",
        "weight_decay: 0.01": "weight_decay: 0.1",
        "  - scheduler: onecycle": "  - scheduler: none",
    },
    "configs/data/digits.yaml": {
        "shift: 0": "shift: 1",
        "flip: false": "flip: true",
        "num_workers: 0": "num_workers: 1",
        "validation_fraction: 0.15": "validation_fraction: 0.2",
        "test_fraction: 0.15": "test_fraction: 0.1",
    },
    "configs/model/mlp.yaml": {"hidden: [64, 128, 64]": "hidden: [24]", "dropout: 0.0": "dropout: 0.1"},
    "configs/model/cnn.yaml": {"channels: [32, 64]": "channels: [8, 8, 8]", "hidden: 128": "hidden: 16"},
    "src/*/data/digits.py": {
        ":64].astype(np.uint8)": ":64].astype(np.float32)",
        '(1, 8, 8), "uint8"': '(1, 8, 8), "float32"',
    },
}


def test_the_projects_own_tests_pass_under_another_name_and_after_edits(render: Render, full_environment: Path) -> None:
    """With all extras, so that none of them is skipped. With the defaults they are run by test_first_day.py."""
    answers = {**EXTREME, "python_version": THIS_PYTHON, "tracker": "none"}
    project = installed(render(**answers), full_environment)
    for name, changes in EDITS.items():
        [path] = project.glob(name)
        text = path.read_text()
        for before, after in changes.items():
            assert text.count(before) == 1, before
            text = text.replace(before, after)
        path.write_text(text)
    said = run("make test", project).stdout
    assert " passed" in said
    assert " skipped" not in said


def test_what_is_committed_and_packed(project: Path) -> None:
    """A commit hook refuses large files; test_first_day.py runs all hooks. Packages hold neither settings nor data."""
    (project / "large.bin").write_bytes(bytes(2_000_000))
    refused = run("git add --force large.bin && pre-commit run --files large.bin", project, check=False)
    assert "use dvc add for large.bin" in refused.stdout
    planted = [project / ".env", project / ".dvc" / "config.local", project / "data" / "raw" / "private.csv"]
    for path in planted:
        path.write_text("secret")
        assert run(f"git check-ignore '{path}'", project).returncode == 0
    run("python -m hatchling build", project)
    [source], [wheel] = (project / "dist").glob("*.tar.gz"), (project / "dist").glob("*.whl")
    packed = run(f"tar --list --file '{source}' && python -m zipfile --list '{wheel}'", project).stdout
    assert "train.py" in packed
    assert packed.count("report/templates/report.html.j2") == 2
    assert not [path.name for path in planted if path.name in packed]


def test_no_package_can_take_the_name_of_an_installed_one(full_environment: Path) -> None:
    """The hook's list holds every module that an environment with all trackers and extras can import."""
    code = "from importlib.metadata import packages_distributions as found; print(*found())"
    modules = set(run(f"python -P -c '{code}'", full_environment.parent).stdout.split())
    assert {"torch", "hydra", "sklearn", "yaml", "wandb", "ray"} <= modules
    possible = {module for module in modules if re.fullmatch(r"[a-z][a-z0-9_]*(?<!__mypyc)", module)} - {
        "my_project",
        "reproml",
    }
    assert possible - INSTALLED_NAMES - set(sys.stdlib_module_names) == set()
