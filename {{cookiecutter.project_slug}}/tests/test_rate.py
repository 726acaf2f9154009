"""`find-lr`: the same suggestion each time, and no run."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import LightningModule
from torch import nn
from torch.utils.data import DataLoader

from reproml.config.check import check
from reproml.errors import ConfigError, TrainingError
from reproml.tuning import learning_rate

from .conftest import PLAIN, Command, composed


class Several(LightningModule):
    """Two optimizers."""

    def __init__(self, manual: bool) -> None:
        super().__init__()
        self.layer, self.automatic_optimization = nn.Linear(2, 1), not manual

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return self.layer(batch).square().mean()

    def train_dataloader(self) -> Any:
        return DataLoader(torch.zeros(64, 2), batch_size=2)  # type: ignore[arg-type]

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(self.parameters(), lr=0.1) for _ in range(2)]


def test_it_suggests_the_same_twice_and_makes_no_run(project: Path, command: Command) -> None:
    """The steps may go over more epochs than a training has."""
    data = ("data=digits", "data.train_examples=300", "data.shift=0", "data.flip=false", "data.num_workers=0")
    settings = ("model=mlp", "model.hidden=[64]", "model.dropout=0", "training.batch_size=32", "training.epochs=1")
    arguments = ("find-lr", *PLAIN, *data, *settings, "--steps", "40")
    said = [command("-m", "reproml", *arguments, "--output", f"rate{each}.png") for each in range(2)]
    first, second = (each.stdout.splitlines()[-1] for each in said)
    assert first.startswith("training.lr=") and first.replace("rate0", "rate1") == second
    assert (project / "rate0.png").read_bytes() == (project / "rate1.png").read_bytes()
    assert "it/s" not in said[0].stderr  # no bar where there is no terminal
    assert 1e-4 < float(first.split()[0].removeprefix("training.lr=")) < 1


@pytest.mark.parametrize(("manual", "reason"), [(True, "automatic_optimization=False"), (False, "has several")])
def test_several_optimizers_are_refused(monkeypatch: pytest.MonkeyPatch, manual: bool, reason: str) -> None:
    config = check(composed(*PLAIN, "data=digits"))
    monkeypatch.setattr(learning_rate, "build", lambda config: (None, Several(manual)))
    monkeypatch.setattr(learning_rate, "apply", lambda settings: None)
    with pytest.raises(ConfigError, match=f"only with one optimizer that Lightning steps, but Several .*{reason}"):
        learning_rate.range_test(config, 10, 1e-6, 1.0)


def test_a_loss_that_never_falls_gives_no_suggestion() -> None:
    rates = [10.0**each for each in range(-20, 0)]
    assert 1e-11 <= learning_rate._steepest(rates, [*[1.0] * 10, 0.5, *[0.4] * 9]) <= 1e-9
    for losses in ([1.0] * 20, [float("nan")] * 20):
        with pytest.raises(TrainingError, match="more --steps"):
            learning_rate._steepest(rates, losses)
