"""What claims to be exact is exact: all Lightning callbacks and all precisions, interrupted and continued."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import TEMPLATE, run
from runs import SHORT, train

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).with_name("exactness.py")
# Not callbacks of a training: bases without a behaviour, or at work in a prediction only.
WITHOUT_EFFECT = {"Callback", "Checkpoint", "ProgressBar", "BasePredictionWriter"}


@pytest.fixture(scope="module")
def found(shared_project: Path) -> dict[str, Any]:
    """Return what `exactness.py` found: one process trains some hundred times in half a minute."""
    run("python prepare.py", shared_project)
    result = subprocess.run(
        [shared_project / ".venv" / "bin" / "python", SCRIPT], cwd=shared_project, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def refused_names() -> set[str]:
    """Return the names that the project refuses, from its source, without a project's environment."""
    source = (TEMPLATE / "src" / "reproml" / "config" / "inexact.py").read_text()
    namespace: dict[str, Any] = {}
    table = source[source.index("_REASONS = {") : source.index("_LIGHTNING = ")]
    exec(table, namespace)
    return set(namespace["_REASONS"])


def test_every_callback_is_exact_or_refused(found: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        for name, points in found["interrupted"].items():
            wrong = {point: parts for point, parts in points.items() if parts}
            print(f"\n  {name:32} {len(points) - len(wrong)} of {len(points)} identical {wrong or ''}", end="")
    assert not {name: points for name, points in found["interrupted"].items() if any(points.values())}
    assert all(len(points) >= 5 for points in found["interrupted"].values())  # inside epochs, and between them
    tried = {name.partition(" ")[0] for name in found["interrupted"]}
    assert set(found["lightning"]) == (tried & set(found["lightning"])) | refused_names() | WITHOUT_EFFECT
    assert not tried & refused_names()


def test_the_comparison_sees_what_is_refused(found: dict[str, Any]) -> None:
    for points in found["control"].values():
        assert any("weights" in parts for parts in points.values())


def test_a_training_continued_equals_a_longer_one(found: dict[str, Any]) -> None:
    assert found["continued"]
    assert not {name: parts for name, parts in found["continued"].items() if parts}


def test_the_model_in_the_file_is_the_one_that_was_tested(found: dict[str, Any]) -> None:
    """In the precision that it was trained in."""
    assert {name: each["type"] for name, each in found["tested"].items()} == {
        "64-true": "torch.float64",
        "bf16-mixed": "torch.float32",
        "bf16-true": "torch.bfloat16",
        "16-mixed": "torch.float32",
        "16-true": "torch.float16",
        "regression": "torch.float32",
        "regression, 64-true": "torch.float64",
    }
    assert all(each["same"] for each in found["tested"].values())


@pytest.mark.parametrize(
    ("callback", "sentence"),
    [
        ("_target_=lightning.pytorch.callbacks.StochasticWeightAveraging", "WeightAveraging averages weights too"),
        ("_target_=lightning.pytorch.callbacks.timer.Timer", "stops by the clock"),
        ("_target_=my_averaging.Mine", "WeightAveraging averages weights too"),  # by its class
        ("{_target_: lightning.pytorch.callbacks.ModelCheckpoint, train_time_interval: 1}", "saves by the clock"),
    ],
)
def test_a_callback_that_is_not_exact_is_refused(shared_project: Path, callback: str, sentence: str) -> None:
    (shared_project / "src" / "my_averaging.py").write_text(
        "from lightning.pytorch.callbacks import StochasticWeightAveraging\n"
        "class Mine(StochasticWeightAveraging):\n    '''Another name.'''\n"
    )
    key = "+callbacks.mine" + ("=" if callback.startswith("{") else ".")
    refused = run(f"python train.py {SHORT} '{key}{callback}' hydra.run.dir=outputs/no", shared_project, check=False)
    assert refused.returncode == 1
    assert "callbacks.mine" in refused.stderr
    assert sentence in refused.stderr
    assert not (shared_project / "outputs" / "no" / "run.json").exists()


def test_continue_uses_the_settings_of_the_new_run(shared_project: Path) -> None:
    """The earlier run waited ten epochs for an improvement, this one waits for one; and no epoch improves enough."""
    base = "tracking=none model=mlp training/scheduler=none data.train_examples=200 callbacks=early_stopping"
    train(shared_project, f"{base} training.epochs=3 callbacks.early_stopping.patience=10", "patient")
    more = f"{base} training.epochs=9 callbacks.early_stopping.min_delta=9 restore=continue restore.run=outputs/patient"
    impatient = train(shared_project, f"{more} callbacks.early_stopping.patience=1", "impatient")
    patient = train(shared_project, f"{more} callbacks.early_stopping.patience=10", "still-patient")
    assert [len((folder / "metrics.csv").read_text().splitlines()) - 1 for folder in (impatient, patient)] == [4, 9]
