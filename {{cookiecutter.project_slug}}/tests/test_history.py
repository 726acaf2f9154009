"""metrics.csv holds whatever a task logs, and the same after an interruption; states of several optimizers."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader

from reproml.config.explain import explain
from reproml.config.schema import Restore
from reproml.errors import ConfigError
from reproml.training.history import History
from reproml.training.restore import _OptimizerStates

EPOCHS, BATCHES = 3, 4


class Stopped(Exception):
    """An interruption."""


class Stop(Callback):
    """Saves and interrupts after so many batches."""

    def __init__(self, path: Path, batches: int) -> None:
        self.path, self.batches = path, batches

    def on_train_batch_end(self, trainer: Trainer, *arguments: Any) -> None:
        if trainer.fit_loop.epoch_loop.total_batch_idx + 1 == self.batches:
            trainer.save_checkpoint(self.path)
            raise Stopped


class Two(LightningModule):
    """Two optimizers in manual optimization, and metrics with names of its own."""

    def __init__(self, groups: bool = False) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(2, 1), nn.Linear(2, 1)
        self.groups, self.automatic_optimization = groups, False

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> Any:
        for number, (layer, optimizer) in enumerate(zip((self.first, self.second), self.optimizers(), strict=True)):
            optimizer.zero_grad()
            loss = layer(batch).square().mean()
            self.manual_backward(loss)
            optimizer.step()
            self.log(f"loss{number}", loss)  # Lightning's default: at each step
        if self.current_epoch == 1 and batch_idx == 0:
            self.log("seldom", float(self.global_step))

    def on_train_epoch_end(self) -> None:
        self.log("of_the_epoch", float(self.current_epoch))
        if self.current_epoch == 1:
            self.log("once", 1.0)

    def validation_step(self, batch: torch.Tensor, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.log("val_loss", self.first(batch).square().mean())

    def configure_optimizers(self) -> Any:
        parameters = [{"params": [each], "lr": 0.1} for each in self.second.parameters()]
        return [
            torch.optim.Adam(self.first.parameters(), lr=0.2),
            torch.optim.Adam(parameters if self.groups else self.second.parameters(), lr=0.1),
        ]


def loader(seed: int) -> DataLoader[torch.Tensor]:
    """Return batches that are all alike, so that the place in the epoch does not matter."""
    item = torch.randn(2, generator=torch.Generator().manual_seed(seed))
    return DataLoader([item] * 2 * BATCHES, batch_size=2)  # type: ignore[arg-type]  # a list is a dataset too


def fit(folder: Path, *callbacks: Callback, start: Path | None = None, every: int = 1, **model: bool) -> Trainer:
    torch.manual_seed(0)
    quiet: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=EPOCHS,
        check_val_every_n_epoch=every,
        enable_checkpointing=True,
        num_sanity_val_steps=0,
        callbacks=[History(folder / "metrics.csv"), *callbacks],
        default_root_dir=folder,
        **quiet,
    )
    trainer.fit(Two(**model), loader(1), [loader(2), loader(3)], ckpt_path=start)
    return trainer


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


class Slowing(Two):
    """One optimizer, whose learning rate follows a metric."""

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> Any:
        return self.first(batch).square().mean()

    def configure_optimizers(self) -> Any:
        self.automatic_optimization = True
        optimizer = torch.optim.SGD(self.first.parameters(), lr=0.1)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": "of_the_epock"}}


@pytest.mark.parametrize("follower", ["early stopping", "checkpoint", "schedule"])
def test_a_monitor_of_nothing_logged_is_named_after_the_first_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, follower: str
) -> None:
    callbacks: list[Callback] = []
    if follower == "early stopping":
        callbacks.append(EarlyStopping("of_the_epock"))
    elif follower == "checkpoint":
        callbacks.append(ModelCheckpoint(tmp_path, monitor="of_the_epock"))
    else:
        monkeypatch.setitem(globals(), "Two", Slowing)
    with pytest.raises(Exception, match="of_the_epock") as error:
        fit(tmp_path, *callbacks)
    said = explain(error.value)
    assert "monitor=of_the_epock names no metric that is logged; the nearest is of_the_epoch (there are: " in said
    assert "val_loss/dataloader_idx_1" in said and "LightningModule" not in said


def test_it_holds_whatever_is_logged(tmp_path: Path) -> None:
    fit(tmp_path, every=2, groups=True)
    found = rows(tmp_path)
    rates = ["lr", "lr/optimizer1", "lr/optimizer1/group1"]
    logged = ["loss0", "loss1", "of_the_epoch", "once", "seldom"]
    logged += [f"val_loss/dataloader_idx_{number}" for number in range(2)]
    assert sorted(found[0]) == sorted(["epoch", "step", *rates, *logged])
    assert [row["of_the_epoch"] for row in found] == ["0.0", "1.0", "2.0"]
    for name in ("once", "seldom", "val_loss/dataloader_idx_1"):  # not what an earlier epoch has logged
        assert [bool(row[name]) for row in found] == [False, True, False]
    assert [[row[name] for name in rates] for row in found] == [["0.2", "0.1", "0.1"]] * EPOCHS


@pytest.mark.parametrize("batches", [number for number in range(EPOCHS * BATCHES) if number % BATCHES])
def test_it_is_the_same_after_an_interruption(tmp_path: Path, batches: int) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    fit(whole)
    with pytest.raises(Stopped):
        fit(part, Stop(part / "point.ckpt", batches))
    fit(part, start=part / "point.ckpt")
    assert rows(part) == rows(whole)
    assert len({row["loss0"] for row in rows(whole)}) == EPOCHS


def test_each_optimizer_takes_over_its_own_state(tmp_path: Path) -> None:
    states = [optimizer.state_dict() for optimizer in fit(tmp_path / "first").optimizers]
    seen: list[Any] = []

    class Look(Callback):
        def on_train_batch_start(self, trainer: Trainer, *arguments: Any) -> None:
            if not seen:
                seen.extend(optimizer.state_dict()["state"] for optimizer in trainer.optimizers)

    warmstart = Restore(mode="warmstart", run="outputs/first", skip=["second.bias"])
    fit(tmp_path / "next", _OptimizerStates(states, warmstart), Look())
    assert seen[0].keys() == {0, 1}
    assert seen[1].keys() == {0}  # the bias keeps no moments
    for number, state in enumerate(seen):
        for position, moments in state.items():
            assert torch.equal(moments["exp_avg"], states[number]["state"][position]["exp_avg"])
    assert not torch.equal(seen[0][0]["exp_avg"], seen[1][0]["exp_avg"])
    with pytest.raises(ConfigError, match="restore=finetune takes over only the weights"):
        fit(tmp_path / "other", _OptimizerStates(states[:1], warmstart))
