"""The configuration's keys, types and ranges. check.py applies them before any work; editors show them, see editor/.

The values live in `configs/`. The classes below say which keys our own groups have and what each may hold.
The groups `task`, `model`, `trainer`, `tracking` and `callbacks`, the optimizer, schedule and loss in `training`, and
`data` of a user's own name the class that they configure with `_target_`; signatures.py takes keys, types and ranges
from its signature.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..evaluation.targets import Targets


def _above(low: float) -> dict[str, Any]:
    return {"test": lambda value: value > low, "range": f"greater than {low:g}", "gt": low}


def _at_least(low: float) -> dict[str, Any]:
    return {"test": lambda value: value >= low, "range": f"{low:g} or greater", "ge": low}


def _seed() -> dict[str, Any]:
    return {"test": lambda value: 0 <= value < 2**64, "range": "0 or greater and below 2**64", "ge": 0, "lt": 2**64}


def _fraction() -> dict[str, Any]:
    return {"test": lambda value: 0 < value < 1, "range": "between 0 and 1", "gt": 0, "lt": 1}


def _one_of(*values: str) -> dict[str, Any]:
    def choices(schema: dict[str, Any]) -> None:
        schema.get("anyOf", [schema])[0]["enum"] = list(values)  # of a text, or of a text or null

    return {"test": values.__contains__, "range": "one of " + ", ".join(values), "json_schema_extra": choices}


class _Documented:
    """The text below a key is what an editor shows for it; pydantic, which reads it, also takes `ge`, `gt` and `lt`."""

    __pydantic_config__: ClassVar = {"use_attribute_docstrings": True}


@dataclass
class Data(_Documented):
    """Dataset options, and how they are read: the arguments of every ArrayDataModule."""

    name: str
    """Name of the data."""
    _target_: str
    """The ArrayDataModule of your package that reads the raw files, as in my_project.data.digits.Digits."""
    source: str
    """Where the raw files come from: sklearn, an address, or a folder."""
    files: dict[str, str]
    """Each raw file with the SHA-256 of its content, uncompressed."""
    archives: dict[str, str]
    """Each raw file with the SHA-256 of the file as its address serves it."""
    validation_fraction: float = field(metadata=_fraction())
    """Share of the examples that chooses between models; training never sees it."""
    test_fraction: float = field(metadata=_fraction())
    """Share of the examples for the test. Used where the data has no official test set."""
    train_examples: int | None = field(metadata=_at_least(1))
    """Number of training examples to use; null: all."""
    shift: int = field(metadata=_at_least(0))
    """Shift training images by up to this many pixels."""
    flip: bool
    """Mirror a random half of the training images, left to right."""
    num_workers: int = field(metadata=_at_least(0))
    """Number of processes that read batches; it does not affect the result."""
    persistent_workers: bool
    """Keep those processes from one epoch to the next."""
    start_method: str | None = field(metadata=_one_of("fork", "spawn", "forkserver"))
    """How those processes start; null: Python's default."""
    classes: list[str] | None = None
    """Names of the classes, whose numbers are the targets; null: the target is a quantity."""
    target: str | None = None
    """Name of the quantity that the targets measure."""
    unit: str | None = None
    """Unit of that quantity, as in kg."""
    split: str = field(default="stratified", metadata=_one_of("stratified", "random", "contiguous", "group", "given"))
    """How training, validation and test are chosen: docs/data.md."""
    folds: int | None = field(default=None, metadata=_at_least(2))
    """Parts of a k-fold cross-validation; null: none. See docs/data.md."""
    fold: int | None = field(default=None, metadata=_at_least(0))
    """Which of the folds is the validation."""
    shard_bytes: int | None = field(default=None, metadata=_at_least(1))
    """Split the prepared inputs into files of at most this many bytes; null: one file. See docs/streaming.md."""
    window: int | None = field(default=None, metadata=_at_least(1))
    """Shards that are shuffled together; null: all examples."""
    storage: str = field(default="npy", metadata=_one_of("npy", "arrow"))
    """npy: mapped arrays; arrow: files that are read as a stream."""
    remote: str | None = None
    """Address that the stream is read from; null: the processed folder."""

    @property
    def targets(self) -> Targets:
        """What the targets are."""
        return Targets.of(vars(self))


@dataclass
class Training(_Documented):
    """How the weights are fitted."""

    epochs: int = field(metadata=_at_least(1))
    """How often all training examples are seen."""
    batch_size: int = field(metadata=_at_least(1))
    """Examples per step, over all processes together."""
    accumulate: int = field(metadata=_at_least(1))
    """Batches per optimizer step."""
    lr: float = field(metadata=_above(0))
    """Learning rate of the optimizer, and the highest of the schedule."""
    weight_decay: float = field(metadata=_at_least(0))
    """Weight decay of the optimizer."""
    optimizer: dict[str, Any]
    """Class and arguments of the optimizer; a file of configs/training/optimizer."""
    scheduler: dict[str, Any]
    """Class and arguments of the learning rate's schedule; a file of configs/training/scheduler."""
    loss: dict[str, Any]
    """Class and arguments of the loss; a file of configs/training/loss."""
    gradient_clip: float | None = field(metadata=_above(0))
    """Largest norm of the gradient; null: no clipping."""
    final_weights: str = field(default="last", metadata=_one_of("last", "best"))
    """Weights of the final model: of the last epoch, or of the best one."""  # older records lack the key


@dataclass
class Schedule(_Documented):
    """The keys of training.scheduler that are not arguments of its class, see configs/training/scheduler."""

    interval: str = field(default="epoch", metadata=_one_of("step", "epoch"))
    """When the learning rate moves: after each step, or each epoch."""
    frequency: int = field(default=1, metadata=_at_least(1))
    """After how many steps or epochs it moves."""
    monitor: str | None = None
    """The metric that it follows, if it follows one."""
    steps_as: str | None = None
    """The argument that gets the number of optimizer steps of the whole training."""


@dataclass
class Reproducibility(_Documented):
    """The reproducibility level of a run: what is guaranteed of its bits, see docs/reproducibility.md."""

    mode: str = field(metadata=_one_of("strict", "portable", "fast"))
    """The level: strict, portable, fast."""
    deterministic: bool
    """Use only algorithms that give the same result each time."""
    nondeterministic_operations: str = field(metadata=_one_of("error", "warn"))
    """What happens at an operation that has no such algorithm."""
    threads: int | None = field(metadata=_at_least(1))
    """Threads of each process, whose number changes the order of sums, and so the bits; null: PyTorch's default."""
    environment: dict[str, str]
    """Environment variables that are set before torch is imported."""


@dataclass
class Restore(_Documented):
    """What a new run takes over from an earlier one, see configs/restore."""

    mode: str = field(metadata=_one_of("fresh", "finetune", "warmstart", "continue"))
    """What is taken over."""
    run: str | None
    """Folder of the earlier run; finetune: or a file or folder of pretrained weights."""
    skip: list[str]
    """finetune and warmstart: tensors whose names begin with one of these keep their first, random values."""


@dataclass
class Paths(_Documented):
    """Where files are read and written, relative to the project."""

    raw: str
    """Raw files, as fetched."""
    processed: str
    """Prepared arrays."""
    run: str
    """The folder of the run."""


@dataclass
class Trainer(_Documented):
    """The keys of Lightning's Trainer that configs/trainer sets."""

    accelerator: str
    num_nodes: int = field(metadata=_at_least(1))
    check_val_every_n_epoch: int = field(metadata=_at_least(1))
    log_every_n_steps: int = field(metadata=_at_least(1))


@dataclass
class Parameter(_Documented):
    """What a search may set a key to: a range, or choices."""

    low: int | float | None = None
    """Lowest value. Two whole numbers: only whole numbers are tried."""
    high: int | float | None = None
    """Highest value."""
    step: int | float | None = field(default=None, metadata=_above(0))
    """Distance between values."""
    log: bool = False
    """Draw evenly on a logarithmic scale."""
    choices: list[Any] | None = None
    """The values, in place of a range."""


@dataclass
class Search(_Documented):
    """The keys of a search in configs/sweep, see docs/search.md."""

    metric: str
    """A column of metrics.csv; its value in the last epoch counts."""
    direction: str = field(metadata=_one_of("minimize", "maximize"))
    """Whether low or high values are good."""
    trials: int = field(metadata=_at_least(1))
    """Number of trials, over all processes and restarts."""
    pruner: str = field(metadata=_one_of("median", "none"))
    """median: stop a trial whose best value is worse than the median at its epoch; none: stop none."""
    startup_trials: int = field(metadata=_at_least(1))
    """Number of finished trials before the pruner may stop any."""
    space: dict[str, Parameter]
    """Keys of the configuration, or groups, with what is tried for each."""


@dataclass
class Config(_Documented):
    """The whole configuration."""

    seed: int = field(metadata=_seed())
    """Every random choice derives from this number."""
    data: Data
    model: dict[str, Any]
    training: Training
    trainer: dict[str, Any]
    reproducibility: Reproducibility
    tracking: dict[str, Any]
    callbacks: dict[str, Any]
    paths: Paths
    restore: Restore
    inputs: dict[str, str] = field(default_factory=dict)
    """Files and folders that classes read, by name: ${inputs.NAME} is the path. See docs/data.md."""
    resume: str | None = None
    """An interrupted run to resume; auto: the run in this folder, if it was interrupted."""
    task: dict[str, Any] = field(default_factory=dict)  # around the network, or one of the user's own


@dataclass(kw_only=True)
class OwnConfig(Config):
    """The configuration of a run whose data and task are any LightningDataModule and any LightningModule.

    Both groups name their class with `_target_`, and all else in them are its arguments.
    """

    data: dict[str, Any]  # type: ignore[assignment]
    model: dict[str, Any] = field(default_factory=dict)  # where the task asks for ${model}


@dataclass
class Evaluate(_Documented):
    """The configuration of evaluate.py."""

    run: str | None
    """The folder that train.py wrote."""
    output: str
    """Where metrics, tables and pictures go."""
    hydra: dict[str, Any] = field(default_factory=dict)
