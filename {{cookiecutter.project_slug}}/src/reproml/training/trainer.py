"""Lightning's Trainer with this project's callbacks, loggers and checkpoint files."""

import logging
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal

from hydra.utils import instantiate
from lightning import Trainer
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.accelerators import AcceleratorRegistry
from lightning.pytorch.loggers import Logger
from lightning.pytorch.profilers import PassThroughProfiler

from ..config.schema import Config, Reproducibility
from ..names import HISTORY
from .admission import Admission
from .callbacks import Reentry, StepSeed
from .checkpoint import AtomicCheckpointIO, CheckpointMetadata
from .cluster import environment
from .history import History
from .keyed import LoaderPlace
from .lean_steps import LeanSteps
from .restore import OwnSettings
from .resume import ResumePoint
from .steps import StepLoss
from .unmoved import Unmoved

log = logging.getLogger(__name__)

# Lightning's advice that this project answers on purpose: arrays/datamodule.py says how batches are read, and
# models/array_task.py adds up the metrics of all processes itself.
for _advice in (
    ".*does not have many workers.*",
    ".*smaller than the logging interval.*",
    ".*sync_dist=True.*",
    ".*LeafSpec.*",
    ".*functional.all_gather is deprecated.*",  # Lightning uses it
    ".*`srun` command is available.*",  # on the login node of a cluster a run of one process is fine
    ".*your dataloader is not resumable.*",  # training/keyed.py starts in the middle of an epoch itself
):
    warnings.filterwarnings("ignore", _advice)
logging.getLogger("lightning").handlers.clear()  # its records go to this project's log, once
for _name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.seed"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class NullProfiler(PassThroughProfiler):
    """Measures nothing, like Lightning's default, but without its generator around every hook of every callback.

    With a small network that is a thirtieth of a step.
    """

    _nothing = nullcontext()

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
        return self._nothing


def build_trainer(config: Config, public_config: dict[str, Any], loggers: Sequence[Logger] = ()) -> Trainer:
    """Return the trainer of a run.

    Args:
        config: the checked configuration.
        public_config: the same without secrets; it goes into checkpoints.
        loggers: the trackers of the run.
    """
    run = Path(config.paths.run)
    history = History(run / HISTORY)
    content = CheckpointMetadata(history)
    mode = config.reproducibility.mode
    first = [
        Unmoved(run),
        Admission(mode),
        LeanSteps(),
        Reentry(),
        StepSeed(config.seed),
        LoaderPlace(strict=mode != "fast"),
    ]
    named = {name: instantiate(callback) for name, callback in config.callbacks.items()}
    callbacks = list(named.values())
    if config.restore.mode == "continue":
        callbacks.append(OwnSettings(named, public_config["callbacks"]))
    # last, since a point holds the state of the callbacks before it: one after it would miss a step in a resume
    callbacks.sort(key=lambda callback: isinstance(callback, ResumePoint))
    return _build(
        config,
        callbacks=[*first, StepLoss(), history, content, *callbacks],
        logger=list(loggers),
        plugins=[AtomicCheckpointIO(public_config), environment()],
        profiler=config.trainer.get("profiler") or NullProfiler(),
        default_root_dir=run,
    )


def bare_trainer(config: Config) -> Trainer:
    """Return a trainer like that of a run, which nothing is heard of: it has no callbacks, loggers or files."""
    return _build(config, logger=False, plugins=[environment()], profiler=None, enable_checkpointing=False)


def _build(config: Config, **more: Any) -> Trainer:
    return instantiate(
        config.trainer,
        max_epochs=config.training.epochs,
        gradient_clip_val=config.training.gradient_clip,
        accumulate_grad_batches=config.training.accumulate,
        deterministic=_deterministic(config.reproducibility),
        benchmark=not config.reproducibility.deterministic,
        use_distributed_sampler=False,  # training/keyed.py shares the batches itself
        num_sanity_val_steps=0,
        enable_model_summary=False,
        _convert_="object",
        **more,
    )


def build_tester(config: Config) -> Trainer:
    """Return a trainer that only tests: one process, nothing tracked or written."""
    accelerator = config.trainer["accelerator"]
    if not is_here(accelerator):
        log.warning(
            "the model was trained with trainer.accelerator=%s, which is not available here: the test can differ in "
            "the last digits",
            accelerator,
        )
        accelerator = "cpu"
    return instantiate(
        {**config.trainer, "accelerator": accelerator, "devices": 1, "num_nodes": 1, "strategy": "auto"},
        plugins=[LightningEnvironment()],  # whatever job this is part of
        callbacks=[StepSeed(config.seed)],
        deterministic=_deterministic(config.reproducibility),
        benchmark=not config.reproducibility.deterministic,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def is_here(accelerator: str) -> bool:
    """Whether Lightning knows an accelerator and finds one on this machine."""
    if accelerator == "auto":
        return True
    known = "cuda" if accelerator == "gpu" else accelerator
    return known in AcceleratorRegistry and AcceleratorRegistry[known]["accelerator"].is_available()


def _deterministic(settings: Reproducibility) -> bool | Literal["warn"]:
    return (
        "warn" if settings.deterministic and settings.nondeterministic_operations == "warn" else settings.deterministic
    )
