"""Which weights a run ends with: `training.final_weights` decides, whatever other callbacks keep.

test_final_weights.py runs this with the Python of a project, which has torch.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from sources import load_packages
from torch.utils.data import DataLoader

load_packages()
from reproml.errors import ConfigError, DataError  # noqa: E402
from reproml.training.checkpoint import AtomicCheckpointIO, BestCheckpoint, best_files, peek  # noqa: E402
from reproml.training.final import check_final_weights, final_weights  # noqa: E402

BEST = "reproml.training.checkpoint.BestCheckpoint"
LIGHTNINGS = "lightning.pytorch.callbacks.ModelCheckpoint"
LOSSES = (3.0, 1.0, 2.0)  # of the epochs: the second is the best


class Counting(LightningModule):
    """Has the number of epochs that it has trained as its only weight."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs = torch.nn.Parameter(torch.zeros(1))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1.0)

    def training_step(self, batch: torch.Tensor) -> torch.Tensor:
        return -self.epochs.sum()  # its gradient is -1, so each step adds 1

    def validation_step(self, batch: torch.Tensor) -> None:
        loss = LOSSES[self.current_epoch]
        self.log_dict({"val/loss": loss, "val/other": -loss})


def trained(folder: Path, *callbacks: Callback) -> tuple[Trainer, Counting]:
    model = Counting()
    config = {"data": {}, "paths": {"run": str(folder)}, "restore": {"mode": "fresh"}}
    trainer = Trainer(
        max_epochs=len(LOSSES),
        accelerator="cpu",
        plugins=[AtomicCheckpointIO(config)],
        callbacks=list(callbacks),
        default_root_dir=folder,
        logger=False,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    data = DataLoader(torch.zeros(1))
    trainer.fit(model, data, data)
    return trainer, model


def best(folder: Path, **arguments: Any) -> BestCheckpoint:
    return BestCheckpoint(dirpath=folder / "checkpoints", filename="best", monitor="val/loss", **arguments)


def ends_with(trainer: Trainer, model: Counting, which: str) -> float:
    return float(final_weights(trainer, model, which)["epochs"])


def test_the_setting_decides_and_no_other_callback(tmp_path: Path) -> None:
    users = ModelCheckpoint(dirpath=tmp_path / "mine", monitor="val/other")  # the first epoch is its best
    trainer, model = trained(tmp_path, users, best(tmp_path))
    assert users.best_model_path.endswith("epoch=0-step=1.ckpt")
    assert ends_with(trainer, model, "last") == 3
    assert ends_with(trainer, model, "best") == 2


def test_a_callback_of_the_users_alone_changes_nothing(tmp_path: Path) -> None:
    trainer, model = trained(tmp_path, ModelCheckpoint(dirpath=tmp_path / "mine", monitor="val/other"))
    assert ends_with(trainer, model, "last") == 3
    with pytest.raises(DataError, match=r"training\.final_weights=best .* the training kept none"):
        final_weights(trainer, model, "best")


@pytest.mark.parametrize("callback", ["best", "newest"])
def test_a_checkpoint_of_somebody_else_removes_nothing_elsewhere(tmp_path: Path, callback: str) -> None:
    """Lightning removes what a callback's state names, and takes a path with `..` in it for one inside its folder."""
    mine = tmp_path / "mine" / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    run = tmp_path / "run"
    made = best(run) if callback == "best" else ModelCheckpoint(run / "checkpoints", filename="{epoch}")
    away = "../../mine/thesis.txt" if callback == "best" else f"{made.dirpath}/../../mine/thesis.txt"
    named = {key: away for key in ("best_model_path", "kth_best_model_path", "last_model_path")}
    worst = torch.tensor(9.0)
    scores = {"best_k_models": {away: worst}, "best_model_score": worst, "kth_value": worst, "current_score": worst}
    made.load_state_dict({**made.state_dict(), **named, **scores, "dirpath": made.dirpath})
    trained(run, made)
    assert mine.read_text() == "mine"
    # its own files are removed as ever
    assert [path.name for path in (run / "checkpoints").iterdir()] == [
        "best.ckpt" if callback == "best" else "epoch=2.ckpt"
    ]


def test_the_best_epoch_is_found_again_whatever_its_name_is(tmp_path: Path) -> None:
    """Lightning makes a folder of a name that holds a metric of one, and a run may lie elsewhere when it is resumed."""
    named = {"dirpath": tmp_path / "first" / "kept", "filename": "top-{val/loss:.1f}"}
    keeper = BestCheckpoint(**named, monitor="val/loss", save_top_k=2)  # type: ignore[arg-type]
    trainer, _ = trained(tmp_path / "first", keeper)
    trainer.save_checkpoint(tmp_path / "first" / "last.ckpt")
    files = ["kept/top-val/loss=1.0.ckpt", "kept/top-val/loss=2.0.ckpt"]
    assert best_files(peek(tmp_path / "first" / "last.ckpt")) == files
    (tmp_path / "first").rename(tmp_path / "second")
    named["dirpath"] = tmp_path / "second" / "kept"
    again = BestCheckpoint(**named, monitor="val/loss", save_top_k=2)  # type: ignore[arg-type]
    again.load_state_dict(keeper.state_dict())
    assert Path(again.best_model_path) == tmp_path / "second" / files[0]
    assert all(Path(path).is_file() for path in again.best_k_models)


def test_no_name_in_a_checkpoint_leads_out_of_its_run(tmp_path: Path) -> None:
    state = {"best_k_models": {"../up.ckpt": 1.0, "/root.ckpt": 1.0, "best.ckpt": 1.0}, "dirpath": "checkpoints"}
    torch.save(
        {"callbacks": {"BestCheckpoint": state, "other": {"best_k_models": {"x.ckpt": 1.0}, "dirpath": ".."}}},
        tmp_path / "x",
    )
    assert best_files(peek(tmp_path / "x")) == ["checkpoints/best.ckpt"]


def configured(which: str, callbacks: dict[str, dict[str, Any]], **trainer: Any) -> Any:
    return SimpleNamespace(
        training=SimpleNamespace(final_weights=which, epochs=3), callbacks=callbacks, trainer={**trainer}
    )


KEEPS = {"_target_": BEST, "monitor": "val/loss"}


@pytest.mark.parametrize(
    ("callbacks", "trainer", "said"),
    [
        ({}, {}, "no callback keeps it: choose callbacks=best, or training.final_weights=last"),
        ({"mine": {"_target_": LIGHTNINGS, "monitor": "val/loss"}}, {}, "no callback keeps it"),
        ({"mine": {"_target_": BEST}}, {}, "no callback keeps it"),  # without a monitor, the newest is its best
        ({"mine": {**KEEPS, "save_top_k": 0}}, {}, "no callback keeps it"),
        ({"a": KEEPS, "b": KEEPS}, {}, "callbacks.a and callbacks.b each keep one: leave one of them"),
        ({"a": KEEPS}, {"check_val_every_n_epoch": 4}, "none of 3 is validated"),
        ({"a": KEEPS}, {"limit_val_batches": 0}, "none of 3 is validated"),
    ],
)
def test_what_contradicts_is_refused_in_one_sentence(
    callbacks: dict[str, dict[str, Any]], trainer: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=r"^training\.final_weights=best asks for the best epoch, but ") as refused:
        check_final_weights(configured("best", callbacks, **trainer))
    assert said in str(refused.value)
    check_final_weights(configured("last", callbacks, **trainer))  # which asks for nothing


@pytest.mark.parametrize("which", ["best", "last"])
@pytest.mark.parametrize("name", ["last", "resume-0000000009-0123456789abcdef", "../best", "/tmp/best"])
def test_the_best_epoch_takes_no_file_of_the_run(which: str, name: str) -> None:
    with pytest.raises(ConfigError, match=r"^callbacks\.a\.filename=[^\n]+ is no name for the best epoch: [^\n]+$"):
        check_final_weights(configured(which, {"a": {**KEEPS, "filename": name}}))


def test_what_fits_together_is_taken() -> None:
    mine = {"_target_": LIGHTNINGS, "monitor": "val/loss"}
    check_final_weights(configured("best", {"mine": mine, "best_checkpoint": KEEPS}, check_val_every_n_epoch=3))
    check_final_weights(configured("last", {"mine": mine, "best_checkpoint": KEEPS}))
