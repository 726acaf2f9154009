"""Trains tasks as users write them, whole and interrupted after every batch, and prints as JSON what differs.

An environment's own Python runs it, without a rendered project: the package is imported from the template's sources.
"""

import contextlib
import copy
import json
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sources import load_packages
from tasks.task import EPOCHS, Task

load_packages()
import torch  # noqa: E402
from lightning import Callback, LightningModule, Trainer  # noqa: E402
from lightning.pytorch.callbacks import ModelCheckpoint  # noqa: E402
from lightning.pytorch.utilities.model_helpers import is_overridden  # noqa: E402
from reproml.config import schema  # noqa: E402
from reproml.config.schema import Config, Paths, Reproducibility, Restore, Training  # noqa: E402
from reproml.errors import UserError  # noqa: E402
from reproml.runs.digest import tensor_digest  # noqa: E402
from reproml.training import callbacks, resume  # noqa: E402
from reproml.training.attributes import Attributes  # noqa: E402
from reproml.training.checkpoint import load_checkpoint  # noqa: E402
from reproml.training.keyed import keyed  # noqa: E402
from reproml.training.randomness import seed_everything  # noqa: E402
from reproml.training.restore import restore  # noqa: E402
from reproml.training.trainer import build_trainer  # noqa: E402
from tasks.classified import TASKS, Data, Module  # noqa: E402
from tasks.gallery import GALLERY, REFUSED_OF_GALLERY  # noqa: E402
from tasks.holding import HOLDING  # noqa: E402
from tasks.refused import HIDING, REFUSED, REPLACING  # noqa: E402

NEVER = 10**6  # seconds


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

    def _copy(self, trainer: Trainer, *arguments: Any) -> None:
        if not trainer.is_global_zero:
            return
        point = resume.latest_valid(self.run / "checkpoints")
        if point and not (self.points / point.stem).exists():
            shutil.copytree(self.run, self.points / point.stem)

    on_train_epoch_start = on_train_batch_start = on_validation_start = on_train_epoch_end = on_train_end = _copy


def configured(task: Task, run: Path, seed: int, points: bool) -> Config:
    """Return the configuration of a small training, with a resume point after each batch that may have one, or none."""
    point = {"folder": str(run / "checkpoints"), "every_seconds": 0 if points else NEVER, "max_restarts": 0}
    callbacks = {
        "resume_point": {"_target_": "reproml.training.resume.ResumePoint", **point},
        "finite_loss": {"_target_": "reproml.training.finite.FiniteLoss", "every_n_steps": 5},
        "last": {"_target_": "reproml.training.checkpoint.LastCheckpoint", "folder": str(run / "checkpoints")},
    }
    trainer = {"accelerator": "cpu", "devices": 1, "num_nodes": 1, "log_every_n_steps": 1, "logger": False}
    return Config(
        seed=seed,
        data=schema.Data("none", "none", "none", {}, {}, 0.1, 0.1, None, 0, False, 0, False, None),
        model={},
        training=Training(EPOCHS, 1, task.accumulate, 0.01, 0, {}, {}, {}, task.clip),
        trainer={"_target_": "lightning.Trainer", "enable_progress_bar": False, **trainer, **task.trainer},
        reproducibility=Reproducibility("strict", True, "error", 1, {}),
        tracking={},
        callbacks=callbacks,
        paths=Paths("", "", str(run)),
        restore=Restore("fresh", None, []),
    )


def fit(task: Task, run: Path, seed: int = 1, workers: int = 0, more: tuple[Callback, ...] = ()) -> dict[str, Any]:
    """Train as train.py does, from the newest resume point if there is one, and return all that has to be equal.

    Points are saved where more callbacks copy them. What the others leave is compared with that, too.
    """
    config = configured(task, run, seed, points=bool(more))
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
    point = resume.latest_valid(run / "checkpoints")
    trainer.fit(module, data, ckpt_path=restore(point, config.restore, module, trainer))
    last = load_checkpoint(run / "checkpoints" / "last.ckpt")
    weights = copy.deepcopy(dict(module.state_dict()))
    tested = []
    if hasattr(data, "test_dataloader") and is_overridden("test_step", module):
        tested = [trainer.test(module, data, verbose=False), trainer.test(module, data, verbose=False)]
        tested += trainer.predict(module, data)
        assert tested[0] == tested[1]
    kept = [each for each in trainer.checkpoint_callbacks if isinstance(each, ModelCheckpoint)]
    return {
        "weights": weights,
        "tested": tested,
        "optimizers": last["optimizer_states"],
        "schedules": last["lr_schedulers"],
        "validations": numbers[0].rows,
        "epochs": numbers[1].rows,
        "loops": last["loops"],
        "kept": [sorted(map(float, each.best_k_models.values())) for each in kept],
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


@contextlib.contextmanager
def without(owner: Any, name: str) -> Iterator[None]:
    """Have a part of the machinery do nothing."""
    own = getattr(owner, name)
    setattr(owner, name, lambda *arguments: None)
    try:
        yield
    finally:
        setattr(owner, name, own)


# Of each part of the machinery: a task that needs it, and what differs without it.
CONTROLS = {
    "keyed order and items": (sys.modules[__name__], "keyed", "metrics, shuffled", "weights"),
    "sums of the epoch": (callbacks, "set_sums", "metrics, shuffled", "epochs"),
    "plain attributes": (Attributes, "set", "hooks and attributes", "epochs"),
    "gradients": (callbacks, "_set_gradients", "GAN, manual", "weights"),
    "flags and modes": (callbacks, "set_switches", "freezing by epoch", "weights"),
    "the scheduler's update": (callbacks, "forget_resume", "ReduceLROnPlateau", "schedules"),
    "after the model's hook": (resume.ResumePoint, "_follow", "hooks and attributes", "weights"),
    "seeds of steps": (callbacks.StepSeed, "on_train_batch_start", "GAN, manual", "weights"),
}


def refused(task: Task, folder: Path) -> str:
    """Return the sentence that ends a training."""
    try:
        fit(task, folder)
    except UserError as error:
        return str(error)
    return "not refused"


def main() -> dict[str, Any]:
    """Try everything."""
    found: dict[str, Any] = {"tasks": {}, "controls": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, (title, task) in enumerate((TASKS | HOLDING | GALLERY).items()):
            found["tasks"][title] = tried(task, folder / f"task {number}")
        for title, (owner, part, task, expected) in CONTROLS.items():
            with without(owner, part):
                result = tried(TASKS[task], folder / title)
            found["controls"][title] = sum(expected in each for each in [*result["points"].values(), result["workers"]])
        found["refused"] = {
            part: refused(task, folder / part[:9]) for part, task in (REFUSED | REFUSED_OF_GALLERY).items()
        }
        found["hiding"] = tried(HIDING, folder / "hiding")["points"]
        found["replacing"] = tried(REPLACING, folder / "replacing")["points"]
    return found


def of_two_processes(folder: Path) -> dict[str, str]:
    """Train in two processes that share the batches, from the point in the folder if there is one."""
    task = Task(Module, Data, trainer={"devices": 2, "strategy": "ddp"})
    run = folder / "run"
    found = fit(task, run, more=(Copies(run),))
    found["weights"] = {name: tensor_digest(tensor) for name, tensor in found["weights"].items()}
    return {name: str(found[name]) for name in ("weights", "epochs", "validations", "loops")}


if __name__ == "__main__":
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.multiprocessing.set_sharing_strategy("file_system")
    with contextlib.redirect_stdout(sys.stderr):
        resume._LOOK_EVERY = 1  # a point after every batch that may have one
        found = of_two_processes(Path(sys.argv[1])) if sys.argv[1:] else main()
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(json.dumps(found))
