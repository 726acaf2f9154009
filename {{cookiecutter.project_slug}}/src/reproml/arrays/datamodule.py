"""Prepared arrays as batches for Lightning."""

from collections.abc import Iterator
from dataclasses import asdict
from multiprocessing import get_start_method
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader

from ..config.schema import Config
from ..errors import ConfigError
from ..lightning_internals import place_in_epoch
from ..models.interface import Interface
from ..training.cluster import rank_zero_first
from .augment import Augmentation
from .dataset import ArrayDataset, Batch, SameCode
from .examples import Examples
from .opened import open_prepared, splits_of
from .recorded import recorded
from .sampler import BatchSampler
from .splits import split_digests
from .statistics import mean_and_deviation, of_a_table
from .windows import Window

_STATISTICS_FROM = 10_000  # examples: enough for two digits, and constant time however large the data is


class BatchLoader(DataLoader[Batch]):
    """A DataLoader of whole batches. Without workers it reads them as a loop by hand would, at half of the cost."""

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        if self.num_workers or self.pin_memory:
            return super().__iter__()
        return map(self.dataset.__getitem__, self.sampler)


class ArrayDataModule(LightningDataModule):
    """The train, validation and test batches of prepared arrays, which are made first where they are not there.

    A class for a data set says how its raw files are read. They are fetched and checked before, what was read is stored
    as arrays that are mapped into memory, and the group `data` of the configuration says how examples are split,
    stored, changed and batched.

    Args:
        config: the whole configuration. Its group `data` names the class, the raw files, and what a target is.

    Example, of a table of 30 measurements and the class:

        class Measurements(ArrayDataModule):
            @staticmethod
            def read(folder):
                with open_raw(folder / "measurements.csv.gz") as stream:
                    table = np.loadtxt(stream, delimiter=",")
                inputs, targets = table[:, :30].astype(np.float32), table[:, 30].astype(np.int64)
                return Examples(len(table), (30,), "float32", 0, iter([(inputs, targets)]))
    """

    @staticmethod
    def read(folder: Path) -> Examples:
        """Return what the raw files in a folder hold. They are there, and are those that the configuration names."""
        raise NotImplementedError

    def __init__(self, config: Config) -> None:
        super().__init__()
        data, folder = config.data, Path(config.paths.processed)
        with rank_zero_first():
            opened = open_prepared(data, Path(config.paths.raw), folder)
        self.manifest, self.dataset = opened.manifest, ArrayDataset(opened.inputs, opened.targets)
        self.splits = splits_of(config, opened)
        self.interface = Interface(
            tuple(self.manifest["input_shape"]),
            self.manifest["input_dtype"],
            missing=self.manifest.get("missing", False),
            features=tuple(self.manifest["features"]) if "features" in self.manifest else None,
            **asdict(data.targets),
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
        if self.interface.standardized:
            targets = self.dataset.targets.rows(self.splits["train"]).astype(np.float64)
            found |= {"target_mean": targets.mean(keepdims=True), "target_std": targets.std(keepdims=True)}
        for name in ("std", "target_std"):
            if name in found:
                found[name][found[name] == 0] = 1  # what is constant stays constant
        tensors = {name: torch.from_numpy(value) for name, value in found.items()}
        return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}

    def train_dataloader(self) -> BatchLoader:
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

    def val_dataloader(self) -> BatchLoader:
        """Return the validation batches. Every process reads all of them, so that all see the same exact metrics."""
        return self._loader(BatchSampler(self.splits["validation"], self.batch_size))

    def test_dataloader(self) -> BatchLoader:
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

    def _loader(self, sampler: BatchSampler, augment: Augmentation | None = None) -> BatchLoader:
        workers = self.config.num_workers
        fresh = workers > 0 and (self.config.start_method or get_start_method()) != "fork"
        # batch_size=None: the sampler yields whole batches and the dataset gathers each with one read
        return BatchLoader(
            ArrayDataset(self.dataset.inputs, self.dataset.targets, augment),
            sampler=sampler,  # type: ignore[arg-type]
            batch_size=None,
            num_workers=workers,
            persistent_workers=workers > 0 and self.config.persistent_workers,
            multiprocessing_context=self.config.start_method if workers else None,
            worker_init_fn=SameCode() if fresh else None,  # otherwise workers inherit what is imported
            pin_memory=torch.cuda.is_available(),
        )
