"""Checkpoint files hold everything that a training needs to resume, in plain types, and appear whole or not at all."""

import logging
import os
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from ..errors import DataError
from ..files import file_digest, whole_file
from ..lightning_internals import batches_done, forget_finished_epoch
from ..names import LAST, RECORD
from ..runs.changes import changes
from ..runs.folder import is_resume_point
from ..runs.record import deciding, identity, read
from ..secrets import masked
from .history import History
from .plain import Writer, as_plain, check_loads, kinds_in

log = logging.getLogger(__name__)

_HYPERPARAMETERS = ("hyper_parameters", "datamodule_hyper_parameters")
_FETCH = "take it from where the run was made, or choose another run"
CHECKSUM = "{sha256}"  # in a file's name: stands for the checksum of its content
_DIGITS = 16  # of that checksum


class LastCheckpoint(Checkpoint):
    """Writes `last.ckpt` when the training ends: epoch, weights, optimizer, scheduler, loss and configuration."""

    def __init__(self, folder: str) -> None:
        self.path = Path(folder) / LAST

    def save(self, trainer: Trainer) -> None:
        """Write it."""
        forget_finished_epoch(trainer)  # for a run that continues from here with more epochs
        trainer.save_checkpoint(self.path, weights_only=False)


class BestCheckpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint, which still works in a run folder that was moved: it keeps no absolute paths.

    A name may hold folders: with `{val/loss:.3f}` in `filename`, Lightning makes one.
    """

    _run = "."

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        self._run = os.path.realpath(trainer.default_root_dir)  # as Lightning does with dirpath

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        named = {key: self._inside(value) for key, value in state.items() if key.endswith("_path") and value}
        best = {self._inside(path): score for path, score in state["best_k_models"].items()}
        return {**state, **named, "best_k_models": best, "dirpath": os.path.relpath(str(self.dirpath), self._run)}

    def _inside(self, path: str) -> str:
        return os.path.relpath(path, str(self.dirpath))

    def _placed(self, name: str) -> str:
        """Return the path of a file that is named in a checkpoint, which can be somebody else's: never one outside."""
        inside = not Path(name).is_absolute() and ".." not in Path(name).parts
        return str(Path(str(self.dirpath), name if inside else Path(name).name))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        named = {key: value for key, value in state_dict.items() if key.endswith("_path") and value}
        placed = {key: self._placed(value) for key, value in named.items()}
        best = {self._placed(name): score for name, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **placed, "best_k_models": best, "dirpath": self.dirpath})
        self.current_score = state_dict["current_score"]  # Lightning saves it and forgets to load it


class CheckpointMetadata(Checkpoint):
    """Adds the batches so far and the losses of the last epoch to every checkpoint."""

    def __init__(self, history: History) -> None:
        self.history = history

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["batches"] = batches_done(trainer)
        last_epoch = self.history.rows[-1] if self.history.rows else {}
        checkpoint["loss"] = {name: value for name, value in last_epoch.items() if name.endswith("loss")}


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint in one step. Lightning's own way can leave half a file when the process is killed.

    The first one is read back at once, and so is each with a type that was in none before: what cannot be loaded is
    found before a run depends on it. Hyperparameters that are not plain data (`save_hyperparameters()` notes networks
    and partial functions too) are kept as text, without secrets: a resumed run builds them from its configuration.

    `{sha256}` in a file's name is replaced by the first 16 digits of the content's checksum.

    Args:
        config: of the run, without secrets. It goes into every file, also into those of weights alone, for which
            Lightning asks no callback: with the identity in the run's record it tells which run wrote the file.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = config
        self._loadable = set[type]()
        run = config.get("paths", {}).get("run")
        self._folder = Path(run) if run else None
        self._homes = {Path(run).resolve()} if run else set[Path]()  # of the files that this run may remove

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        plain = {key: masked(as_plain(checkpoint[key])) for key in _HYPERPARAMETERS if key in checkpoint}
        checkpoint = {**checkpoint, **plain, "config": self.config, "run": self._identity}
        checkpoint.pop("hparams_type", None)  # a class
        self._homes.add(Path(path).resolve().parent)

        def named(place: Path) -> Path:
            return place.with_name(place.name.replace(CHECKSUM, digest[:_DIGITS]))

        with whole_file(Path(path), named) as file:
            digest = Writer(file).save(checkpoint)
            if not (kinds := kinds_in(checkpoint)) <= self._loadable:
                check_loads(checkpoint, Path(file.name))
                self._loadable |= kinds

    @cached_property
    def _identity(self) -> str | None:
        """What tells this run from others with the same configuration; None: it has no record."""
        if self._folder is None or not (self._folder / RECORD).exists():
            return None
        return identity(read(self._folder))

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint that a callback no longer keeps, but nothing outside of where this run writes.

        A run that continues another one has the paths in its callbacks from there, and anybody may have made that.
        """
        place = Path(path).resolve()
        if any(place != home and place.is_relative_to(home) for home in self._homes):
            super().remove_checkpoint(place)
        else:
            log.warning("%s is not removed, because this run did not write it", path)

    def load_checkpoint(
        self, path: Any, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Return the content of a checkpoint. It holds plain types only, so nothing in it can run."""
        return load_checkpoint(Path(path))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint, with its tensors on the CPU.

    Raises:
        DataError: the file is missing or damaged.
    """
    return _loaded(path)


def best_files(checkpoint: dict[str, Any]) -> list[str]:
    """Return the files of the best epochs that a checkpoint of a run names, relative to the run's folder."""
    states = checkpoint.get("callbacks", {}).values()
    kept = [state for state in states if isinstance(state, dict) and "best_k_models" in state]
    # files of other callbacks than ours have absolute names
    files = {Path(state["dirpath"], name) for state in kept for name in state["best_k_models"]}
    return sorted(file.as_posix() for file in files if not file.is_absolute() and ".." not in file.parts)


def refuse_other_run(path: Path, found: Any, config: dict[str, Any]) -> None:
    """Refuse a checkpoint with another configuration than that of this run.

    Raises:
        DataError: naming the first key that differs.
    """
    try:
        differences = changes({"config": deciding(config)}, {"config": deciding(found)})
        reason = str(differences[0]) if differences else ""
    except (KeyError, TypeError, AttributeError):
        reason = "it holds no configuration"
    if reason:
        raise DataError(f"{path} belongs to another run ({reason}): remove it, or restore the run's own file")


def refuse_foreign(path: Path, held: dict[str, Any], record: dict[str, Any]) -> None:
    """Refuse a checkpoint that is not of the run with this record, also if that has the same configuration.

    Raises:
        DataError: naming what differs.
    """
    refuse_other_run(path, held.get("config"), record["config"])
    wrote = held.get("run")  # earlier versions named none
    if wrote is not None and wrote != identity(record):
        raise DataError(
            f"{path} belongs to another run, with the same configuration: remove it, or restore the run's own file"
        )


def peek(path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint, whose tensors are read only where they are used.

    Raises:
        DataError: the file is missing or damaged.
    """
    return _loaded(path, mmap=True)


def _loaded(path: Path, mmap: bool = False) -> dict[str, Any]:
    """Return the content of a file after comparing the checksums in it: torch.load would not notice a flipped bit."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap) if _is_whole(path) else None
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist: {_FETCH}") from error
    except Exception as error:  # of the archive, of a decompressor, of pickle or of torch, whatever bit is wrong
        raise DataError(f"{path} is damaged or cannot be read ({type(error).__name__}): {_FETCH}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} is damaged: {_FETCH}")
    return content


def _is_whole(path: Path) -> bool:
    if is_resume_point(path):  # latest_valid in resume.py chose it for its checksum, and gigabytes are not read again
        return True
    with ZipFile(path) as file:
        return file.testzip() is None


def checksum(path: Path) -> str:
    """Return the digits of a resume point's content, which stand in its name."""
    return file_digest(path)[:_DIGITS]
