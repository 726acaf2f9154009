"""Interrupts trainings at every moment, in one process, and prints as JSON what differs from uninterrupted ones.

A project's own Python runs it, in the project's folder. It tries every Lightning callback that a run may have.
"""

import contextlib
import copy
import functools
import json
import logging
import shutil
import sys
import tempfile
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir

sys.path.insert(0, "src")
from reproml.config.check import check
from reproml.config.schema import Config
from reproml.training.determinism import apply, pin_environment

PRECISIONS = {kind: [f"trainer.precision={kind}"] for kind in ("64-true", "bf16-mixed", "bf16-true", "16-mixed")}
PRECISIONS["16-true"] = ["trainer.precision=16-true", "training/optimizer=sgd"]  # AdamW's smallest number is 0 there
# Other ways through a training, with every kind of random choice in each
RANDOM = ["model.dropout=0.2", "data.shift=1", "data.flip=true"]
TRAININGS = {
    "random choices": RANDOM,
    "accumulation and schedule per epoch": [
        *RANDOM,
        "training.batch_size=4",
        "training.accumulate=3",
        "training/scheduler=exponential",
    ],
    "accumulation that never fits": [*RANDOM, "training.accumulate=2", "callbacks=best"],
    "early stopping and best": [
        *RANDOM,
        "callbacks=early_stopping",
        "callbacks.early_stopping.patience=1",
        "callbacks.early_stopping.min_delta=9",  # no epoch is better by so much: the second one is the last
        "training.epochs=5",
    ],
    "several validations in an epoch": [
        *RANDOM,
        "training.batch_size=4",
        "+trainer.val_check_interval=0.34",
        "callbacks=best",
        "training/scheduler=cosine",
    ],
    "validation after two epochs": [*RANDOM, "trainer.check_val_every_n_epoch=2"],
    "workers": [*RANDOM, "data.num_workers=2", "data.persistent_workers=false"],
    "shards": [*RANDOM, "storage=shards"],
    "momentum": [*RANDOM, "training/optimizer=sgd", "training/scheduler=none"],
}
# Continued by restore=continue too: what may do something at the end of a training, or at the start of one.
CONTINUED = [
    "nothing more",
    "regression",
    "BaseFinetuning",
    "frozen by hand",
    "GradientAccumulationScheduler",
    "EMAWeightAveraging",
]
# Three epochs of three batches, on real images or a real table.
SMALL = ["tracking=[none]", "data.train_examples=50", "training.batch_size=16", "training.epochs=3"]
SMALL += ["hydra.run.dir=unused"]
# A resume point after each batch, or none. What a training leaves is the same.
POINTS = {True: "callbacks.resume_point.every_seconds=0", False: "callbacks.resume_point.every_seconds=1000000"}
OF_IMAGES = ["model.channels=[4]", "model.hidden=8"]
REGRESSION = ["experiment=diabetes", "model.hidden=[8]", "callbacks=default"]
REGRESSION += [f"paths.{kind}=data/{kind}/diabetes" for kind in ("raw", "processed")]


def configured(overrides: list[str], run: Path, points: bool = False) -> Config:
    """Return the configuration of a small training."""
    return copy.deepcopy(_composed(tuple(overrides), run, points))


@functools.cache
def _composed(overrides: tuple[str, ...], run: Path, points: bool) -> Config:
    """Compose the same only once: it takes longer than some of the trainings."""
    with initialize_config_dir(str(Path("configs").resolve()), version_base="1.3"):
        images = [] if set(REGRESSION) & set(overrides) else OF_IMAGES
        return check(compose("snapshot", [*SMALL, POINTS[points], *images, f"paths.run='{run}'", *overrides]))


pin_environment(configured([], Path("unused")).reproducibility)  # before torch is imported

import lightning.pytorch.callbacks as lightning_callbacks  # noqa: E402
import torch  # noqa: E402
from lightning import Callback, LightningModule, Trainer  # noqa: E402
from lightning.pytorch.callbacks import BaseFinetuning, WeightAveraging  # noqa: E402
from lightning.pytorch.loggers.logger import DummyLogger  # noqa: E402
from reproml.arrays.datamodule import ArrayDataModule  # noqa: E402
from reproml.evaluation.measure import evaluate  # noqa: E402
from reproml.models.array_task import ArrayTask  # noqa: E402
from reproml.models.saved import load_model, save_model  # noqa: E402
from reproml.runs.digest import tensor_digest  # noqa: E402
from reproml.tasks.build import build, description  # noqa: E402
from reproml.training import resume  # noqa: E402
from reproml.training.admission import Admission  # noqa: E402
from reproml.training.checkpoint import load_checkpoint  # noqa: E402
from reproml.training.final import final_weights  # noqa: E402
from reproml.training.restore import restore  # noqa: E402
from reproml.training.trainer import build_tester, build_trainer  # noqa: E402


class Finetuning(BaseFinetuning):
    """Frees the first layers in the second epoch, as Lightning's documentation shows it, batch normalization too."""

    def freeze_before_training(self, pl_module: LightningModule) -> None:
        self.freeze(list(pl_module.network)[:2], train_bn=False)

    def finetune_function(self, pl_module: LightningModule, epoch: int, optimizer: torch.optim.Optimizer) -> None:
        if epoch == 1:
            self.unfreeze_and_add_param_group(list(pl_module.network)[:2], optimizer)


class FreezingByHand(Callback):
    """Does the same without a state of its own, and holds a layer in evaluation mode in the second epoch."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        pl_module.network[0].requires_grad_(False)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch == 1:
            pl_module.network[0].requires_grad_(True)
        pl_module.network[1].train(trainer.current_epoch != 1)


class EpochAveraging(WeightAveraging):
    """Averages after each epoch and not after each step."""

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        return epoch_idx is not None


def times_one_and_a_half(epoch: int) -> float:
    return 1.5


def nothing(*arguments: Any) -> None:
    return None


def first_size(batch: Any) -> int:
    return len(batch[0])


def function(name: str) -> dict[str, str]:
    """Return how a configuration names a function of this file."""
    return {"_target_": "hydra.utils.get_method", "path": f"{__name__}.{name}"}


def case(name: str, *overrides: str, **arguments: object) -> tuple[list[str], dict[str, Any]]:
    """Return the overrides of a training and one more callback: of Lightning's, or one of those above."""
    place = __name__ if name in globals() else "lightning.pytorch.callbacks"
    return list(overrides), {"_target_": f"{place}.{name}", **arguments}


RATE = "training/scheduler=none"  # or the schedule would hide what a callback does to the learning rate
# The validation never improves so much, so the learning rate falls after the second epoch.
PLATEAU = ["training/scheduler=plateau", "training.scheduler.patience=0", "+training.scheduler.threshold=0.9"]
WEIGHTS = "[1.0,2.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0]"
CASES = {
    "nothing more": ([], None),
    "callbacks=best": (["callbacks=best"], None),
    "BackboneFinetuning": case(
        "BackboneFinetuning",
        RATE,
        unfreeze_backbone_at_epoch=0,
        lambda_func=function("times_one_and_a_half"),
        should_align=False,
    ),
    "BaseFinetuning": case("Finetuning"),
    "frozen by hand": case("FreezingByHand"),
    "DeviceStatsMonitor": case("DeviceStatsMonitor"),
    "EarlyStopping": case("EarlyStopping", monitor="train/loss", mode="max", patience=1),
    "GradientAccumulationScheduler": case("GradientAccumulationScheduler", scheduling={1: 2}),
    "LambdaCallback": case("LambdaCallback", on_train_start=function("nothing")),
    "LearningRateMonitor": case("LearningRateMonitor"),
    "ModelCheckpoint": case("ModelCheckpoint", monitor="val/loss", save_last=True),
    "ModelCheckpoint of steps": case("ModelCheckpoint", monitor="val/loss", mode="max", every_n_train_steps=2),
    "ModelCheckpoint of weights": case("ModelCheckpoint", monitor="val/loss", save_weights_only=True),
    "ModelSummary": case("ModelSummary"),
    "RichModelSummary": case("RichModelSummary"),
    "RichProgressBar": case("RichProgressBar", "~callbacks.progress"),
    "TQDMProgressBar": case("TQDMProgressBar", "~callbacks.progress"),
    "ThroughputMonitor": case(
        "ThroughputMonitor", "trainer.log_every_n_steps=1", batch_size_fn=function("first_size"), window_size=2
    ),
    "WeightAveraging": case("WeightAveraging"),
    "WeightAveraging of epochs": case("EpochAveraging"),
    "EMAWeightAveraging": case("EMAWeightAveraging", decay=0.9, update_starting_at_epoch=1),
    **{kind: (overrides, None) for kind, overrides in PRECISIONS.items()},
    "plateau of the training": ([*PLATEAU, "training.scheduler.monitor=train/loss"], None),
    "plateau with a pause": ([*PLATEAU, "+training.scheduler.cooldown=1"], None),
    "warm-up": (["training/scheduler=warmup_cosine", "training.scheduler.warmup=0.4"], None),
    "momentum and weights of classes": (
        ["training/optimizer=sgd", f"+training.loss.weight={{_target_: torch.tensor, data: {WEIGHTS}}}"],
        None,
    ),
    **{kind: (overrides, None) for kind, overrides in TRAININGS.items()},
    "regression": (REGRESSION, None),
    "regression, huber, accumulation": (
        [*REGRESSION, "training/loss=huber", "training.batch_size=4", "training.accumulate=3"],
        None,
    ),
}
TESTED = {**PRECISIONS, "regression": REGRESSION, "regression, 64-true": [*REGRESSION, "trainer.precision=64-true"]}
# Refused for a reason: it shows that the comparison sees a difference.
CONTROL = {"StochasticWeightAveraging": case("StochasticWeightAveraging", swa_lrs=0.01, swa_epoch_start=1)}


class Snapshots(Callback):
    """Copies the run folder at every moment to `points/<resume point>`, as late after each point as possible."""

    def __init__(self, run: Path) -> None:
        self.run, self.points = run, run.with_name("points")

    def _copy(self, *arguments: Any) -> None:
        if point := resume.latest_valid(self.run / "checkpoints"):
            shutil.rmtree(self.points / point.stem, ignore_errors=True)
            shutil.copytree(self.run, self.points / point.stem)

    on_train_epoch_start = on_train_batch_start = on_validation_start = on_train_epoch_end = on_train_end = _copy


def fit(case: tuple[list[str], dict[str, Any] | None], run: Path, **callbacks: Callback) -> tuple[Trainer, ArrayTask]:
    """Train as train.py does, without the record: from the newest resume point, if there is one."""
    config = configured(case[0], run, points=bool(callbacks))
    if case[1]:
        config.callbacks["tried"] = case[1]
    data, model = build(config)
    assert isinstance(model, ArrayTask)
    trainer = build_trainer(config, asdict(config))
    trainer.loggers = [DummyLogger()]  # some callbacks want one
    trainer.callbacks += callbacks.values()
    if case in CONTROL.values():  # let in here alone, to see what would come of it
        next(each for each in trainer.callbacks if isinstance(each, Admission)).mode = "fast"
    point = resume.latest_valid(run / "checkpoints")
    trainer.fit(model, data, ckpt_path=restore(point, config.restore, model, trainer))
    return trainer, model


def outcome(trainer: Trainer, model: ArrayTask, run: Path) -> dict[str, Any]:
    """Return all that has to be equal."""
    last = load_checkpoint(run / "checkpoints" / "last.ckpt")
    # Lightning's own ModelCheckpoint restarts the numbers of its files after a resume; the weights in them are compared
    states = {key: state for key, state in last["callbacks"].items() if not key.startswith("ModelCheckpoint")}
    kept = [getattr(callback, "best_model_path", "") for callback in trainer.checkpoint_callbacks]
    return {
        "weights": final_weights(trainer, model, "last"),
        "kept weights": [load_checkpoint(Path(path))["state_dict"] for path in kept if path],
        "last weights": last["state_dict"],
        "optimizer": last["optimizer_states"],
        "schedule": last["lr_schedulers"],
        "loops": last["loops"],
        "callbacks": states,
        "metrics": (run / "metrics.csv").read_bytes(),
        "step trace": (run / "trace.jsonl").read_bytes(),
    }


def same(first: Any, second: Any) -> bool:
    """Whether two values are equal, bit for bit."""
    if isinstance(first, torch.Tensor):
        return tensor_digest(first) == tensor_digest(second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


def interrupted(case: tuple[list[str], dict[str, Any] | None], folder: Path) -> dict[str, list[str]]:
    """Return what differs after a resume from each point."""
    run = folder / "run"
    whole = outcome(*fit(case, run, snapshots=Snapshots(run)), run)
    found = {}
    for point in sorted((folder / "points").iterdir()):
        shutil.rmtree(run)
        point.rename(run)
        now = outcome(*fit(case, run), run)
        found[point.name.split("-")[1]] = [name for name in whole if not same(whole[name], now[name])]
    return found


def continued(case: tuple[list[str], dict[str, Any] | None], folder: Path) -> list[str]:
    """Return what differs between three epochs, and two followed by one with restore=continue."""
    overrides, more = case
    constant = ([*overrides, RATE], more)
    whole, two, third = folder / "whole", folder / "two", folder / "third"
    expected = outcome(*fit(constant, whole), whole)
    fit(([*constant[0], "training.epochs=2"], more), two)
    third.mkdir()
    shutil.copy(two / "trace.jsonl", third)
    now = outcome(*fit(([*constant[0], "restore=continue", f"restore.run='{two}'"], more), third), third)
    return [name for name in expected if not same(expected[name], now[name])]


def tested_again(overrides: list[str], folder: Path) -> dict[str, Any]:
    """Return whether the model in the file is tested with the same logits as the one in memory, and the file's type."""
    config = configured(overrides, folder)
    data = ArrayDataModule(config)
    trainer, model = fit((overrides, None), folder)
    save_model(model, description(asdict(config), data), folder / "model.safetensors")
    evaluate(trainer, model, data)
    loaded, _ = load_model(folder / "model.safetensors")
    evaluate(build_tester(config), loaded, data)
    (first, _), (second, _) = model.tested(), loaded.tested()
    return {"same": same(first, second), "type": str(loaded.mean.dtype), "logits": str(first.dtype)}


def main(folder: Path) -> dict[str, Any]:
    """Try everything."""
    resume._LOOK_EVERY = 1  # a point after every batch that may have one
    ArrayTask.backbone = property(lambda self: torch.nn.ModuleList(list(self.network)[:2]))  # type: ignore[attr-defined]
    tried = {name: interrupted(each, folder / name) for name, each in CASES.items()}
    control = {}
    for name, each in CONTROL.items():
        control[name] = interrupted(each, folder / name)
    return {
        "interrupted": tried,
        "control": control,
        "continued": {name: continued(CASES[name], folder / f"{name} continued") for name in CONTINUED},
        "tested": {kind: tested_again(each, folder / f"{kind} tested") for kind, each in TESTED.items()},
        "lightning": lightning_callbacks.__all__,
    }


if __name__ == "__main__":
    logging.disable(logging.INFO)
    apply(configured([], Path("unused")).reproducibility)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        found = main(Path(folder))
    print(json.dumps(found))
