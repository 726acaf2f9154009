"""A range test of learning rates: Lightning's finder, on the data and the task of a configuration."""

import io
import re
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
from hydra.utils import instantiate
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.tuner.tuning import Tuner
from matplotlib.figure import Figure

from ..config.schema import Config
from ..errors import ConfigError, TrainingError
from ..files import working_folder
from ..tasks.build import build
from ..training.determinism import apply
from ..training.randomness import seed_everything
from ..training.trainer import NullProfiler

_ONE_OPTIMIZER = "find-lr works only with one optimizer that Lightning steps"


@dataclass(frozen=True)
class RangeTest:
    """The loss at each learning rate in a short training with a growing rate.

    Args:
        rates: of each step.
        losses: smoothed, after each step.
        suggested: the rate at which the loss falls fastest.
    """

    rates: list[float]
    losses: list[float]
    suggested: float

    def figure(self) -> Figure:
        """Draw the loss over the rate, and the suggested rate."""
        figure = Figure(figsize=(5, 3.5), layout="constrained")
        axes = figure.subplots()
        axes.plot(self.rates, self.losses)
        axes.axvline(self.suggested, color="black", linestyle="--", label=f"suggested: {self.suggested:.2g}")
        axes.set_xscale("log")
        axes.set_xlabel("learning rate")
        axes.set_ylabel("training loss, smoothed")
        axes.set_title("Learning rate range test")
        axes.grid(alpha=0.3)
        axes.legend()
        return figure


def range_test(config: Config, steps: int, least: float, most: float) -> RangeTest:
    """Train for some steps while the learning rate grows from the least to the most. Nothing is kept.

    The seed of the configuration gives the initial weights, the order and all other random choices, so the result is
    the same each time.

    Args:
        config: the checked configuration.
        steps: of the optimizer.
        least: the first learning rate.
        most: the last one.

    Raises:
        ConfigError: the task has several optimizers, or steps its own.
        TrainingError: the loss never falls in this range, or is not finite.
    """
    apply(config.reproducibility)
    data, model = build(config)
    if not model.automatic_optimization:
        raise ConfigError(f"{_ONE_OPTIMIZER}, but {type(model).__name__} has automatic_optimization=False")
    seed_everything(config.seed, "range test")
    quiet: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    with working_folder(Path(gettempdir()), "reproml-rate-") as folder:
        trainer = instantiate(
            {**config.trainer, "devices": 1, "num_nodes": 1, "strategy": "auto"},
            max_epochs=-1,  # only the steps end it
            max_steps=steps,
            gradient_clip_val=config.training.gradient_clip,
            accumulate_grad_batches=config.training.accumulate,
            plugins=[LightningEnvironment()],
            profiler=NullProfiler(),
            default_root_dir=folder,
            **quiet,
        )
        shown = nullcontext() if sys.stderr.isatty() else redirect_stderr(io.StringIO())  # Lightning's own bar
        try:
            with shown:
                found = Tuner(trainer).lr_find(
                    model, datamodule=data, num_training=steps, min_lr=least, max_lr=most, update_attr=False
                )
        except (MisconfigurationException, RuntimeError) as error:
            if not re.search("single optimizer|multiple optimizers", str(error)):
                raise
            raise ConfigError(f"{_ONE_OPTIMIZER}, but {type(model).__name__} has several") from error
    results = found.results if found else {"lr": [], "loss": []}
    return RangeTest(results["lr"], results["loss"], _steepest(results["lr"], results["loss"]))


def _steepest(rates: Sequence[float], losses: Sequence[float]) -> float:
    """Return the rate at which the loss falls fastest over the logarithm of the rate, as the figure shows it.

    Lightning's own suggestion is the slope over the rate itself, which is largest at the smallest rates: noise there
    decides. The first steps are left out, since the average begins there.
    """
    kept = slice(len(rates) // 10, None)
    seen = np.array(losses[kept])
    if len(seen) < 2 or not np.isfinite(seen).all():
        raise TrainingError(
            "the loss is not finite, or there are too few steps: change the settings, or give more --steps"
        )
    if seen.min() >= seen[0]:
        raise TrainingError(f"the loss falls at no rate from {rates[0]:g} to {rates[-1]:g}: give more --steps")
    # over a tenth of the range, because single batches decide between neighbors
    slopes = np.gradient(seen, np.log(rates[kept]))
    width = max(1, len(rates) // 10)
    steepest = int(np.convolve(slopes, np.full(width, 1 / width), "valid").argmin()) + width // 2
    return float(rates[kept][steepest])
