"""Batches for Lightning."""

from multiprocessing import get_start_method
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from ..config.schema import Config
from ..errors import ConfigError, DataError
from ..models.interface import Interface
from ..runs.imported import code_now, code_of
from ..training.cluster import rank_zero_first
from ..training.lightning_internals import place_in_epoch
from .augment import Augmentation
from .opened import Inputs, Targets, open_prepared
from .recorded import recorded
from .sampler import BatchSampler, Keys
from .splits import split, split_digests, subset
from .statistics import mean_and_deviation, of_a_table
from .windows import Window

Batch = tuple[torch.Tensor, torch.Tensor]  # inputs (n, *shape) and targets (n,), as stored
_STATISTICS_FROM = 10_000  # examples: enough for two digits, and constant time however large the data is


class ArrayDataset(Dataset[Batch]):
    """Examples in arrays that stay on the disk. It is indexed with an epoch and a whole batch of positions at once."""

    def __init__(self, inputs: Inputs, targets: Targets, augment: Augmentation | None = None) -> None:
        self.inputs, self.targets, self.augment = inputs, targets, augment

    def __len__(self) -> int:
        return len(self.targets.open())

    def __getitem__(self, keys: Keys) -> Batch:
        epoch, positions = keys
        inputs = self.inputs.rows(positions)
        if self.augment is not None:
            inputs = self.augment(inputs, epoch, positions)
        return torch.from_numpy(inputs), torch.from_numpy(self.targets.rows(positions))


class SameCode:
    """Stops a worker that imported other code than the training, because a file was edited in the meantime."""

    def __init__(self, code: dict[str, str]) -> None:
        self.code = code

    def __call__(self, worker: int) -> None:
        if changed := sorted(set(code_now(__name__).items()) ^ set(self.code.items())):
            raise DataError(
                f"{changed[0][0]} was edited during the training, so a new worker would read different batches: "
                "undo the edit and use resume=<run>, or train again; data.persistent_workers=true starts workers once"
            )


class DataModule(LightningDataModule):
    """The train, validation and test batches of the configured data, prepared first where they are not."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        data, folder = config.data, Path(config.paths.processed)
        with rank_zero_first():
            opened = open_prepared(data, Path(config.paths.raw), folder)
        self.manifest, self.dataset = opened.manifest, ArrayDataset(opened.inputs, opened.targets)
        self.splits = split(
            np.asarray(self.dataset.targets.open()),
            self.manifest["official_test_examples"],
            data.validation_fraction,
            data.test_fraction,
            config.seed,
            data.folds,
            data.fold,
            strategy=data.split,
            groups=opened.groups,
            given=opened.splits,
        )
        if data.train_examples is not None:
            self.splits["train"] = subset(self.splits["train"], data.train_examples, config.seed)
        self.interface = Interface(
            tuple(self.manifest["input_shape"]),
            self.manifest["input_dtype"],
            classes=None if data.classes is None else tuple(data.classes),
            target=data.target,
            unit=data.unit,
            missing=self.manifest.get("missing", False),
            features=tuple(self.manifest["features"]) if "features" in self.manifest else None,
        )
        self.seed, self.batch_size, self.config = config.seed, config.training.batch_size, data
        self.augment = Augmentation(config.seed, data.shift, data.flip) if data.shift or data.flip else None
        if self.augment and len(self.interface.input_shape) != 3:
            raise ConfigError(
                f"data.shift={data.shift} and data.flip={data.flip} change images, but the inputs of data={data.name} "
                f"have the shape {self.interface.input_shape}: set data.shift=0 data.flip=false"
            )
        self._start = (0, 0)  # epoch and batch at which the training begins
        if self.batch_size > len(self.splits["train"]):
            raise ConfigError(
                f"training.batch_size={self.batch_size} is larger than the {len(self.splits['train'])} training "
                f"examples of data={data.name}: choose a smaller one"
            )

    def recorded(self) -> dict[str, Any]:
        """Return what the record of a run says of this data."""
        return recorded(self.config, self.manifest, split_digests(self.splits))

    def statistics(self) -> dict[str, torch.Tensor]:
        """Return what the task needs to know of the training examples, float32.

        `mean` and `std` of the inputs are per channel (images) or per feature (tables), of the shapes (channels, 1, 1)
        or (features,). Where numbers may be missing, `missing` has the places of the features that lack some, int64.
        For a quantity there are `target_mean` and `target_std`, of the shape (1,).
        """
        positions = self.splits["train"]
        if self.config.storage == "arrow":  # of the first shards: to reach into all of them takes as long as an epoch
            positions = positions[: 2 * _STATISTICS_FROM]
        sample = positions[:: max(1, len(positions) // _STATISTICS_FROM)]
        found: dict[str, np.ndarray] = {}
        if self.interface.missing:
            found["mean"], found["std"], found["missing"] = of_a_table(self.dataset.inputs, sample)
        else:
            found["mean"], found["std"] = mean_and_deviation(self.dataset.inputs, sample)
        if self.interface.classes is None:
            targets = self.dataset.targets.rows(self.splits["train"]).astype(np.float64)
            found |= {"target_mean": targets.mean(keepdims=True), "target_std": targets.std(keepdims=True)}
        for name in ("std", "target_std"):
            if name in found:
                found[name][found[name] == 0] = 1  # what is constant stays constant
        tensors = {name: torch.from_numpy(value) for name, value in found.items()}
        return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the training batches: shuffled by seed and epoch, shared between the processes."""
        trainer = self.trainer
        rank, processes = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        if self.batch_size % processes:
            raise ConfigError(
                f"training.batch_size={self.batch_size} cannot be shared equally by {processes} processes: "
                "choose a multiple"
            )
        window = Window(self.config.window, self.manifest["shards"]["examples"]) if self.config.window else None
        sampler = BatchSampler(self.splits["train"], self.batch_size, self.seed, rank, processes, self._start, window)
        return self._loader(sampler, self.augment)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return the validation batches. Every process reads all of them, so that all see the same exact metrics."""
        return self._loader(BatchSampler(self.splits["validation"], self.batch_size))

    def test_dataloader(self) -> DataLoader[Batch]:
        """Return the test batches, likewise all in every process."""
        return self._loader(BatchSampler(self.splits["test"], self.batch_size))

    def state_dict(self) -> dict[str, Any]:
        """Return where the training is. Lightning keeps it in every checkpoint."""
        assert self.trainer is not None
        epoch, batch = place_in_epoch(self.trainer)
        return {"epoch": epoch, "batch": batch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Begin the training there."""
        self._start = (state_dict["epoch"], state_dict["batch"])

    def _loader(self, sampler: BatchSampler, augment: Augmentation | None = None) -> DataLoader[Batch]:
        workers = self.config.num_workers
        fresh = workers > 0 and (self.config.start_method or get_start_method()) != "fork"
        # batch_size=None: the sampler yields whole batches and the dataset gathers each with one read
        return DataLoader(
            ArrayDataset(self.dataset.inputs, self.dataset.targets, augment),
            sampler=sampler,  # type: ignore[arg-type]
            batch_size=None,
            num_workers=workers,
            persistent_workers=workers > 0 and self.config.persistent_workers,
            multiprocessing_context=self.config.start_method if workers else None,
            worker_init_fn=SameCode(code_of(__name__)) if fresh else None,  # otherwise workers inherit what is imported
            pin_memory=torch.cuda.is_available(),
        )
