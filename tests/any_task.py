"""Trains tasks as users write them, whole and interrupted after every batch, and prints as JSON what differs.

An environment's own Python runs it, without a rendered project: the package is imported from the template's sources.
"""

import contextlib
import json
import logging
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sources import load_packages

load_packages()
import torch  # noqa: E402
from lightning import Callback, LightningDataModule, LightningModule, Trainer  # noqa: E402
from reproml.config.schema import Config, Data, Paths, Reproducibility, Restore, Training  # noqa: E402
from reproml.runs.digest import tensor_digest  # noqa: E402
from reproml.training import resume  # noqa: E402
from reproml.training.checkpoint import load_checkpoint  # noqa: E402
from reproml.training.keyed import keyed  # noqa: E402
from reproml.training.randomness import seed_everything  # noqa: E402
from reproml.training.restore import restore  # noqa: E402
from reproml.training.trainer import build_trainer  # noqa: E402

EPOCHS = 2


@dataclass
class Task:
    """What a user brings: a module, maybe a datamodule, callbacks, and arguments of the Trainer."""

    module: Callable[[], LightningModule]
    data: Callable[..., LightningDataModule] | None = None  # takes the number of workers
    trainer: dict[str, Any] = field(default_factory=dict)
    callbacks: tuple[Callable[[], Callback], ...] = ()
    accumulate: int = 1
    clip: float | None = None
    one_worker_count: bool = False  # workers change what an iterable dataset yields


class Numbers(Callback):
    """Keeps every metric of every epoch, as a tracker would. Its rows travel in the checkpoint."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def _note(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.rows.append({name: float(value) for name, value in sorted(trainer.callback_metrics.items())})

    on_validation_end = _note

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]


class EpochNumbers(resume.Checkpoint):  # such a callback comes after the model's own hook
    """Keeps the metrics that stand when an epoch has ended."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.rows.append({name: float(value) for name, value in sorted(trainer.callback_metrics.items())})

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]


class Copies(Callback):
    """Copies the run folder to `points/<resume point>` at every moment."""

    def __init__(self, run: Path) -> None:
        self.run, self.points = run, run.with_name("points")

    def _copy(self, *arguments: Any) -> None:
        point = resume.newest_whole(self.run / "checkpoints")
        if point and not (self.points / point.stem).exists():
            shutil.copytree(self.run, self.points / point.stem)

    on_train_epoch_start = on_train_batch_start = on_validation_start = on_train_epoch_end = on_train_end = _copy


def configured(task: Task, run: Path, seed: int) -> Config:
    """Return the configuration of a small training."""
    point = {"folder": str(run / "checkpoints"), "every_seconds": 0, "max_restarts": 0}
    callbacks = {
        "resume_point": {"_target_": "reproml.training.resume.ResumePoint", **point},
        "last": {"_target_": "reproml.training.checkpoint.LastCheckpoint", "folder": str(run / "checkpoints")},
    }
    trainer = {"accelerator": "cpu", "devices": 1, "num_nodes": 1, "log_every_n_steps": 1, "logger": False}
    return Config(
        seed=seed,
        data=Data("none", "none", "none", {}, {}, [], 0.1, 0.1, None, 0, False, 0, False, None),
        model={},
        training=Training(EPOCHS, 1, task.accumulate, 0.01, "sgd", 0, 0, "none", task.clip),
        trainer={"_target_": "lightning.Trainer", "enable_progress_bar": False, **trainer, **task.trainer},
        reproducibility=Reproducibility("strict", True, "error", 1, {}),
        tracking={},
        callbacks=callbacks,
        paths=Paths("", "", str(run)),
        restore=Restore("fresh", None, []),
    )


def fit(task: Task, run: Path, seed: int = 1, workers: int = 0, more: tuple[Callback, ...] = ()) -> dict[str, Any]:
    """Train as train.py does, from the newest resume point if there is one, and return all that has to be equal."""
    config = configured(task, run, seed)
    config.trainer.pop("logger")
    seed_everything(seed, "weights")
    module = task.module()
    data = task.data(workers) if task.data else None
    keyed(module, seed)
    if data is not None:
        keyed(data, seed)
    trainer = build_trainer(config, asdict(config))
    numbers = Numbers(), EpochNumbers()
    trainer.callbacks[-1:-1] = [*numbers, *(each() for each in task.callbacks)]  # before the resume point
    trainer.callbacks += more
    point = resume.newest_whole(run / "checkpoints")
    trainer.fit(module, data, ckpt_path=restore(point, config.restore, module, trainer))
    last = load_checkpoint(run / "checkpoints" / "last.ckpt")
    return {
        "weights": module.state_dict(),
        "optimizers": last["optimizer_states"],
        "schedules": last["lr_schedulers"],
        "validations": numbers[0].rows,
        "epochs": numbers[1].rows,
        "loops": last["loops"],
    }


def same(first: Any, second: Any) -> bool:
    """Whether two values are equal, bit for bit."""
    if isinstance(first, torch.Tensor):
        return isinstance(second, torch.Tensor) and tensor_digest(first) == tensor_digest(second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second) or (first != first and second != second)


def differences(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """Return the names of what differs."""
    return [name for name in first if not same(first[name], second[name])]


def tried(task: Task, folder: Path) -> dict[str, Any]:
    """Return what differs after a resume from each point, with two workers, and with another seed."""
    run = folder / "run"
    whole = fit(task, run, more=(Copies(run),))
    points = {}
    for point in sorted((folder / "points").iterdir()):
        shutil.rmtree(run)
        point.rename(run)
        points[point.name.split("-")[1].lstrip("0")] = differences(whole, fit(task, run))
    workers = [] if task.one_worker_count else differences(whole, fit(task, folder / "workers", workers=2))
    other = differences(whole, fit(task, folder / "seed", seed=2))
    return {"points": points, "workers": workers, "other seed": other}


def main(names: list[str]) -> dict[str, Any]:
    """Try all tasks, or those with the names given."""
    from tasks import TASKS

    resume._LOOK_EVERY = 1  # a point after every batch that may have one
    found = {}
    for name in names or TASKS:
        with tempfile.TemporaryDirectory() as folder:
            found[name] = tried(TASKS[name], Path(folder))
            print(name, found[name], file=sys.stderr)
    return found


if __name__ == "__main__":
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.multiprocessing.set_sharing_strategy("file_system")
    with contextlib.redirect_stdout(sys.stderr):
        found = main(sys.argv[1:])
    print(json.dumps(found))
