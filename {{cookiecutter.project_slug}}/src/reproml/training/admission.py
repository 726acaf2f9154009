"""What a module is after set-up: what strict cannot keep exact is refused, with any configuration."""

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.plugins.precision import MixedPrecision
from lightning.pytorch.utilities.signature_utils import is_param_in_hook_signature

from ..config.inexact import reason_against
from ..errors import ConfigError
from .resume import ResumePoint


class Admission(Callback):
    """Judges a module before its training, and the callbacks that it adds itself.

    Args:
        mode: of the reproducibility.
    """

    def __init__(self, mode: str) -> None:
        self.mode = mode

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse what would fail at the first step, or when the model is kept.

        Raises:
            ConfigError: naming it and what to do.
        """
        _refuse_no_tensors(pl_module)
        _refuse_fused_clipping(trainer, pl_module)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse what cannot be kept.

        Raises:
            ConfigError: naming it and what to do.
        """
        if stage != "fit":
            return
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        # the point comes last here too: what Lightning has put behind it would miss a step in a resume
        trainer.callbacks = sorted(callbacks, key=lambda each: isinstance(each, ResumePoint))  # type: ignore[attr-defined]
        if self.mode == "fast":
            return
        name = type(pl_module).__name__
        for callback in callbacks:
            if reason := reason_against(type(callback)):
                raise ConfigError(
                    f"{name}.configure_callbacks adds {type(callback).__name__}, which {reason}; "
                    f"reproducibility={self.mode} rules that out: remove it, or choose reproducibility=fast"
                )
        if is_param_in_hook_signature(pl_module.training_step, "dataloader_iter", explicit=True):
            raise ConfigError(
                f"{name}.training_step takes dataloader_iter, and how far that has read ahead decides about random "
                f"numbers, which reproducibility={self.mode} rules out: take batch and batch_idx, or choose "
                "reproducibility=fast"
            )


def _refuse_no_tensors(model: LightningModule) -> None:
    """Refuse a state that holds something else than tensors, as `get_extra_state` may return."""
    for name, value in model.state_dict().items():
        if not isinstance(value, torch.Tensor):
            raise ConfigError(
                f"{name} in the state of {type(model).__name__} is a {type(value).__name__}, and model.safetensors and "
                "the record hold tensors only: return a tensor from get_extra_state"
            )


def _refuse_fused_clipping(trainer: Trainer, model: LightningModule) -> None:
    """Refuse to clip gradients that the optimizer itself unscales."""
    mixed = isinstance(trainer.precision_plugin, MixedPrecision)
    if not mixed or not trainer.gradient_clip_val or not model.automatic_optimization:
        return
    for optimizer in trainer.optimizers:
        if getattr(optimizer, "_step_supports_amp_scaling", False):
            raise ConfigError(
                f"{type(optimizer).__name__} with fused=true scales its gradients itself, so "
                f"training.gradient_clip={trainer.gradient_clip_val} cannot clip them with trainer.precision="
                f"{trainer.precision}: set fused=false, training.gradient_clip=null or trainer.precision=32-true"
            )
