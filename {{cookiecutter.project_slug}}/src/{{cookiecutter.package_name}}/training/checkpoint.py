"""Checkpoints hold everything that training needs to go on, in plain types, and appear whole or not at all."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from ..errors import ConfigError
from ..files import write_bytes


class LastCheckpoint(Checkpoint):
    """Writes `last.ckpt`, with epoch, weights, optimizer, scheduler, loss and configuration, every so many epochs."""

    def __init__(self, folder: str, every_n_epochs: int = 1) -> None:
        if every_n_epochs < 1:
            raise ConfigError(f"callbacks.last_checkpoint.every_n_epochs={every_n_epochs} must be 1 or greater")
        self.path = Path(folder) / "last.ckpt"
        self.every_n_epochs = every_n_epochs

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            trainer.save_checkpoint(self.path, weights_only=False)


class PlainContent(Checkpoint):
    """Adds the loss and the configuration to every checkpoint."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["config"] = self.config
        checkpoint["loss"] = {
            name: float(value) for name, value in trainer.callback_metrics.items() if name.endswith("loss")
        }


class WholeFileIO(TorchCheckpointIO):
    """Writes a checkpoint in one step. Lightning's own way can leave half a file when the process is killed."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        content = io.BytesIO()  # into memory first: with a path, torch would put the file's name into the bytes
        torch.save(checkpoint, content)
        write_bytes(Path(path), content.getvalue())


def final_weights(trainer: Trainer, model: LightningModule) -> dict[str, torch.Tensor]:
    """Return the weights that the run ends with: of the best epoch where a callback keeps it, else of the last one."""
    for callback in trainer.checkpoint_callbacks:
        if best := getattr(callback, "best_model_path", ""):
            return torch.load(best, map_location="cpu", weights_only=True)["state_dict"]
    return model.state_dict()
