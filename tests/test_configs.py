"""The configuration of a generated project, composed without its environment: only Hydra is needed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import CHOICES, Render


def python(project: Path, code: str) -> str:
    """Run Python code in the project with its package on the path."""
    environment = {**os.environ, "PYTHONPATH": str(project / "src")}
    result = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    return result.stdout


COMPOSE = """
from pathlib import Path
from hydra import compose, initialize_config_dir
from reproml import recipe  # registers the resolvers
with initialize_config_dir(str(Path("configs").resolve()), version_base="1.3"):
    for file in sorted([*Path("configs").glob("*/*.yaml"), *Path("configs").glob("training/*/*.yaml")]):
        choice = f"[{file.stem}]" if file.parent.name == "tracking" else file.stem
        compose("config", [f"{file.parent.relative_to('configs')}={choice}"])
        print(file)
"""


def test_every_yaml_composes(render: Render) -> None:
    project = render()
    printed = python(project, COMPOSE).split()
    files = [*project.glob("configs/*/*.yaml"), *project.glob("configs/training/*/*.yaml")]
    assert sorted(printed) == sorted(str(path.relative_to(project)) for path in files)
    assert len(printed) > 20


@pytest.mark.parametrize("tracker", CHOICES["tracker"])
def test_params_yaml_is_what_configure_writes(render: Render, tracker: str) -> None:
    project = render(tracker=tracker, project_slug="other-slug", package_name="other_package")
    shipped = (project / "params.yaml").read_text()
    (project / "params.yaml").unlink()
    subprocess.run([sys.executable, "configure.py"], cwd=project, check=True)
    stamp, _, written = (project / "params.yaml").read_text().partition("\n")
    assert stamp.startswith("# Written by configure.py ")  # which the shipped file lacks: no pipeline has run yet
    assert written == shipped
    assert yaml.safe_load(shipped)["seed"] == 42
