"""The configuration's keys, types and ranges. check.py applies them before any work.

The values live in `configs/`. The classes below say which keys our own groups have and what each may hold.
The groups `task`, `model`, `trainer`, `tracking` and `callbacks`, the optimizer, schedule and loss in `training`, and
`data` of a user's own name the class that they configure with `_target_`; signatures.py takes keys, types and ranges
from its signature.
"""

from dataclasses import dataclass, field
from typing import Any


def _above(low: float) -> dict[str, Any]:
    return {"test": lambda value: value > low, "range": f"greater than {low:g}"}


def _at_least(low: float) -> dict[str, Any]:
    return {"test": lambda value: value >= low, "range": f"{low:g} or greater"}


def _seed() -> dict[str, Any]:
    return {"test": lambda value: 0 <= value < 2**64, "range": "0 or greater and below 2**64"}


def _fraction() -> dict[str, Any]:
    return {"test": lambda value: 0 < value < 1, "range": "between 0 and 1"}


def _one_of(*values: str) -> dict[str, Any]:
    return {"test": values.__contains__, "range": "one of " + ", ".join(values)}


@dataclass
class Data:
    """Which examples are learned from, and how they are read: the arguments of every ArrayDataModule."""

    name: str
    _target_: str  # the ArrayDataModule of the user's package, which reads the raw files
    source: str  # `sklearn`, an address, or a folder
    files: dict[str, str]  # raw file -> SHA-256 of its content, uncompressed
    archives: dict[str, str]  # raw file -> SHA-256 of the file as its address serves it
    validation_fraction: float = field(metadata=_fraction())
    test_fraction: float = field(metadata=_fraction())  # used where the data has no official test set
    train_examples: int | None = field(metadata=_at_least(1))  # train on so many only; null: on all
    shift: int = field(metadata=_at_least(0))  # move training images by up to so many pixels
    flip: bool  # mirror every second training image, left to right
    num_workers: int = field(metadata=_at_least(0))
    persistent_workers: bool  # keep them from one epoch to the next
    start_method: str | None = field(metadata=_one_of("fork", "spawn", "forkserver"))  # of workers; null: Python's own
    # what a target is: the number of one of these classes, or a quantity, called so
    classes: list[str] | None = None
    target: str | None = None
    unit: str | None = None  # of the quantity
    split: str = field(
        default="stratified", metadata=_one_of("stratified", "random", "contiguous", "group", "given")
    )  # who is in which split, see docs/data.md
    # k-fold cross-validation; see docs/data.md
    folds: int | None = field(default=None, metadata=_at_least(2))
    fold: int | None = field(default=None, metadata=_at_least(0))  # which of them is the validation
    # data beyond memory, see docs/streaming.md
    shard_bytes: int | None = field(default=None, metadata=_at_least(1))  # split the inputs into files; null: one file
    window: int | None = field(default=None, metadata=_at_least(1))  # shards shuffled together; null: all examples
    storage: str = field(default="npy", metadata=_one_of("npy", "arrow"))  # mapped arrays, or files read as a stream
    remote: str | None = None  # address that the stream is read from; null: the processed folder


@dataclass
class Training:
    """How the weights are fitted."""

    epochs: int = field(metadata=_at_least(1))
    batch_size: int = field(metadata=_at_least(1))  # examples per step over all processes together
    accumulate: int = field(metadata=_at_least(1))  # batches per optimizer step
    lr: float = field(metadata=_above(0))
    weight_decay: float = field(metadata=_at_least(0))
    optimizer: dict[str, Any]  # its class and arguments, see configs/training/optimizer
    scheduler: dict[str, Any]  # the same, and the keys of Schedule; empty: none
    loss: dict[str, Any]
    gradient_clip: float | None = field(metadata=_above(0))  # largest gradient norm; null: no clipping
    final_weights: str = field(default="last", metadata=_one_of("last", "best"))  # older records lack it


@dataclass
class Schedule:
    """The keys of training.scheduler that are no arguments of its class, see configs/training/scheduler."""

    interval: str = field(default="epoch", metadata=_one_of("step", "epoch"))  # when it moves
    frequency: int = field(default=1, metadata=_at_least(1))  # after so many of them
    monitor: str | None = None  # the metric that it follows, if it follows one
    steps_as: str | None = None  # the argument that gets the number of steps of the whole training


@dataclass
class Reproducibility:
    """Which promise a run makes about its bits, see docs/reproducibility.md."""

    mode: str = field(metadata=_one_of("strict", "portable", "fast"))
    deterministic: bool
    nondeterministic_operations: str = field(metadata=_one_of("error", "warn"))
    threads: int | None = field(metadata=_at_least(1))  # null: as many as PyTorch likes
    environment: dict[str, str]  # variables that are set before torch is imported


@dataclass
class Restore:
    """What a new run takes over from an earlier one, see configs/restore."""

    mode: str = field(metadata=_one_of("fresh", "finetune", "hotstart", "continue"))
    run: str | None  # folder of the earlier run
    skip: list[str]  # finetune: tensors whose names begin so keep their first, random values


@dataclass
class Paths:
    """Where files are read and written, relative to the project."""

    raw: str
    processed: str
    run: str


@dataclass
class Trainer:
    """The keys of Lightning's Trainer that configs/trainer sets."""

    accelerator: str
    num_nodes: int = field(metadata=_at_least(1))
    check_val_every_n_epoch: int = field(metadata=_at_least(1))
    log_every_n_steps: int = field(metadata=_at_least(1))


@dataclass
class Parameter:
    """What a search may set a key to: a range, or choices."""

    low: int | float | None = None  # two whole numbers: only whole numbers are tried
    high: int | float | None = None
    step: int | float | None = field(default=None, metadata=_above(0))
    log: bool = False  # draw evenly on a logarithmic scale
    choices: list[Any] | None = None


@dataclass
class Search:
    """The keys of a search in configs/sweep, see docs/search.md."""

    metric: str
    direction: str = field(metadata=_one_of("minimize", "maximize"))
    trials: int = field(metadata=_at_least(1))
    pruner: str = field(metadata=_one_of("median", "none"))
    startup_trials: int = field(metadata=_at_least(1))  # before the pruner stops any
    space: dict[str, Parameter]


@dataclass
class Config:
    """The whole configuration."""

    seed: int = field(metadata=_seed())
    data: Data
    model: dict[str, Any]
    training: Training
    trainer: dict[str, Any]
    reproducibility: Reproducibility
    tracking: dict[str, Any]
    callbacks: dict[str, Any]
    paths: Paths
    restore: Restore
    inputs: dict[str, str] = field(default_factory=dict)  # name -> file or folder, see runs/inputs.py
    resume: str | None = None  # a run that goes on; `auto`: the run in this folder, if it was interrupted
    task: dict[str, Any] = field(default_factory=dict)  # around the network, or one of the user's own


@dataclass(kw_only=True)
class OwnConfig(Config):
    """The configuration of a run whose data and task are any LightningDataModule and any LightningModule.

    Both groups name their class with `_target_`, and all else in them are its arguments.
    """

    data: dict[str, Any]  # type: ignore[assignment]
    model: dict[str, Any] = field(default_factory=dict)  # where the task asks for ${model}
