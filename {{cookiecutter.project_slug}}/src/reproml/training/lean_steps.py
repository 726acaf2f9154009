"""Spares each step what Lightning does and nothing uses."""

from lightning import Callback, LightningModule, Trainer

from ..lightning_internals import leave_out_empty_hooks, read_signature_once


class LeanSteps(Callback):
    """Makes the steps of any module lean, once it and all callbacks are set up."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave out what the first step would be the first to do."""
        leave_out_empty_hooks([pl_module, *trainer.callbacks])  # type: ignore[attr-defined]
        read_signature_once(trainer)
