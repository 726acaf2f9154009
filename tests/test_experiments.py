"""params.yaml and configs/: edits of configs/ take effect, what an experiment left is kept, and neither is lost."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, THIS_PYTHON, installed, run
from cookiecutter.main import cookiecutter

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]
LOCK = "schema: '2.0'\nstages: {}\n"  # a pipeline that has run
EDIT = "sed -i 's/^lr: .*/lr: 0.001/' configs/training/default.yaml"
# What `dvc exp run -S` does to params.yaml.
DVC = """
import sys
from hydra import compose, initialize
from omegaconf import OmegaConf
with initialize("configs", version_base=None):
    open("params.yaml", "w").write(OmegaConf.to_yaml(compose("snapshot", overrides=sys.argv[1:]), resolve=True))
"""


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory, environment: Path) -> Path:
    """Return a project in which only configure.py has run, but that looks as if the pipeline had."""
    folder = tmp_path_factory.mktemp("experiments")
    answers = {"python_version": THIS_PYTHON}
    rendered = cookiecutter(str(ROOT), no_input=True, output_dir=str(folder), extra_context=answers)
    project = installed(Path(rendered), environment)
    run("python configure.py", project)
    (project / "dvc.lock").write_text(LOCK)
    (project / "as_dvc.py").write_text(DVC)
    run("git add --all && git commit --quiet --message Run", project)
    return project


@pytest.fixture
def project(generated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(generated, tmp_path / generated.name, symlinks=True))


def configure(project: Path, stage: str = "configure", **environment: str) -> tuple[int, str]:
    """Run what a stage of DVC runs, or a person, who has no stage."""
    by_dvc = {"DVC_STAGE": stage} if stage else {}
    result = run("python configure.py", project, check=False, **by_dvc, **environment)
    return result.returncode, result.stdout + result.stderr


def params(project: Path) -> dict[str, dict[str, object]]:
    return yaml.safe_load((project / "params.yaml").read_text())


@pytest.mark.parametrize(
    ("plant", "rate"),
    [
        (EDIT, 0.001),
        (f"{EDIT} && python configure.py && sed -i 's/^lr: .*/lr: 0.01/' configs/training/default.yaml", 0.01),
        (f"{EDIT} && python configure.py && git checkout configs", 0.003),
        (f"git checkout HEAD~1 -- params.yaml && rm dvc.lock && {EDIT}", 0.001),  # before the first run of the pipeline
        ("python as_dvc.py", 0.003),  # an experiment that changes nothing
        (f"python as_dvc.py training.lr=0.001 && {EDIT}", 0.001),  # somebody wrote it into configs/ by hand
        (f"rm params.yaml && {EDIT}", 0.001),
    ],
)
def test_an_edit_of_configs_is_taken_over(project: Path, plant: str, rate: float) -> None:
    run(plant, project)
    assert configure(project) == (0, "")
    assert params(project)["training"]["lr"] == rate
    assert (project / "params.yaml").read_text().startswith("# Written by configure.py from configs/")


@pytest.mark.parametrize(
    ("plant", "held"),
    [
        ("python as_dvc.py training.lr=0.001", "training.lr=0.001"),
        (
            "python as_dvc.py training.lr=0.001 seed=7 && echo '# more' >> configs/config.yaml",
            "training.lr=0.001, seed=7",
        ),
        ("sed -i 's/^seed: 42/seed: 43/' params.yaml", "seed=43"),  # by hand
        ("sed -i '/^resume/d' params.yaml", "no resume"),
    ],
)
def test_what_an_experiment_left_is_not_replaced(project: Path, plant: str, held: str) -> None:
    run(plant, project)
    before = (project / "params.yaml").read_bytes()
    code, said = configure(project)
    assert code == 1
    assert f"error: params.yaml holds {held}, which does not come from configs/" in said
    assert "python -m reproml keep writes that into configs/, or python configure.py discards it" in said
    assert (project / "params.yaml").read_bytes() == before
    run("git add --all && git commit --quiet --message Apply && python as_dvc.py training.epochs=1", project)
    head = run("git rev-parse HEAD", project).stdout.strip()
    code, said = configure(project, DVC_EXP_NAME="next", DVC_EXP_BASELINE_REV=head)
    assert code == 1
    assert f"error: params.yaml in the commit holds {held}, " in said
    run("git checkout params.yaml", project)
    assert configure(project, "")[1] == f"params.yaml held {held}; now it holds what configs/ give\n"
    assert configure(project) == (0, "")


def test_an_experiment_has_its_own_settings(project: Path) -> None:
    head = run("git rev-parse HEAD", project).stdout.strip()
    experiment = {"DVC_EXP_NAME": "name", "DVC_EXP_BASELINE_REV": head}
    run("python as_dvc.py training.lr=0.001", project)
    before = (project / "params.yaml").read_bytes()
    assert configure(project, **experiment) == (0, "")
    assert (project / "params.yaml").read_bytes() == before
    run(f"{EDIT} && python as_dvc.py", project)  # without -S, after an edit: what it leaves is what configs/ give
    assert configure(project, **experiment) == (0, "")
    run("sed -i 's/^lr: .*/lr: 0.01/' configs/training/default.yaml", project)
    assert configure(project) == (0, "")
    assert params(project)["training"]["lr"] == 0.01


@pytest.mark.parametrize(
    ("overrides", "defaults"),
    [
        ("training.lr=0.001 seed=7", None),
        ("model=mlp 'model.hidden=[8]' training.epochs=1", [{"override /model": "mlp"}]),
        ("data=breast_cancer model=mlp", [{"override /data": "breast_cancer"}, {"override /model": "mlp"}]),
        ("reproducibility=portable", [{"override /reproducibility": "portable"}]),
        ("+trainer.limit_train_batches=2", None),
        ("training/optimizer=sgd training.lr=0.05", [{"override /training/optimizer": "sgd"}]),
        ("training/scheduler=none training.optimizer.weight_decay=0.1", [{"override /training/scheduler": "none"}]),
    ],
)
def test_keep_makes_configs_compose_the_experiment(
    project: Path, overrides: str, defaults: list[dict[str, str]] | None
) -> None:
    run(f"python as_dvc.py {overrides}", project)
    held = params(project)
    run("python -m my_project keep", project, PYTHONPATH="src")
    kept = yaml.safe_load((project / "configs" / "experiment" / "kept.yaml").read_text())
    assert kept.get("defaults") == defaults
    assert "lr" not in kept.get("training", {}).get("optimizer", {})  # it follows training.lr
    run("echo '# more' >> configs/training/default.yaml", project)
    assert configure(project) == (0, "")
    assert params(project) == held
    shown = yaml.safe_load(run("python train.py --cfg job", project).stdout)
    assert shown["seed"] == held["seed"]  # by hand too
    assert shown["model"] == held["model"]


def test_what_was_kept_is_not_kept_again_and_another_one_is_kept_on_top(project: Path) -> None:
    run("python as_dvc.py training.lr=0.001 seed=7", project)
    held = params(project)
    run("python -m my_project keep", project, PYTHONPATH="src")
    assert configure(project) == (0, "")
    refused = run("python -m my_project keep", project, check=False, PYTHONPATH="src")
    assert "there is nothing to keep" in refused.stderr
    run("python as_dvc.py training.gradient_clip=0.5", project)
    run("python -m my_project keep next_one", project, PYTHONPATH="src")
    held["training"]["gradient_clip"] = 0.5
    assert configure(project) == (0, "")
    assert json.dumps(params(project)) == json.dumps(held)


@pytest.mark.parametrize(
    ("plant", "reason"),
    [
        ("true", "params.yaml is what configs/ give: there is nothing to keep"),
        ("rm params.yaml", "params.yaml is missing or damaged"),
        ("echo '{' > params.yaml", "params.yaml is missing or damaged"),
        (
            "python as_dvc.py '~data.files' '+data.files={mine.csv:0}'",
            "params.yaml (no data.files.digits.csv.gz): write",
        ),
        ("python as_dvc.py seed=7 && sed -i '/- experiment:/d' configs/config.yaml", "no line `- experiment: null`"),
        ("python as_dvc.py seed=7 && touch configs/experiment/mine.yaml", "mine is not the name of a new experiment"),
    ],
)
def test_what_cannot_be_kept_leaves_configs_alone(project: Path, plant: str, reason: str) -> None:
    run(plant, project)
    before = run("git status --porcelain && git diff", project).stdout
    result = run("python -m my_project keep mine", project, check=False, PYTHONPATH="src")
    assert result.returncode == 2
    assert result.stderr.startswith("not kept: ")
    assert reason in result.stderr
    assert run("git status --porcelain && git diff", project).stdout == before
