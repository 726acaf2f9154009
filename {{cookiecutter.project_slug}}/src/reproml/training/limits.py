"""Limits of batches that leave none: Lightning finds out about a test when the training is over."""

import copy
from typing import Any

from lightning import LightningDataModule
from lightning.pytorch.utilities.combined_loader import CombinedLoader
from lightning.pytorch.utilities.model_helpers import is_overridden
from lightning.pytorch.utilities.seed import isolate_rng

from ..config.schema import Config
from ..errors import ConfigError

_LIMITED = {  # argument of the Trainer -> stage, loader
    "limit_train_batches": ("fit", "train_dataloader"),
    "limit_val_batches": ("fit", "val_dataloader"),
    "limit_test_batches": ("test", "test_dataloader"),
}


def refuse_none(config: Config, data: LightningDataModule) -> None:
    """Refuse a share of the batches that is less than one batch.

    Args:
        config: the checked configuration.
        data: that the run reads, before its set-up.

    Raises:
        ConfigError: naming the limit and the least that can be given.
    """
    for key, (stage, loader) in _LIMITED.items():
        limit = config.trainer.get(key)
        if not isinstance(limit, float) or not 0 < limit < 1 or not is_overridden(loader, data, LightningDataModule):
            continue
        for batches in _batches(data, stage, loader):
            if int(limit * batches) < 1:
                raise ConfigError(
                    f"trainer.{key}={limit} is less than one of the {batches} batches: give a number of batches, as in "
                    f"trainer.{key}=1, or a larger share"
                )


def _batches(data: LightningDataModule, stage: str, loader: str) -> list[int]:
    """Return how many batches each loader of a hook has; none where the data do not tell before a training."""
    tried, kind = copy.copy(data), type(data)  # its own hooks, not those that keyed.py has put on the object
    try:
        with isolate_rng():
            kind.setup(tried, stage)
            loaders: Any = CombinedLoader(getattr(kind, loader)(tried)).flattened
            return [len(each) for each in loaders]
    except Exception:  # streams have no length, and a set-up may want its trainer: the training says what is wrong
        return []
