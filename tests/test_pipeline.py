"""DVC: only the stages concerned run, experiments work, and a clone gets everything back."""

import json
import os
import re
import urllib.request
from pathlib import Path

import pytest
import yaml
from conftest import THIS_PYTHON, Render, code_blocks, digest, metrics, run
from golden import STAGES, stages_run
from loopback import s3_server

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]
TRAINED = {"train", "evaluate", "document_model"}  # the stages that another training concerns


@pytest.fixture(scope="module")
def pipeline(shared_pipeline: Path) -> Path:
    """Return a project whose pipeline has run, shortened to a small network and two epochs, and was committed.

    Its run is in MLflow: `sync` is about trackers.
    """
    track = "sed -i 's/tracking: .none./tracking: [mlflow]/' configs/config.yaml configs/pipeline.yaml"
    assert stages_run(run(f"{track} && dvc repro --force", shared_pipeline).stdout) == STAGES
    run("git add . && git commit --quiet --message Track", shared_pipeline)
    return shared_pipeline


def test_nothing_runs_the_second_time(pipeline: Path) -> None:
    output = run("dvc repro", pipeline).stdout
    assert stages_run(output) == set()
    assert "up to date" in output
    assert run("git status --porcelain", pipeline).stdout == ""


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ("sed -i 's/^lr: .*/lr: 0.002/' configs/training/default.yaml", {"configure", "train"}),
        (
            "sed -i 's/^test_fraction: .*/test_fraction: 0.2/' configs/data/digits.yaml",
            {"configure", "code", "prepare", "document_data", "train"},
        ),
        ("echo '# more' >> configs/training/default.yaml", {"configure"}),
        ("echo '# more' >> src/reproml/evaluation/figures.py", {"code", "evaluate"}),
        ("echo '# more' >> src/reproml/markdown.py", {"code", "document_data", "document_model"}),
        ("echo '# mine' > src/my_project/callbacks.py", {"code", "train", "evaluate"}),  # a new file
        ("echo '# more' >> src/my_project/data/digits.py", {"code", "prepare", "train", "evaluate"}),
        ("sed -i 's/num_workers: 0/num_workers: 1/' configs/data/digits.yaml", {"configure", "code", "document_data"}),
        ("echo '# more' >> data/sources.yaml", {"document_data", "document_model"}),
        ("echo '# more' >> README.md", set()),
        ("sed -i 's/tracking: .mlflow./tracking: [none]/' configs/pipeline.yaml", {"configure"}),
    ],
)
def test_only_the_stages_concerned_run_again(pipeline: Path, edit: str, expected: set[str]) -> None:
    """DVC is only asked: after its two first stages, for the others that see the edit themselves.

    What their outputs bring about is tried below. Which code is whose, test_code.py asks in-process.
    """
    run(f"{edit}; python configure.py; python configure.py code", pipeline)
    would_run = stages_run(run("dvc repro --dry", pipeline).stdout)
    run("git checkout --quiet . && git clean --quiet --force src", pipeline)
    assert would_run == expected


def test_a_stage_whose_inputs_stay_the_same_does_not_run(pipeline: Path) -> None:
    run("echo '# more' >> src/reproml/evaluation/figures.py", pipeline)
    ran = stages_run(run("dvc repro", pipeline).stdout)
    run("git checkout --quiet . && dvc checkout --quiet", pipeline)
    assert ran == {"code", "evaluate"}  # and not document_model, which reads what evaluate has written again


def test_the_test_in_training_equals_evaluate(pipeline: Path) -> None:
    assert metrics(pipeline / "models" / "test") == metrics(pipeline / "reports")


def test_params_diff_and_metrics_show(pipeline: Path) -> None:
    said = run("sed -i 's/^lr: .*/lr: 0.002/' configs/training/default.yaml && dvc repro", pipeline).stdout
    assert stages_run(said) == {"configure", *TRAINED}
    difference = json.loads(run("dvc params diff --json", pipeline).stdout)
    shown = json.loads(run("dvc metrics show --json", pipeline).stdout)
    run("git checkout --quiet . && dvc checkout --quiet", pipeline)
    changed = {"old": 0.003, "new": 0.002, "diff": pytest.approx(-0.001)}
    followers = ("training.optimizer.lr", "training.scheduler.max_lr")  # which configs/ take from training.lr
    assert difference == {"params.yaml": dict.fromkeys(("training.lr", *followers), changed)}
    assert "accuracy" in str(shown)
    assert "configure" in run("dvc dag", pipeline).stdout


def test_an_experiment_leaves_configs_alone(pipeline: Path) -> None:
    sync = "python -m my_project sync models"
    own = run(sync, pipeline, PYTHONPATH="src").stdout
    before = json.loads((pipeline / "models" / "tracking.json").read_text())
    assert own.removeprefix("mlflow has models now, as ").strip() in {note["mlflow"] for note in before.values()}
    output = run("dvc exp run -S training.lr=0.01 --name faster", pipeline).stdout
    assert stages_run(output) - {"configure"} == TRAINED
    assert "lr: 0.003" in (pipeline / "configs" / "training" / "default.yaml").read_text()
    changed = json.loads(run("dvc exp diff --json", pipeline).stdout)["params"]["params.yaml"]
    assert changed["training.lr"] == {"old": 0.003, "new": 0.01, "diff": pytest.approx(0.007)}
    run("git checkout --quiet . && dvc checkout --quiet", pipeline)
    notes = json.loads((pipeline / "models" / "tracking.json").read_text())
    assert len(notes) == len(before) + 1  # the experiment has left its own
    assert metrics(pipeline / "models" / "test") != metrics(pipeline / "reports")  # and its results
    assert run(sync, pipeline, PYTHONPATH="src").stdout == own
    assert json.loads((pipeline / "models" / "tracking.json").read_text()) == notes
    code = "from pathlib import Path; from reproml.tracking.tracked_run import TrackedRun; "
    code += "print(*TrackedRun.read(Path('models')).results())"
    results = run(f'python -c "{code}"', pipeline, PYTHONPATH="src").stdout.split()
    reports = pipeline / "reports"
    tables_and_figures = [path for folder in ("tables", "figures") for path in (reports / folder).iterdir()]
    alone = [reports / name for name in ("metrics.json", "evaluation.json", "predictions.csv")]
    assert len(tables_and_figures) == 5
    assert sorted(pipeline / name for name in results) == sorted([*alone, *tables_and_figures])  # each once
    refused = run("dvc exp run -S training.lr=-1", pipeline, check=False)
    assert refused.returncode != 0
    assert "training.lr=-1" in refused.stdout + refused.stderr
    run("git checkout --quiet . && dvc checkout --quiet", pipeline)


def test_an_experiment_is_kept_as_the_readme_says(pipeline: Path) -> None:
    """After `faster` of the test above: applied and committed, it outlives an edit of configs/."""
    start = run("git rev-parse HEAD", pipeline).stdout.strip()
    run("dvc exp apply faster && git add . && git commit --quiet --message Apply", pipeline)
    model = digest(pipeline / "models" / "model.safetensors")
    assert stages_run(run("dvc repro", pipeline).stdout) == set()
    for command in ("echo '# more' >> configs/training/default.yaml && dvc repro", "dvc exp run -S training.epochs=1"):
        refused = run(command, pipeline, check=False)
        assert refused.returncode != 0
        assert "holds training.lr=0.01, which does not come from configs/" in refused.stdout + refused.stderr
        run("git checkout --quiet params.yaml dvc.lock", pipeline)
    run("python -m my_project keep quick", pipeline, PYTHONPATH="src")
    assert stages_run(run("dvc repro", pipeline).stdout) == {"configure"}
    run("git add . && git commit --quiet --message Keep && echo '# more' >> configs/model/mlp.yaml", pipeline)
    assert stages_run(run("dvc repro", pipeline).stdout) == {"configure"}
    assert "lr: 0.01" in (pipeline / "params.yaml").read_text()
    assert digest(pipeline / "models" / "model.safetensors") == model
    run(f"git reset --quiet --hard {start} && dvc checkout --quiet", pipeline)


def test_a_queued_experiment_runs_its_own_copy_of_the_code(pipeline: Path) -> None:
    run("sed -i 's/dropout: 0.0/dropout: 0.5/' configs/model/mlp.yaml", pipeline)
    run("dvc exp run --queue -S training.epochs=1,2 --name queued", pipeline)
    run("git checkout --quiet . && dvc checkout --quiet", pipeline)
    run("dvc exp run --run-all", pipeline)
    rows = json.loads(run("dvc exp show --json", pipeline).stdout)
    assert {"queued-1", "queued-2"} <= set(re.findall(r"queued-\d", json.dumps(rows))), rows
    assert run("git status --porcelain", pipeline).stdout == ""


def test_a_clone_pulls_and_has_nothing_to_do(pipeline: Path, tmp_path: Path, environment: Path) -> None:
    run("dvc push", pipeline)
    clone = tmp_path / "clone" / pipeline.name
    run(f"git clone --quiet '{pipeline}' '{clone}'", tmp_path)
    (clone / ".venv").symlink_to(environment)
    run(f"dvc remote modify --local local url '{pipeline.parent}/my-project-dvc-store' && dvc pull", clone)
    assert digest(clone / "models" / "model.safetensors") == digest(pipeline / "models" / "model.safetensors")
    assert stages_run(run("dvc repro", clone).stdout) == set()


def test_a_project_runs_the_pipeline_again_to_the_same_bits(pipeline: Path) -> None:
    """All of it, before it was tracked and since; and its training in a process that is not preloaded."""
    model = "models/model.safetensors"
    first, now = (
        yaml.safe_load(run(f"git show {commit}:dvc.lock", pipeline).stdout)["stages"] for commit in ("HEAD~1", "HEAD")
    )
    digests = [{out["path"]: out["md5"] for out in lock["train"]["outs"]} for lock in (first, now)]
    assert digests[0][model] == digests[1][model]
    assert digests[0]["models/run.json"] != digests[1]["models/run.json"]  # it was not the same run
    before = digest(pipeline / model)
    run("dvc repro --force --single-item train", pipeline, plain=True)
    assert digest(pipeline / model) == before
    run("git checkout --quiet . && dvc checkout --quiet", pipeline)


def test_a_failing_stage_keeps_what_was_there(pipeline: Path) -> None:
    raw = pipeline / "data" / "raw" / "pipeline" / "digits.csv.gz"
    good, before = raw.read_bytes(), digest(pipeline / "data" / "processed" / "pipeline" / "inputs.npy")
    raw.unlink()
    raw.write_bytes(good[:1000])
    result = run("dvc repro", pipeline, check=False)
    raw.unlink()
    raw.write_bytes(good)
    assert result.returncode != 0
    assert "digits.csv.gz is truncated or damaged" in result.stdout + result.stderr
    assert digest(pipeline / "data" / "processed" / "pipeline" / "inputs.npy") == before


def test_run_works_before_git(render: Render, environment: Path) -> None:
    """`make setup && make run`, as a first thing."""
    project = render(python_version=THIS_PYTHON)
    (project / ".venv").symlink_to(environment)
    run("sed -i 's/^epochs: 30/epochs: 1/' configs/training/default.yaml", project)
    assert stages_run(run("make run", project).stdout) == STAGES


def test_no_secret_gets_into_the_pipeline(pipeline: Path) -> None:
    secret = {"STORAGE": "correct-horse-battery"}
    run("sed -i 's/^source: sklearn/source: ${oc.env:STORAGE,sklearn}/' configs/data/digits.yaml", pipeline)
    for command in ("dvc repro", "dvc exp run -S training.epochs=1"):
        result = run(command, pipeline, check=False, **secret)
        assert result.returncode != 0
        assert "only configs/tracking may read the environment" in result.stdout + result.stderr
        run("git checkout --quiet params.yaml", pipeline)
    run("git checkout --quiet .", pipeline)


def test_s3_as_the_docs_say(pipeline: Path, tmp_path: Path, full_environment: Path) -> None:
    run("git checkout --quiet . && dvc checkout --quiet", pipeline)  # earlier tests left another run of the same stages
    block = next(block for block in code_blocks((pipeline / "docs" / "data.md").read_text()) if "s3://" in block)
    with s3_server(tmp_path / "log") as address:
        urllib.request.urlopen(urllib.request.Request(f"{address}/my-bucket", method="PUT"))
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
        keys["PATH"] = f"{full_environment / 'bin'}:{os.environ['PATH']}"  # which has the extra that the page names
        run(block.replace("https://storage.example.com", address), pipeline, **keys)
        run("rm -rf .dvc/cache models/model.safetensors", pipeline)
        with pytest.raises(AssertionError):
            run("dvc checkout models/model.safetensors", pipeline)  # it is really gone
        run("dvc pull", pipeline, **keys)
        assert (pipeline / "models" / "model.safetensors").exists()
    run("git checkout --quiet .", pipeline)


def test_other_data_is_taken_at_once(pipeline: Path) -> None:
    """By an edit of configs/, and by an experiment. What was there before comes back from DVC's cache."""
    raw = pipeline / "data" / "raw" / "pipeline"
    for command, done in (
        ("sed -i 's/- data: digits/- data: breast_cancer/' configs/config.yaml && dvc repro", STAGES),
        ("dvc exp run -S data=breast_cancer -S data.test_fraction=0.2", STAGES),
    ):
        assert stages_run(run(command, pipeline).stdout) | {"configure"} == done
        assert [path.name for path in raw.iterdir()] == ["breast_cancer.csv"]
        assert "      name: breast_cancer\n" in (pipeline / "dvc.lock").read_text()
        assert json.loads((pipeline / "models" / "run.json").read_text())["data"]["name"] == "breast_cancer"
        run("git checkout --quiet . && dvc checkout --quiet", pipeline)
        assert [path.name for path in raw.iterdir()] == ["digits.csv.gz"]
        assert stages_run(run("dvc repro", pipeline).stdout) == set()
