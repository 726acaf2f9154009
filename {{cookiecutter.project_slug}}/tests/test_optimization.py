"""The optimizer, the schedule and the loss that the configuration names: this project's, and others."""

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import nn

from reproml.config.check import check
from reproml.config.schema import Training
from reproml.models.optimization import build_loss, build_optimizer, build_scheduler

from .conftest import PLAIN, composed

STEPS = 20


class Signs(torch.optim.Optimizer):
    """A user's own: each step has the size of the learning rate."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter -= group["lr"] * parameter.grad.sign()


def training(*overrides: str) -> Training:
    return check(composed(*PLAIN, "data=digits", *overrides)).training


def weights(settings: Training) -> torch.Tensor:
    """Return the weights of a linear model after a short training, shape (3, 4)."""
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    optimizer = build_optimizer(model.parameters(), settings)
    schedule, loss = build_scheduler(optimizer, settings, STEPS), build_loss(settings)
    return fitted(model, optimizer, schedule["scheduler"] if schedule else None, loss)


def fitted(model: nn.Linear, optimizer: torch.optim.Optimizer, schedule: Any, loss: Any) -> torch.Tensor:
    inputs, targets = torch.randn(8, 4), torch.arange(8) % 3
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss(model(inputs), targets).backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()
    return model.weight.detach()


def test_the_files_of_the_groups_give_the_bits_of_a_loop_by_hand() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    optimizer = torch.optim.AdamW(model.parameters(), 0.01, weight_decay=0.1, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=STEPS)
    by_hand = fitted(model, optimizer, schedule, nn.functional.cross_entropy)
    chosen = ["training/optimizer=adamw", "training/scheduler=onecycle", "training/loss=cross_entropy"]
    same = training(*chosen, "training.lr=0.01", "training.weight_decay=0.1")
    assert torch.equal(weights(same), by_hand)
    for other in ("training.lr=0.02", "training.weight_decay=0.2", "training.loss.label_smoothing=0.1"):
        more = ["training.lr=0.01", "training.weight_decay=0.1", other]
        assert not torch.equal(weights(training(*chosen, *more)), by_hand)


def test_a_class_of_ones_own_is_built_with_the_learning_rate() -> None:
    own = ["~training.optimizer.weight_decay", f"training.optimizer._target_={__name__}.Signs"]
    settings = training("training/optimizer=adamw", *own, "training/scheduler=none", "training.lr=0.25")
    before = weights(training("training/optimizer=adamw", *own, "training/scheduler=none", "training.lr=1e-30"))
    moved = (weights(settings) - before) / 0.25
    assert torch.equal(moved.round(), moved)
    assert moved.abs().max() > 0


@pytest.mark.parametrize(
    ("name", "fused"), [("adamw", True), ("sgd", True), ("adamw +training.optimizer.foreach=false", None)]
)
def test_optimizers_are_fused_on_a_processor_unless_the_configuration_says_otherwise(
    name: str, fused: bool | None
) -> None:
    settings = training(*f"training/optimizer={name}".split())
    assert build_optimizer(nn.Linear(2, 2).parameters(), settings).defaults["fused"] is fused
    assert build_optimizer(nn.Linear(2, 2).parameters(), settings, mixed=True).defaults["fused"] is None
    assert build_optimizer(nn.Linear(2, 2).bfloat16().parameters(), settings).defaults["fused"] is None


def test_a_warm_up_rises_then_falls() -> None:
    settings = training("training/scheduler=warmup_cosine", "training.scheduler.warmup=0.25", "training.lr=1.0")
    optimizer = build_optimizer(nn.Linear(2, 2).parameters(), settings)
    schedule = build_scheduler(optimizer, settings, STEPS)
    assert schedule is not None
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule["scheduler"].step()
    assert rates[:6] == pytest.approx([0.01, 0.208, 0.406, 0.604, 0.802, 1.0])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0)
    assert schedule["interval"] == "step"


def test_a_schedule_keeps_its_own_number_of_steps() -> None:
    settings = training("training/scheduler=cosine", "+training.scheduler.T_max=7")
    optimizer = build_optimizer(nn.Linear(2, 2).parameters(), settings)
    schedule = build_scheduler(optimizer, settings, STEPS)
    assert schedule is not None
    assert schedule["scheduler"].T_max == 7
