"""Makes any LightningModule and LightningDataModule repeatable: their loaders are built again, keyed."""

import copy
import logging
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from lightning import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.utilities.combined_loader import CombinedLoader
from lightning.pytorch.utilities.model_helpers import is_overridden
from lightning_utilities.core.apply_func import apply_to_collection
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset

from ..errors import ConfigError
from ..lightning_internals import batch_in_hand, cycles, place_in_epoch, train_loaders, trainer_of
from .items import KeyedDataset
from .open_files import allow_workers
from .order import KeyedOrder
from .randomness import seed_everything
from .streams import AroundLoader, KeyedStream
from .worker_signals import outlive_sigterm

log = logging.getLogger(__name__)

_STAGES = {
    "train_dataloader": "train",
    "val_dataloader": "validation",
    "test_dataloader": "test",
    "predict_dataloader": "predict",
}
_SEEDED = ("prepare_data", "setup", "configure_model")  # a random_split in `setup` is the same for training and test
_TRANSFERS = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")  # before the step


def keyed(source: LightningModule | LightningDataModule, seed: int) -> None:
    """Make what its hooks draw, the order of its loaders and the randomness of their items functions of the seed.

    Call it before `trainer.fit`. Hooks are replaced on this one object and only where it has its own, so whatever
    Lightning asks about them has the same answer as before. A loader whose sampler has `keyed = True` stays as it is.

    Example:
        >>> keyed(datamodule, config.seed)
        >>> trainer.fit(model, datamodule)
    """
    for name in _SEEDED:
        _replace(source, name, partial(_seeded, key=(seed, "setup")))
    for name in _TRANSFERS:
        _replace(source, name, partial(_seeded_by_batch, source=source, key=(seed, name)))
    for name, stage in _STAGES.items():
        _replace(source, name, partial(_rebuilding, source=source, seed=seed, stage=stage))


class LoaderPlace(Callback):
    """Keeps in every checkpoint where the training loaders are, and tells keyed loaders where to begin.

    Args:
        strict: refuse loaders that cannot be resumed.
    """

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.start = (0, 0)  # epoch and batch
        self.held: dict[int, Any] = {}  # where streams are, and values in samplers and datasets, by loader

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        epoch, batch = place_in_epoch(trainer)
        held = {number: _held(loader, batch) for number, loader in enumerate(train_loaders(trainer))}
        checkpoint["loaders"] = {"epoch": epoch, "batch": batch, "held": held}

    def take_up(self, saved: dict[str, Any]) -> None:
        """Begin where a checkpoint was saved: before anything has asked for a loader, which a hook may do early.

        Args:
            saved: the part `loaders` of the checkpoint.
        """
        self.start, self.held = (saved["epoch"], saved["batch"]), saved["held"]


def _held(loader: Any, batch: int) -> Any:
    if isinstance(loader, KeyedStream):
        return loader.place_after(batch)
    parts = (getattr(loader, name, None) for name in ("batch_sampler", "sampler"))
    return next((each.values(batch) for each in parts if isinstance(each, KeyedOrder)), None)


def _replace(source: Any, name: str, replacement: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    hook = getattr(source, name, None)
    if hook is not None and is_overridden(name, source) and not getattr(hook, "keyed", False):
        new = wraps(hook)(replacement(hook))  # Lightning looks through `wraps`
        new.keyed = True  # type: ignore[attr-defined]
        setattr(source, name, new)


def _seeded(hook: Callable[..., Any], key: tuple[int | str, ...]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        seed_everything(*key)
        return hook(*arguments, **named)

    return call


def _seeded_by_batch(hook: Callable[..., Any], source: Any, key: tuple[int | str, ...]) -> Callable[..., Any]:
    """Seed what changes a batch on its way to its step. By then the next one may have been read, or not."""

    def call(batch: Any, *arguments: Any, **named: Any) -> Any:
        trainer = trainer_of(source)
        if trainer is not None:  # else somebody tries the hook by hand
            numbers = [each for each in (*arguments, *named.values()) if isinstance(each, int)]  # of the loader
            seed_everything(*key, *batch_in_hand(trainer), *numbers, trainer.global_rank)
        return hook(batch, *arguments, **named)

    return call


def _rebuilding(hook: Callable[..., Any], source: Any, seed: int, stage: str) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        seed_everything(seed, "loader", stage)
        loaders = hook(*arguments, **named)
        return _Rebuilt(source.trainer, seed, stage, f"{type(source).__name__}.{hook.__name__}").all(loaders)

    return call


class _Rebuilt:
    """Builds the loaders of one hook again, one after the other."""

    def __init__(self, trainer: Trainer | None, seed: int, stage: str, where: str) -> None:
        self.trainer, self.seed, self.stage, self.where = trainer, seed, stage, where
        places = [each for each in trainer.callbacks if isinstance(each, LoaderPlace)] if trainer else []  # type: ignore[attr-defined]
        self.place = places[0] if places and stage == "train" else LoaderPlace(strict=False)
        self.number = -1  # of the loader
        self.cycles = True  # Lightning's default for several training loaders

    def all(self, loaders: Any) -> Any:
        """Return a loader, a CombinedLoader, or a collection of either, in the shape that it had."""
        if isinstance(loaders, CombinedLoader):
            self.cycles = cycles(loaders)
            loaders.flattened = [self.one(loader) for loader in loaders.flattened]
            return loaders
        if isinstance(loaders, list | tuple | dict):
            return apply_to_collection(loaders, object, self.one, wrong_dtype=(list, tuple, dict))
        return self.one(loaders)

    def one(self, loader: Any) -> Any:
        """Return one loader, keyed."""
        allow_workers(getattr(loader, "num_workers", 0))
        outlive_sigterm(loader)
        self.number += 1
        if getattr(loader, "keyed", False) or getattr(getattr(loader, "sampler", None), "keyed", False):
            return loader
        key = (self.seed, self.stage, self.number)
        dataset = getattr(loader, "dataset", None)
        if not isinstance(loader, DataLoader) or isinstance(dataset, IterableDataset) or _stateful(loader):
            return self._not_indexed(loader, key)
        batched = loader.batch_sampler is not None
        order = KeyedOrder(
            loader.batch_sampler if batched else loader.sampler,  # type: ignore[arg-type]
            batched,
            dataset,
            key,
            *self._share(loader),
            start=self.place.start,
            cycles=self.cycles,
            evaluates=self.stage != "train",
        )
        if held := self.place.held.get(self.number):
            order.set_values(held)
        if order.processes > 1 and len(order) == 0:
            raise ConfigError(
                f"{self.where} has fewer batches than the {order.processes} processes that share them: choose a "
                "smaller batch size, or fewer devices"
            )
        # a copy has the user's class, and all that it may have added; a DataLoader refuses to be changed
        built = copy.copy(loader)
        parts = {"dataset": KeyedDataset(dataset, key), "batch_sampler" if batched else "sampler": order}
        built.__dict__.update(parts, in_order=True)  # else the workers' speed decides about the order
        return built if self.stage != "predict" else _Kept(built)

    def _share(self, loader: "DataLoader[Any]") -> tuple[int, int]:
        """Return rank and number of the processes that share the batches: in training, where nothing else does it."""
        samplers = (loader.sampler, getattr(loader.batch_sampler, "sampler", None))
        if self.trainer is None or self.stage != "train" or any(isinstance(s, DistributedSampler) for s in samplers):
            return 0, 1
        return self.trainer.global_rank, self.trainer.world_size

    def _not_indexed(self, loader: Any, key: tuple[int | str, ...]) -> Any:
        """Return a loader whose order cannot be drawn ahead. It can be resumed where it or its dataset has a state."""
        if self.stage != "train":
            return loader  # each pass begins at its beginning
        dataset, workers = getattr(loader, "dataset", None), getattr(loader, "num_workers", 0)
        indexed = isinstance(loader, DataLoader) and not isinstance(dataset, IterableDataset)
        source = loader if _stateful(loader) else dataset
        if _stateful(source) and not indexed and (source is loader or not workers):
            return KeyedStream(loader, source, key, self.place.start, self.place.held.get(self.number))
        if indexed:
            fix = "return a torch.utils.data.DataLoader, whose position can be saved"
        elif _stateful(source):
            fix = f"set num_workers=0, since its {workers} workers keep the state to themselves"
        else:
            fix = "give it state_dict() and load_state_dict(state)"
        name = type(loader if dataset is None or indexed else dataset).__name__
        sentence = f"{self.where} reads from {name}, which cannot be resumed exactly inside an epoch: {fix}"
        if self.place.strict:
            raise ConfigError(f"{sentence}, or choose reproducibility=fast")
        log.warning(sentence)
        return loader


class _Kept(AroundLoader):
    """A loader that Lightning does not build again: it would, for predictions, with a sampler of its own."""

    def __iter__(self) -> Any:
        return iter(self.loader)


def _stateful(source: Any) -> bool:
    return callable(getattr(source, "state_dict", None)) and callable(getattr(source, "load_state_dict", None))
