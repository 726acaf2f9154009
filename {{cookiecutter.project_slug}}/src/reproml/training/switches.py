"""What a hook may have switched in a model, besides its weights: Lightning's checkpoints do not hold it."""

from typing import Any

from lightning import LightningModule, Trainer
from torch.nn.modules.batchnorm import _BatchNorm


def switches(trainer: Trainer, model: LightningModule) -> dict[str, Any]:
    """Return them in plain types: names of parameters and modules, and the batches per optimizer step.

    During a validation every module evaluates for a moment, so the modes are those of the training only.
    """
    modes = [name for name, module in model.named_modules() if not module.training] if trainer.training else []
    return {
        "frozen": [name for name, parameter in model.named_parameters() if not parameter.requires_grad],
        "evaluating": modes,
        "untracked": [name for name, module in _normalizations(model) if not module.track_running_stats],
        "accumulate": trainer.accumulate_grad_batches,
    }


def set_switches(trainer: Trainer, model: LightningModule, found: dict[str, Any]) -> None:
    """Set them as `switches` found them."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in found["frozen"])
    for name, module in model.named_modules():
        module.training = name not in found["evaluating"]  # train() would set those inside it too
    for name, module in _normalizations(model):
        module.track_running_stats = name not in found["untracked"]
    trainer.accumulate_grad_batches = found["accumulate"]


def _normalizations(model: LightningModule) -> list[tuple[str, _BatchNorm]]:
    return [(name, module) for name, module in model.named_modules() if isinstance(module, _BatchNorm)]
