"""What strict guarantees: the same configuration gives the same bits, and another seed does not."""

import hashlib
import json
import platform
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning import LightningModule, Trainer
from torch.utils.data import DataLoader

from reproml.config.explain import explain
from reproml.training.lean_steps import LeanSteps

from .conftest import SHORT, Command, composed


def digest(run: Path) -> str:
    return hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest()


def test_the_same_seed_gives_the_same_bits(project: Path, command: Command, short_run: Path) -> None:
    command("train.py", *SHORT, "hydra.run.dir=outputs/again")
    again = project / "outputs" / "again"
    assert digest(again) == digest(short_run)
    assert (again / "metrics.csv").read_bytes() == (short_run / "metrics.csv").read_bytes()


def test_another_seed_gives_other_bits(project: Path, command: Command, short_run: Path) -> None:
    command("train.py", *SHORT, f"seed={composed(*SHORT).seed + 1}", "hydra.run.dir=outputs/seed")
    assert digest(short_run) != digest(project / "outputs/seed")


def test_the_number_of_workers_changes_nothing(project: Path, command: Command, short_run: Path) -> None:
    command("train.py", *SHORT, "data.num_workers=2", "hydra.run.dir=outputs/workers")
    assert digest(project / "outputs/workers") == digest(short_run)


def test_evaluating_again_equals_the_test_in_training(command: Command, short_run: Path) -> None:
    command("evaluate.py", f"run={short_run}")
    first, again = short_run / "test", short_run / "evaluation"
    assert (again / "metrics.json").read_bytes() == (first / "metrics.json").read_bytes()
    names = [sorted(path.relative_to(folder) for path in folder.rglob("*")) for folder in (first, again)]
    assert names[0] == names[1]
    for path in [*first.glob("*.csv"), *first.glob("figures/*")]:  # tables have confidence intervals in the second
        assert (again / path.relative_to(first)).read_bytes() == path.read_bytes(), path


def test_the_checkpoint_holds_plain_types(short_run: Path) -> None:
    checkpoint = torch.load(short_run / "checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["epoch"] == 2  # epochs done
    assert checkpoint["optimizer_states"]
    assert bool(checkpoint["lr_schedulers"]) == bool(checkpoint["config"]["training"]["scheduler"])
    assert checkpoint["config"]["training"]["epochs"] == 2
    assert set(checkpoint["loss"]) == {"train/loss", "val/loss"}


def test_the_run_folder_is_complete(short_run: Path) -> None:
    for name in (
        "config.yaml",
        ".hydra/overrides.yaml",
        "train.log",
        "metrics.csv",
        "model.safetensors",
        "checkpoints/last.ckpt",
    ):
        assert (short_run / name).stat().st_size > 0, name
    metrics = json.loads((short_run / "test/metrics.json").read_text())
    assert 0 <= metrics["accuracy"] <= 1
    assert len((short_run / "metrics.csv").read_text().splitlines()) == 3  # a heading and two epochs


def test_a_nondeterministic_operation_is_named_with_the_key_that_allows_it() -> None:
    torch.use_deterministic_algorithms(True)
    try:
        with pytest.raises(RuntimeError) as error:
            torch.zeros(3).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))
    finally:
        torch.use_deterministic_algorithms(False)
    sentence = explain(error.value)
    assert sentence.startswith("put_ has no deterministic implementation")
    assert "reproducibility.nondeterministic_operations=warn" in sentence


class Watched(LightningModule):
    """Has a parameter that was left out of its initialization, and looks at each step whether memory is filled."""

    def __init__(self) -> None:
        super().__init__()
        self.forgotten = torch.nn.Parameter(torch.empty(3))
        self.filled: list[bool] = []

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        self.filled.append(torch.utils.deterministic.fill_uninitialized_memory)  # type: ignore[attr-defined]
        return (self.forgotten * batch).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("filled", [False, True])
def test_memory_is_filled_before_the_first_step_only(monkeypatch: pytest.MonkeyPatch, filled: bool) -> None:
    """What a module forgets to initialize is NaN each time; a rehearsal fills the memory of the steps, too."""
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    torch.use_deterministic_algorithms(True)
    try:
        model = Watched()
        trainer = Trainer(
            accelerator="cpu",
            max_steps=2,
            callbacks=[LeanSteps(filled)],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(model, DataLoader(torch.ones(8), batch_size=1))  # type: ignore[arg-type]
    finally:
        torch.use_deterministic_algorithms(False)
    assert model.forgotten.isnan().all()
    assert model.filled == [filled, filled]


def test_no_secret_is_written(project: Path, command: Command) -> None:
    secret = "correct-horse-battery"  # pragma: allowlist secret
    (project / ".env").write_text(f"STORAGE_PASSWORD={secret}\n")
    (project / "configs/training/secretive.yaml").write_text(
        "defaults: [default]\noptimizer: ${oc.env:STORAGE_PASSWORD}\n"
    )
    (project / "configs/model/noted.yaml").write_text(
        "defaults: [mlp]\n_target_: torch.nn.LazyLinear\nnote: ${oc.env:STORAGE_PASSWORD}\n"
    )
    try:
        refused = command("train.py", *SHORT, f"+note={secret}", check=False)
        failed = [
            command("train.py", *SHORT, choice, f"hydra.run.dir=outputs/secret{number}", check=False, **environment)
            for number, (choice, environment) in enumerate(
                [("training=secretive", {}), ("training=secretive", {"HYDRA_FULL_ERROR": "1"}), ("model=noted", {})]
            )
        ]
        source = ["data.source=${oc.env:STORAGE_PASSWORD}", "hydra.run.dir=outputs/secretive"]
        command("train.py", *SHORT, *source)  # the raw files are here already, so the source is not used
    finally:
        (project / ".env").unlink()
        (project / "configs/training/secretive.yaml").unlink()
        (project / "configs/model/noted.yaml").unlink()
    for result in (refused, *failed):
        assert result.returncode == 1
        assert secret not in result.stdout + result.stderr
    assert "source: ${oc.env:STORAGE_PASSWORD}" in (project / "outputs/secretive/config.yaml").read_text()
    written = [
        path for path in (project / "outputs").rglob("*") if path.is_file() and secret.encode() in path.read_bytes()
    ]
    assert not written


@pytest.mark.skipif(platform.machine() != "x86_64", reason="portable is for x86-64 processors")
def test_portable_hides_from_numpy_all_instructions_beyond_avx2() -> None:
    """It ignores names that it does not know, so they have to be those of the NumPy that is pinned."""
    pins = composed("reproducibility=portable").reproducibility.environment
    known = np.show_config(mode="dicts")["SIMD Extensions"]
    assert {*pins.NPY_DISABLE_CPU_FEATURES.split()} == {*known["found"], *known.get("not found", [])} - {"X86_V3"}


def test_a_loss_that_is_no_number_stops_the_run(command: Command) -> None:
    result = command("train.py", *SHORT, "training.lr=1e30", "training.gradient_clip=null", check=False)
    assert result.returncode == 1
    assert "lower training.lr" in result.stderr


@pytest.mark.parametrize("experiment", ["breast_cancer", "diabetes"])
def test_every_offline_experiment_runs(project: Path, command: Command, experiment: str) -> None:
    command("train.py", f"experiment={experiment}", "debug=fast", f"hydra.run.dir=outputs/{experiment}")
    assert (project / "outputs" / experiment / "model.safetensors").exists()
