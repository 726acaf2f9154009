"""The test of a model, the same during training and afterwards."""

import inspect
import logging
from dataclasses import replace
from math import isfinite
from typing import Any

from lightning import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.utilities.model_helpers import is_overridden

from ..lightning_internals import logged_objects
from .evaluation import Evaluation

log = logging.getLogger(__name__)


def evaluate(trainer: Trainer, task: LightningModule, data: LightningDataModule) -> Evaluation:
    """Run the test of a task, if it has one, and return what it logged and what its `evaluation` says."""
    for name, owner, base in (("test_step", task, LightningModule), ("test_dataloader", data, LightningDataModule)):
        if not is_overridden(name, owner, base):
            log.info("%s has no %s: nothing is tested", type(owner).__name__, name)
            return Evaluation({})
    trainer.test(task, data, verbose=False)
    logged = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
    told = _told(task)
    # numbers without the tensor around them
    plain = {name: value if isinstance(value, int) else float(value) for name, value in told.metrics.items()}
    metrics = {**logged, **plain}
    for name, value in metrics.items():
        if not isfinite(value):
            log.warning("the test gave %s=%s, which a record cannot hold: it is left out", name, value)
    kept = {name: value for name, value in metrics.items() if isfinite(value)}
    headline = told.headline if told.headline in kept else None
    per_example = {name: values for name, values in told.per_example.items() if name in kept}
    directions = {name: higher for name, higher in {**_known(trainer), **_said(told)}.items() if name in kept}
    return replace(
        told,
        metrics=kept,
        headline=headline,
        higher_is_better=None if headline is None else directions.get(headline),
        per_example=per_example,
        directions=directions,
    )


def _known(trainer: Trainer) -> dict[str, bool]:
    """Return whether a higher value is better, of each metric that was logged as an object of torchmetrics."""
    found = ((name, metric.higher_is_better) for name, metric in logged_objects(trainer).items())
    return {name: higher for name, higher in found if higher is not None}


def _said(told: Evaluation) -> dict[str, bool]:
    """Return the same of each metric of which a task says it."""
    if told.headline is None or told.higher_is_better is None:
        return {**told.directions}
    return {**told.directions, told.headline: told.higher_is_better}


def _told(task: Any) -> Evaluation:
    """Return what a task says of its test: nothing, where it has no `evaluation` of the kind that is meant."""
    evaluation = getattr(task, "evaluation", None)
    if not callable(evaluation):
        return Evaluation({})
    try:
        inspect.signature(evaluation).bind()
    except TypeError:
        said = "takes arguments"
    else:
        told = evaluation()
        if isinstance(told, Evaluation):
            return told
        said = f"returns a {type(told).__name__}"
    # no error: any module may be trained, and one may have such a method for something else
    log.warning("%s.evaluation %s and is left out: return a reproml.Evaluation", type(task).__name__, said)
    return Evaluation({})
