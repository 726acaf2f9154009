"""Run folders and the configuration files in them."""

import json
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from filelock import FileLock, Timeout
from hydra.core.override_parser.types import Sweep
from omegaconf import DictConfig, OmegaConf

from ..config.arguments import Arguments, read
from ..errors import ConfigError, RecordError
from ..files import remove_left, write_text
from ..launch import in_job_step, launcher, rank, restarts, shared_folder, started_by_lightning
from ..names import CONFIG, HISTORY, METRICS, MODEL, MODELS, PIPELINE, RECORD, REPORTS_OF_PIPELINE, TEST, TRACE
from .tables import altered_figure, altered_table

LOCK = ".lock"  # held by the process that trains
_RESUME_POINT = re.compile(r"resume-\d{10}-[0-9a-f]{16}\.ckpt")  # the batches before it, and a checksum
BRING_BACK = "bring it back from where the run was made (dvc checkout), or train again"
_OF_A_SWEEP = "multirun.yaml"  # which Hydra writes
_LONGEST_NAME = 255  # bytes, on all usual file systems
_ONE_RUN = "hydra.mode=RUN"  # one run of a sweep, not the sweep
_SWEEP = "start it as one process, outside of a job; with -m hydra/launcher=slurm, each of its runs becomes one"


def write_config(config: dict[str, Any], folder: Path) -> None:
    """Write the configuration of a run, in plain types and without secrets, into its folder."""
    write_text(folder / CONFIG, OmegaConf.to_yaml(OmegaConf.create(config)))


def read_config(folder: str | Path | None) -> DictConfig:
    """Return the configuration that a run was made with.

    Raises:
        ConfigError: no folder is named, it is not the folder of a run, or its configuration is damaged.
    """
    path = Path(folder or "") / CONFIG
    if folder and path.exists():
        try:
            config = OmegaConf.load(path)
        except Exception as error:  # from the parser or OmegaConf, because it is no text, or cannot be opened
            raise ConfigError(f"{path} is damaged or cannot be read: {BRING_BACK}") from error
        if isinstance(config, DictConfig):
            return config
        raise ConfigError(f"{path} holds no configuration: {BRING_BACK}")
    if folder and any((Path(folder) / name).exists() for name in (RECORD, ".hydra")):
        lost = f"{path} does not exist: {BRING_BACK}"
        raise ConfigError(lost if (Path(folder) / RECORD).exists() else why_no_run(Path(folder)))
    newest = _newest("finished")
    hint = (
        f"the newest that is finished is run={newest}"
        if newest
        else "none under outputs/ is finished yet: python train.py makes one"
    )
    raise ConfigError(f"run={folder or ''} is not the folder of a run; {hint}")


def why_no_run(folder: Path) -> str:
    """Return why a folder has no record, and what to do."""
    if any((folder / name).exists() for name in (CONFIG, TRACE, HISTORY, MODEL)):  # which a training writes later
        return f"what is in {folder} belongs to a run whose record was lost; {BRING_BACK}"
    if (folder / ".hydra").is_dir():
        return f"{folder} stopped before its training began: start it again"
    return "name the folder of a run, which python train.py makes"


def _newest(status: str) -> Path | None:
    """Return the folder under outputs/ whose run reached a status last: `running` (or interrupted), or `finished`."""
    reached = []
    for path in Path("outputs").rglob(RECORD):
        with suppress(ConfigError, OSError):  # a damaged record is not worth suggesting
            if _status(path.parent) == status:
                reached.append((path.stat().st_mtime, path.parent))
    return max(reached, default=(0, None))[1]


def with_recorded_overrides(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command, with `resume=RUN` replaced by the arguments that RUN was started with.

    Exits with 0 where the run is finished already.

    Raises:
        ConfigError: RUN was not made by train.py, or other settings are given as well.
    """
    given = read([_as_folder(argument) for argument in arguments])
    # processes that Lightning starts are given the replaced arguments again
    if _ONE_RUN in arguments or started_by_lightning():
        return given.flags_first()
    folder = given.value("resume")
    if folder in (None, "", "auto"):
        return [*_in_shared_folder(given), *_of_this_process()]
    if isinstance(folder, Sweep):
        raise ConfigError("resume=... names several runs: resume one after the other")
    if others := given.others("resume"):
        raise ConfigError(
            f"resume={folder} goes on with the run's own settings: leave {others[0]} out, or start another run: "
            f"restore=continue restore.run={folder} {others[0]}"
        )
    if not (Path(folder) / RECORD).exists():
        if (Path(folder) / CONFIG).exists() or (Path(folder) / ".hydra").is_dir():
            raise ConfigError(f"{Path(folder) / RECORD} does not exist: {why_no_run(Path(folder))}")
        newest = _newest("running")
        hint = f"the newest that is not finished is resume={newest}" if newest else "none under outputs/ is unfinished"
        raise ConfigError(f"resume={folder} is not the folder of a run; {hint}")
    from . import record as records  # which imports this module

    record = records.read(Path(folder))
    if record["status"] == "finished":
        _leave_finished(Path(folder))
    return [*given.flags, *command_arguments(record, folder), f"resume={quoted(folder)}", *_of_this_process()]


def _as_folder(argument: str) -> str:
    """Return an argument, quoted where it names a folder that is there, whatever its name means to Hydra."""
    key, _, value = argument.partition("=")
    return f"{key}={quoted(value)}" if key.lstrip("+") == "resume" and _is_there(value) else argument


def _is_there(folder: str) -> bool:
    with suppress(OSError):  # no name that the system takes
        return Path(folder).is_dir()
    return False


def _in_shared_folder(given: Arguments) -> list[str]:
    """Return the arguments, with the folder that the processes of a job have in common where none is given.

    Raises:
        ConfigError: a sweep was started several times at once, or in a job that would begin it anew.
    """
    sweeps = ["-m"] if given.options.multirun else []
    sweeps += [f"sweep={given.value('sweep')}"] if given.value("sweep") is not None else []
    if launcher() and sweeps:
        raise ConfigError(f"{sweeps[0]} is a sweep, which {launcher()} starts once for each process: {_SWEEP}")
    if in_job_step() and sweeps:
        raise ConfigError(f"{sweeps[0]} is a sweep, which a job begins anew when it is queued again: {_SWEEP}")
    placed = given.options.config_name is not None or given.value("hydra.run.dir") is not None
    folder = None if placed or sweeps else shared_folder()
    return [*given.flags_first(), *([f"hydra.run.dir={quoted(folder)}"] if folder else [])]


def _of_this_process() -> list[str]:
    """Return the arguments that keep the processes behind the first from its files; Lightning's are given them, too."""
    return [f"hydra.job.name=train_ddp_process_{rank()}", "hydra.output_subdir=null"] if launcher() and rank() else []


def run_of_this_job(folder: Path) -> str | None:
    """Return the run that a job goes on with by itself when it was started again, or None.

    Exits with 0 where that run is finished.
    """
    if not restarts() or not (folder / RECORD).exists():
        return None
    if _status(folder) == "finished":
        _leave_finished(folder)
    return str(folder)


def refuse_place(folder: Path) -> None:
    """Refuse a folder for a new run, before Hydra writes into it. Only the first process of a first start can tell.

    Raises:
        ConfigError: the system takes no such name, or there is a run in the folder.
    """
    if rank() or restarts():
        return
    if long := next((part for part in folder.parts if len(os.fsencode(part)) > _LONGEST_NAME), None):
        raise ConfigError(
            f"{long[:40]}... has {len(long)} characters, and cannot be the name of a folder: give the run a shorter "
            "one, as in hydra.run.dir=outputs/first"
        )
    refuse_used(folder)


def _leave_finished(folder: Path) -> NoReturn:
    """Exit with 0, and say what trackers lack of the run. What a kill after its end left there is removed."""
    from . import tracked  # which imports the record, and that this module

    # where the process that trained is still at work, it removes them itself
    with suppress(Timeout, OSError), FileLock(folder / LOCK, timeout=0):
        clear(folder)
        remove_resume_points(folder / "checkpoints")
    if missed := tracked.missed(folder):
        who = " and ".join(missed)
        lacks = "lacks" if len(missed) == 1 else "lack"
        print(f"{folder} is finished, but {who} {lacks} something of it: python -m reproml sync {folder} sends that")
    else:
        print(f"{folder} is finished: there is nothing left to do")
    raise SystemExit(0)


def clear(folder: Path) -> None:
    """Remove the parts of files that killed processes left in the folder of a run."""
    for place in (folder, folder / "checkpoints", folder / TEST):
        remove_left(place)


def resume_points(checkpoints: Path) -> list[Path]:
    """Return the resume points in the checkpoints of a run, the newest first. A file with another name is none."""
    found = (path for path in checkpoints.glob("resume-*.ckpt") if _RESUME_POINT.fullmatch(path.name))
    return sorted(found, reverse=True)


def remove_resume_points(checkpoints: Path, after: Path | None = None) -> None:
    """Remove resume points, all or those newer than one."""
    for path in resume_points(checkpoints):
        if after is None or path.name > after.name:
            path.unlink()


def refuse_used(folder: Path) -> None:
    """Keep what an earlier run left in the folder: a folder holds one run.

    Raises:
        ConfigError: there is a run in the folder.
    """
    if not (folder / RECORD).exists():
        return
    if _status(folder) == "finished":
        raise ConfigError(f"{folder} holds a finished run: choose another folder, such as hydra.run.dir={folder}-2")
    raise ConfigError(
        f"{folder} holds an interrupted run: go on with it, python train.py resume={folder}, or choose another folder"
    )


def discard_unbegun(folder: Path) -> None:
    """Remove the folder that Hydra made for a run that was refused before its training began.

    A folder that holds anything else stays, and so does the folder of a command that is not a run.
    """
    if rank() or not (folder / ".hydra").is_dir():
        return
    if all(path.name == ".hydra" or path.name.endswith((".log", ".log.jsonl")) for path in folder.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)
        if [path.name for path in folder.parent.iterdir()] == [_OF_A_SWEEP]:  # it was the first run
            (folder.parent / _OF_A_SWEEP).unlink()
        with suppress(OSError):  # it holds other runs
            folder.parent.rmdir()


def results_of(folder: Path, record: dict[str, Any]) -> Path | None:
    """Return the folder with the results of a run's test: `test/` in it, or the pipeline's `reports/`.

    Of the pipeline's run the latter comes first: evaluate.py adds intervals, which the test of a training lacks.

    Args:
        folder: of the run.
        record: of the run. Results with other metrics were left by another training.

    Raises:
        RecordError: a table or a figure is not the one that the record names.
    """
    places = [folder / TEST, REPORTS_OF_PIPELINE]
    for place in reversed(places) if folder.resolve() == MODELS.resolve() else places:
        try:
            same = json.loads((place / METRICS).read_text(encoding="utf-8")) == record["metrics"]
        except (OSError, ValueError):
            continue
        if same and (name := altered_table(place, record) or altered_figure(place, record)):
            raise RecordError(
                f"{place / name} is not the file that the record names: it was changed after the run; fetch it again, "
                f"or test again: python evaluate.py run={folder} output={place}"
            )
        if same:
            return place
    return None


def _status(folder: Path) -> str:
    """Return `running` or `finished`.

    Raises:
        ConfigError: the record is damaged.
    """
    try:
        return str(json.loads((folder / RECORD).read_text(encoding="utf-8"))["status"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(f"{folder / RECORD} is damaged: choose another folder, or bring the file back") from error


def command_arguments(record: dict[str, Any], folder: str | Path) -> list[str]:
    """Return the arguments of the recorded command, with `folder` as its run folder unless the pipeline fixes that."""
    command = record["command"]
    keys = () if command["config"] == PIPELINE else ("hydra.run.dir", "paths.run")
    place = [f"{key}={quoted(folder)}" for key in keys]
    return ["--config-name", command["config"], *command["overrides"], *place, _ONE_RUN]


def quoted(value: str | Path) -> str:
    """Return a value that Hydra reads as one text, whatever characters it holds."""
    escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
