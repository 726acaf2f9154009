"""Spares each step what Lightning and PyTorch do and nothing uses."""

import torch
from lightning import Callback, LightningModule, Trainer

from ..lightning_internals import leave_out_empty_hooks, read_signature_once


class LeanSteps(Callback):
    """Makes the steps of any module lean, once it and all callbacks are set up.

    Its deterministic algorithms have PyTorch fill all memory with NaN that it hands out: a tenth of a convolutional
    network's time. That matters only to code that reads what nothing has written. Where modules are made, it stays, and
    shows weights that were left out; in the steps, a rehearsal looks for such code.

    Args:
        fill_memory: fill the memory of the steps, too.
    """

    def __init__(self, fill_memory: bool = False) -> None:
        self.fill_memory = fill_memory

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave out what the first step would be the first to do."""
        leave_out_empty_hooks([pl_module, *trainer.callbacks])  # type: ignore[attr-defined]
        read_signature_once(trainer)
        torch.utils.deterministic.fill_uninitialized_memory = self.fill_memory  # type: ignore[attr-defined]
