"""Gives the loaders of a training another number of workers, which must not change a bit."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from lightning import LightningDataModule, LightningModule
from lightning.pytorch.utilities.combined_loader import CombinedLoader
from lightning.pytorch.utilities.model_helpers import is_overridden
from lightning_utilities.core.apply_func import apply_to_collection
from torch.utils.data import DataLoader, IterableDataset


class Workers:
    """Notes how many workers the loaders of training and validation have, and changes that where it is asked to.

    A loader of a stream keeps its number: workers would decide what each of them reads.

    Args:
        number: that the loaders get; None: they stay as they are.
    """

    def __init__(self, number: int | None) -> None:
        self.number = number
        self.found: list[int] = []
        self.streams: list[str] = []  # classes of what is read as one

    def watch(self, source: LightningDataModule | LightningModule) -> None:
        """See the loaders that the hooks of a module will return. Call it after `keyed`."""
        for name in ("train_dataloader", "val_dataloader"):
            hook = getattr(source, name, None)
            if hook is not None and is_overridden(name, source):
                setattr(source, name, self._watched(hook))

    def _watched(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(hook)  # Lightning looks through it
        def call(*arguments: Any, **named: Any) -> Any:
            loaders = hook(*arguments, **named)
            if isinstance(loaders, CombinedLoader):
                loaders.flattened = [self._one(loader) for loader in loaders.flattened]
                return loaders
            return apply_to_collection(loaders, object, self._one, wrong_dtype=(list, tuple, dict))

        return call

    def _one(self, loader: Any) -> Any:
        if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
            self.streams.append(type(getattr(loader, "dataset", loader)).__name__)
            return loader
        self.found.append(loader.num_workers)
        if (number := self.number) is not None:
            # a DataLoader refuses some of these once it is made
            loader.__dict__.update(
                num_workers=number,
                prefetch_factor=loader.prefetch_factor or (2 if number else None),
                persistent_workers=loader.persistent_workers and number > 0,
                timeout=loader.timeout if number else 0,
            )
            if not number:
                loader.__dict__.update(prefetch_factor=None, _DataLoader__multiprocessing_context=None)
        return loader
