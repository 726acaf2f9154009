"""The test of a task of the user's own: what its `test_step` logs."""

import logging
from dataclasses import dataclass
from math import isfinite

from lightning import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.utilities.model_helpers import is_overridden

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Logged:
    """Metrics by the names that they were logged with; none where there is no test."""

    values: dict[str, float | int]

    def metrics(self) -> dict[str, float | int]:
        """Return the metrics."""
        return self.values


def test_own(trainer: Trainer, task: LightningModule, data: LightningDataModule) -> Logged:
    """Run the test of a task, if it has one, and return what was logged."""
    for name, owner, base in (("test_step", task, LightningModule), ("test_dataloader", data, LightningDataModule)):
        if not is_overridden(name, owner, base):
            log.info("%s has no %s: nothing is tested", type(owner).__name__, name)
            return Logged({})
    trainer.test(task, data, verbose=False)
    found = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
    for name, value in found.items():
        if not isfinite(value):
            log.warning("the test logged %s=%s, which no record can hold: it is left out", name, value)
    return Logged({name: value for name, value in found.items() if isfinite(value)})
