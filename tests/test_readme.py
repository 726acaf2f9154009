"""What the READMEs print is run as printed, in their order."""

import re
import shutil
import sys
from pathlib import Path

import pytest
from conftest import ROOT, code_blocks, digest, metrics, run
from indexes import torch_index

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]


def test_the_projects_readme(project: Path, fashion_mnist: Path) -> None:
    """All commands but the installation, which the environment of the tests is made with, and the containers.

    Lint and tests, which take minutes, are steps of the project's CI too: test_first_day.py runs those as printed. The
    dozen trainings are shorter than the default, with which the demo below trains.
    """
    run("sed -i 's/^epochs: 30/epochs: 6/' configs/training/default.yaml && git commit --quiet -am Shorten", project)
    run(f"python prepare.py data=fashion_mnist data.source={fashion_mnist}", project)  # there is no download here
    blocks = code_blocks((project / "README.md").read_text())
    assert len(blocks) >= 7
    ran = []
    elsewhere = re.compile(r"setup|-m venv|make image")
    in_ci = set(re.findall(r"run: (make (?:lint|test))$", (project / ".github/workflows/ci.yml").read_text(), re.M))
    assert in_ci == {"make lint", "make test"}
    for line in "".join(block for block in blocks if not elsewhere.search(block)).splitlines():
        command = re.sub(r"\s+#.*", "", line)
        runs = sorted(
            project.glob("outputs/*/*/model.safetensors"), key=lambda path: path.stat().st_mtime, reverse=True
        )
        names = (str(path.parent.relative_to(project)) for path in runs)  # the newest first
        command = re.sub(r"outputs/2026-01-31/\S+", lambda _, names=names: next(names), command)
        if command.startswith("git commit"):
            command += " --allow-empty"
        if command.endswith("experiment=fashion_mnist"):
            command += " training.epochs=1"  # of its 8, which take minutes
        ran.append(command)
        if command in in_ci:
            continue
        differ = command.startswith("python -m my_project diff")  # two runs of this page, which differ
        assert run(command, project, check=not differ, PYTHONPATH="src").returncode == differ, command
    assert {"make run", "make test", "make lint", "dvc push", "dvc pull"} <= set(ran)
    assert metrics(project / "reports")["accuracy"] >= 0.95
    configs = project.glob("outputs/*/*/config.yaml")
    [fashion] = [path.parent for path in configs if "name: fashion_mnist" in path.read_text()]
    assert metrics(fashion / "test")["accuracy"] >= 0.88
    run('eval "$(python train.py -sc install=bash)"', project)


def test_the_page_on_reproducibility(project: Path) -> None:
    run("sed -i 's/^epochs: 30/epochs: 6/' configs/training/default.yaml && git commit --quiet -am Shorten", project)
    block, finetune = code_blocks((project / "docs" / "reproducibility.md").read_text())
    said = run(block, project, PYTHONPATH="src").stdout  # the environment of the tests belongs to another project
    assert "the runs are equal, bit for bit" in said
    assert "reproduced bit for bit" in said
    run("python train.py seed=43 hydra.run.dir=outputs/other", project)
    other = run("python -m my_project diff outputs/first outputs/other", project, check=False, PYTHONPATH="src")
    assert other.returncode == 1
    assert digest(project / "outputs/other/model.safetensors") != digest(project / "outputs/first/model.safetensors")
    shutil.copy(project / "outputs/first/model.safetensors", project / "data/external/backbone.safetensors")
    assert re.search(r"backbone\.safetensors: \d+ tensors are taken over", run(finetune, project).stdout)


def test_the_demo(tmp_path: Path) -> None:
    """`make demo` in a clone of this repository, as the README says.

    But for the template's own environment, which runs this test, and the place that torch comes from.
    """
    clone = tmp_path / "clone"
    shutil.copytree(
        ROOT, clone, ignore=shutil.ignore_patterns(".venv", ".cache", "demo", ".pytest_cache", "__pycache__")
    )
    (clone / ".venv").symlink_to(Path(sys.executable).parent.parent)
    with torch_index(tmp_path / "index") as address:
        # pip need not compile what nothing imports; 0 because the option is a negation. Python keeps what it compiles
        given = {"TORCH_INDEX": address, "PIP_NO_COMPILE": "0", "PYTHONPATH": ""}
        printed = run("make --old-file .venv/made demo", clone, plain=True, **given).stdout
    accuracy = re.search(r"reports/metrics.json\s+([0-9.]+)", printed)
    assert accuracy, printed
    assert float(accuracy[1]) >= 0.975
