"""Notices that the folder of a run was moved or removed while the run trains."""

from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

from ..errors import TrainingError
from ..names import RECORD


class Unmoved(Callback):
    """Ends the training then, before it writes anything more: the run's files would be in two places.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._record = folder / RECORD  # written before the training, and replaced when it is over
        self._was_there = False

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._was_there = trainer.is_global_zero and self._record.exists()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._check()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._check()

    def _check(self) -> None:
        """Check that it is there still.

        Raises:
            TrainingError: it is not.
        """
        if self._was_there and not self._record.exists():
            raise TrainingError(
                f"{self._record.parent} was moved or removed while the run trained: python train.py resume=<its new "
                "place> resumes it there, from its last resume point"
            )
