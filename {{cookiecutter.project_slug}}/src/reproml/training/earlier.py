"""The earlier run that a new one is built on: whether the two fit together, and what the record says of it."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..config.own import is_own
from ..config.schema import Config, OwnConfig
from ..errors import ConfigError, DataError
from ..files import file_digest
from ..names import MODEL, TRACE
from ..runs.completed import CompletedRun
from ..runs.inputs import check_seen
from ..runs.integrity import intact
from ..runs.params import flat
from ..runs.pretrained import is_pretrained, pretrained_digest
from ..runs.trace import kept_trace
from .checkpoint import best_files, peek, refuse_foreign
from .restore import starting_file

# With the whole state of a run its optimizer, schedule and place in the epoch are taken over: other settings would be
# ignored, or mean something else.
_FIXED = ("batch_size", "accumulate", "lr", "weight_decay", "optimizer", "scheduler", "loss")
_FIXED_OF_OWN = ("accumulate",)  # and the arguments of the task
# Of `data` everything decides which batches come after those that were trained on, but where the data comes from and
# who reads it. Arguments of a user's own class by these names mean the same.
_READING = ("source", "archives", "remote", "num_workers", "persistent_workers", "start_method", "pin_memory",
            "prefetch_factor")  # fmt: skip
_SPLIT_BY = ("split", "validation_fraction", "test_fraction", "folds", "fold")  # the keys of `data`
_NOT_DRAWN = ("contiguous", "given")  # where the seed decides nothing


def built_on(config: Config) -> dict[str, Any] | None:
    """Return what the record says of the earlier run, or of pretrained weights, which are no file of a run; or None.

    Raises:
        ConfigError: the settings do not fit the earlier run.
        DataError: its file is missing, damaged, or belongs to another run.
        RecordError: a file of it is not the one that its record names.
    """
    settings = config.restore
    if settings.run and Path(settings.run).resolve() == Path(config.paths.run).resolve():
        raise ConfigError(
            f"restore.run={settings.run} is the folder of this run, and the new training would replace it: choose "
            "another folder"
        )
    path = starting_file(settings)
    if path is None:
        return None
    run = Path(str(settings.run))
    about = {"mode": settings.mode, "run": settings.run, "skip": settings.skip}
    if settings.mode == "finetune" and is_pretrained(run):
        check_seen(str(run), f"restore.run={run}")
        return {**about, "file": None, "sha256": pretrained_digest(run)}
    if settings.mode == "finetune":
        earlier, held = CompletedRun.read(run, needs=(MODEL,)).record, {}
    else:
        earlier, held = intact(run, reads=(TRACE,)), peek(path)  # restore=continue takes over the step trace
        refuse_foreign(path, held, earlier)
    digest = file_digest(path)
    _check_splits(config, earlier)
    if settings.mode == "continue":
        _check_whole_state(config, earlier, held)
        if lost := next((file for file in best_files(held) if not (run / file).is_file()), None):
            raise DataError(
                f"{run / lost} is missing, which {path} names as the best epoch so far: restore it, or choose "
                "another run"
            )
        kept_trace(run / TRACE, held)  # or refuse it
    elif settings.mode == "warmstart":
        _check_optimizer(config, earlier)
    name = path.relative_to(str(settings.run)).as_posix()
    return {**about, "file": name, "sha256": digest}


def _check_splits(config: Config, earlier: dict[str, Any]) -> None:
    """Refuse what would test on examples that the earlier run was trained on."""
    before = earlier["config"]
    if isinstance(config, OwnConfig) or is_own(before):
        now, then = _of_own(config, before)
    elif before["data"]["files"] != config.data.files:
        return
    else:
        now = {f"data.{key}": getattr(config.data, key) for key in _SPLIT_BY}
        then = {f"data.{key}": before["data"].get(key) for key in _SPLIT_BY}
        if config.data.split not in _NOT_DRAWN:
            now["seed"], then["seed"] = config.seed, before["seed"]
    for key, value in now.items():
        if value != then[key]:
            raise ConfigError(
                f"{key}={value} splits the data in another way than restore.run={config.restore.run} did, so examples "
                f"from its training would be in the validation or the test: use {key}={then[key]}"
            )


def _of_own(config: Config, before: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what may split the same data of a user's own, now and then: the seed. Their arguments mean anything."""
    data = config.data if isinstance(config, OwnConfig) else {}
    same = data.get("_target_") == before["data"].get("_target_")
    return ({"seed": config.seed}, {"seed": before["seed"]}) if same else ({}, {})


def _check_optimizer(config: Config, earlier: dict[str, Any]) -> None:
    """Refuse an optimizer that could not read what the earlier one remembers."""
    if isinstance(config, OwnConfig):
        return
    now, then = config.training.optimizer["_target_"], earlier["config"]["training"]["optimizer"]["_target_"]
    if now != then:
        raise ConfigError(
            f"training.optimizer._target_={now} cannot take over the state of {then}, which trained restore.run="
            f"{config.restore.run}: choose that class in configs/training/optimizer, or restore=finetune"
        )


def _check_whole_state(config: Config, earlier: dict[str, Any], held: dict[str, Any]) -> None:
    before, run = earlier["config"], config.restore.run
    fixed = _FIXED_OF_OWN if isinstance(config, OwnConfig) else _FIXED
    now = flat({key: value for key, value in asdict(config.training).items() if key in fixed}, "training.")
    then = flat({key: before["training"][key] for key in fixed}, "training.")
    groups = {"data": (config.data if isinstance(config, OwnConfig) else asdict(config.data), before["data"])}
    if isinstance(config, OwnConfig):
        groups["task"] = (config.task, before["task"] if is_own(before) else {})
    for group, (arguments, earlier_ones) in groups.items():
        for key in {**arguments, **earlier_ones}:
            if group != "data" or key not in _READING:
                now[f"{group}.{key}"], then[f"{group}.{key}"] = arguments.get(key), earlier_ones.get(key)
    now["seed"], then["seed"] = config.seed, before["seed"]
    for key in ("devices", "num_nodes"):
        now[f"trainer.{key}"], then[f"trainer.{key}"] = config.trainer[key], before["trainer"][key]
    for key in {**now, **then}:
        value, other = now.get(key), then.get(key)
        if value != other:
            raise ConfigError(
                f"{key}={value} cannot be changed with restore=continue, which takes over the whole state of {run}: "
                f"use {key}={other}, or restore=warmstart"
            )
    schedule, epochs = config.training.scheduler, config.training.epochs
    bound = schedule.get("steps_as") and not isinstance(config, OwnConfig)  # whose schedule is its own affair
    if bound and epochs != before["training"]["epochs"]:
        raise ConfigError(
            f"training.epochs={epochs} does not fit training.scheduler._target_={schedule['_target_']}, which {run} "
            f"began for {before['training']['epochs']} epochs: only a run whose schedule does not know its end, as "
            "with training/scheduler=none, can be made longer; restore=warmstart starts a new schedule"
        )
    if epochs <= (done := held["epoch"]):
        raise ConfigError(
            f"training.epochs={epochs} leaves nothing to train, since {run} has already trained {done}: "
            f"resume={run} ends an interrupted run, restore=warmstart starts a new schedule"
        )
