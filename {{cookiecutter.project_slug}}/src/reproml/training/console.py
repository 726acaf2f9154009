"""What a training shows on the console: the progress bar, and one line for each epoch."""

import sys
from collections.abc import Mapping
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.callbacks.progress.tqdm_progress import Tqdm

from ..tables import number

_SHOWN = 6  # metrics of a line


class ProgressBar(TQDMProgressBar):
    """Lightning's bar, on a terminal only, where it goes when it is full: the log has the lines that stay."""

    def __init__(self, refresh_rate: int = 20) -> None:
        super().__init__(refresh_rate=refresh_rate if sys.stdout.isatty() else 0)

    def init_train_tqdm(self) -> Tqdm:
        return _passing(super().init_train_tqdm())

    def init_test_tqdm(self) -> Tqdm:
        return _passing(super().init_test_tqdm())

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        items = super().get_metrics(trainer, pl_module)
        items.pop("v_num", None)
        return items  # type: ignore[return-value]


def _passing(bar: Tqdm) -> Tqdm:
    bar.leave = False
    return bar


def epoch_line(epoch: int, training: Mapping[str, float], validation: Mapping[str, float], seconds: float) -> str:
    """Return the line of an epoch, as in `epoch 3: train loss 0.4429; val loss 0.2787 (0.1 s)`.

    Args:
        epoch: its number, from 0.
        training: metrics of the training by name. If it has a loss, that is shown alone.
        validation: metrics of the validation by name, all shown, but for a long list.
        seconds: that the epoch took.
    """
    losses = {name: value for name, value in training.items() if _is_loss(name)}
    shown = {**(losses or training), **dict(sorted(validation.items(), key=lambda item: not _is_loss(item[0])))}
    groups: dict[str, list[str]] = {}
    for name, value in list(shown.items())[:_SHOWN]:
        group, _, rest = name.rpartition("/")
        groups.setdefault(group, []).append(f"{rest} {number(value)}")
    parts = [f"{group} {', '.join(texts)}".strip() for group, texts in groups.items()]
    more = [f"{len(shown) - _SHOWN} more in metrics.csv"] if len(shown) > _SHOWN else []
    return f"epoch {epoch}: {'; '.join([*parts, *more]) or 'nothing logged'} ({seconds:.1f} s)"


def _is_loss(name: str) -> bool:
    return name.replace("/", "_").rpartition("_")[2] == "loss"
