"""The folder of a run: the places of its files, the state of the run, and its configuration."""

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ..errors import ConfigError
from ..files import remove_left, write_text
from ..names import CHECKPOINTS, CONFIG, HISTORY, HYDRA, LAST, LOCK, MODEL, PATCH, RECORD, TEST, TRACE

OUTPUTS = Path("outputs")
_RESUME_POINT = re.compile(r"resume-\d{10}-[0-9a-f]{16}\.ckpt")  # the batches before it, and a checksum
_LONGEST_NAME, _LONGEST_PATH = 255, 4095  # bytes, on all usual file systems
BRING_BACK = "restore it from where the run was made (dvc checkout), or train again"


class Status(Enum):
    """How far a run has come."""

    NONE = auto()  # no run was here
    UNBEGUN = auto()  # it stopped before its training began
    LOST = auto()  # its files are here without its record
    RUNNING = auto()  # or interrupted
    FINISHED = auto()
    DAMAGED = auto()  # so is its record


class RunFolder:
    """The folder of a run.

    Args:
        path: of the folder, which need not be there.

    Raises:
        ConfigError: no folder can have this name.
    """

    def __init__(self, path: str | Path) -> None:
        refuse_long(path)
        self.path = Path(path)
        self.config, self.record = self.path / CONFIG, self.path / RECORD
        self.model, self.history, self.trace = self.path / MODEL, self.path / HISTORY, self.path / TRACE
        self.patch = self.path / PATCH
        self.test, self.checkpoints = self.path / TEST, self.path / CHECKPOINTS
        self.last_checkpoint = self.checkpoints / LAST
        self.lock = self.path / LOCK  # held by the process that trains

    def __str__(self) -> str:
        return str(self.path)

    def status(self) -> Status:
        """Return how far the run has come, judging by its record, or by what is here without one."""
        try:
            found = json.loads(self.record.read_text(encoding="utf-8"))["status"]
            return {"running": Status.RUNNING, "finished": Status.FINISHED}[found]
        except (FileNotFoundError, NotADirectoryError):
            if self._is_of_a_run() or any(path.exists() for path in (self.trace, self.history, self.model)):
                return Status.LOST  # these are written after the record
            return Status.UNBEGUN if (self.path / HYDRA).is_dir() else Status.NONE
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return Status.DAMAGED

    def _is_of_a_run(self) -> bool:
        """Whether config.yaml is the configuration of a run, and not just a file of that name, as configs/ has one."""
        with suppress(Exception):  # from the parser or OmegaConf
            return "run" in OmegaConf.load(self.config).paths
        return False

    def why_no_record(self) -> str:
        """Return why there is no record here, and what to do."""
        return {
            Status.LOST: f"the files in {self} belong to a run whose record was lost; {BRING_BACK}",
            Status.UNBEGUN: f"{self} stopped before its training began: start it again",
        }.get(self.status(), "name the folder of a run, which python train.py makes")

    def refuse_used(self) -> None:
        """Keep what an earlier run left here: a folder holds one run.

        Raises:
            ConfigError: there is a run.
        """
        status = self.status()
        if status is Status.FINISHED:
            raise ConfigError(f"{self} holds a finished run: choose another folder, such as hydra.run.dir={self}-2")
        if status is Status.RUNNING:
            raise ConfigError(
                f"{self} holds an interrupted run: resume it with python train.py resume={self}, or choose another "
                "folder"
            )
        if status is Status.DAMAGED:
            raise ConfigError(f"{self.record} is damaged: choose another folder, or restore the file")

    def write_config(self, config: dict[str, Any]) -> None:
        """Write the configuration of the run, in plain types and without secrets."""
        write_text(self.config, OmegaConf.to_yaml(OmegaConf.create(config)))

    def clear(self) -> None:
        """Remove the parts of files that killed processes left here."""
        for place in (self.path, self.checkpoints, self.test):
            remove_left(place)


def refuse_long(name: str | Path) -> None:
    """Refuse the name of a run that the system would refuse, in words of its own.

    Raises:
        ConfigError: it is too long for a folder.
    """
    whole = os.fspath(name)
    part = max(Path(whole).parts, key=lambda each: len(os.fsencode(each)), default="")
    for text, most in ((whole, _LONGEST_PATH), (part, _LONGEST_NAME)):
        if len(os.fsencode(text)) > most:
            raise ConfigError(
                f"{text[:40]}... has {len(text)} characters, and cannot be the name of a run or of its folder: give a "
                "shorter one, as in outputs/first"
            )


def read_config(folder: str | Path | None) -> DictConfig:
    """Return the configuration that a run was made with.

    Raises:
        ConfigError: no folder is named, it is not the folder of a run, or its configuration is damaged.
    """
    run = RunFolder(str(folder or ""))  # whatever was given: a list, say
    status = run.status() if folder else Status.NONE
    if status is Status.NONE:
        finished = newest(Status.FINISHED)
        hint = (
            f"the newest that is finished is run={finished}"
            if finished
            else "none under outputs/ is finished yet: python train.py makes one"
        )
        raise ConfigError(f"run={folder or ''} is not the folder of a run; {hint}")
    if not run.config.exists():
        lost = f"{run.config} does not exist: {BRING_BACK}"
        raise ConfigError(lost if run.record.exists() else run.why_no_record())
    try:
        config = OmegaConf.load(run.config)
    except Exception as error:  # from the parser or OmegaConf, because it is not text, or cannot be opened
        raise ConfigError(f"{run.config} is damaged or cannot be read: {BRING_BACK}") from error
    if isinstance(config, DictConfig):
        return config
    raise ConfigError(f"{run.config} holds no configuration: {BRING_BACK}")


def run_folders(place: Path = OUTPUTS) -> Iterator[Path]:
    """Yield the folders below a place that hold a run. It follows no link, and looks at nothing inside of a run."""
    try:
        with os.scandir(place) as found:
            inside = list(found)
    except OSError:  # it is not there, or may not be read
        return
    if any(each.name == RECORD for each in inside):
        yield place
        return
    for each in inside:
        if each.is_dir(follow_symlinks=False) and not each.name.startswith("."):
            yield from run_folders(place / each.name)


def last_written_first(folders: Iterable[Path]) -> list[tuple[float, Path]]:
    """Return the folders of runs with the time at which each record was written last, the newest first.

    No record is read for this. To find a recent run, read records in this order, and stop at the first that fits.
    """
    found = []
    for folder in folders:
        with suppress(OSError):  # somebody has just removed it
            found.append(((folder / RECORD).stat().st_mtime, folder))
    return sorted(found, reverse=True)


def newest(status: Status) -> Path | None:
    """Return the folder under outputs/ whose run reached a status last."""
    folders = (folder for _, folder in last_written_first(run_folders()))
    return next((folder for folder in folders if RunFolder(folder).status() is status), None)


def resume_points(checkpoints: Path) -> list[Path]:
    """Return the resume points in the checkpoints of a run, the newest first. A file with another name is none."""
    return sorted(filter(is_resume_point, checkpoints.glob("resume-*.ckpt")), reverse=True)


def is_resume_point(path: Path) -> bool:
    """Whether a file is named like a resume point, with the checksum of its content."""
    return _RESUME_POINT.fullmatch(path.name) is not None


def remove_resume_points(checkpoints: Path, after: Path | None = None) -> None:
    """Remove resume points, all or those newer than one."""
    for path in resume_points(checkpoints):
        if after is None or path.name > after.name:
            path.unlink()
