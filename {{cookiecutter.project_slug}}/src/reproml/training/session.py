"""One process that works on a run: the first, or one that resumes it."""

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from lightning import LightningDataModule, LightningModule

from ..config.schema import Config, OwnConfig
from ..errors import ConfigError, DataError
from ..files import file_digest, write_bytes, write_json
from ..launch import rank
from ..runs import record, schema
from ..runs.code import edited_since_start
from ..runs.digest import weights_digest
from ..runs.folder import RunFolder, remove_resume_points
from ..runs.overwritten import Watch
from ..runs.start_over import start_over
from ..runs.tables import figure_digests, table_digests
from ..runs.trace import kept_trace
from . import resume
from .checkpoint import best_files, peek, refuse_foreign
from .cluster import rank_zero_first
from .describe import describe
from .earlier import built_on
from .limits import refuse_none
from .restore import refuse_unfit, starting_file

log = logging.getLogger(__name__)


@dataclass
class Session:
    """What a process does to a run.

    Args:
        folder: of the run.
        checkpoint: the resume point that the training resumes from; None: it starts.
        record: None in all processes but the first, which writes for all.
        lock: keeps other processes from the folder for as long as this one lives.
        watch: knows the data from the start.
    """

    folder: RunFolder
    checkpoint: Path | None
    record: dict[str, Any] | None = None
    lock: FileLock | None = None
    watch: Watch | None = None
    began: float = 0.0

    def finish(self, weights: dict[str, torch.Tensor], metrics: dict[str, float | int]) -> None:
        """Write the complete record, and remove the resume points.

        Args:
            weights: of the final model, by name.
            metrics: of the test.
        """
        if self.record is None:
            return
        session = self.record["sessions"][-1]
        overwritten = self.watch.overwritten() if self.watch else []
        edited = sorted({*session["edited"], *edited_since_start(), *overwritten})
        if edited:
            log.warning(
                "%s was edited while the run trained: the record holds the version from its start; run "
                "verify to see whether that had an effect",
                ", ".join(edited),
            )
        session |= {"ended": _now(), "seconds": round(time.perf_counter() - self.began, 3), "edited": edited}
        self.record |= {
            "status": "finished",
            "trace_sha256": file_digest(self.folder.trace) if self.folder.trace.exists() else None,
            "history_sha256": file_digest(self.folder.history),
            "metrics": metrics,
            "tables": table_digests(self.folder.test),
            "figures": figure_digests(self.folder.test),
            "weights_sha256": weights_digest(weights),
            "model_sha256": file_digest(self.folder.model),
        }
        write_json(self.folder.record, self.record)
        remove_resume_points(self.folder.checkpoints)


@rank_zero_first()
def begin(
    config: Config,
    settings: dict[str, Any],
    recorded: dict[str, Any],
    data: LightningDataModule,
    model: LightningModule,
) -> Session:
    """Claim the run folder, find out whether its training starts or resumes, and write the record.

    Args:
        config: the checked configuration.
        settings: the same, resolved and without secrets.
        recorded: what the record says of the data, see tasks/data.py.
        data: that the run reads.
        model: that is trained.

    Raises:
        ConfigError: another process works in the folder, the run cannot be resumed with the same bits, the model is
            not that of the run that it is built on, or no command could read the record that it would get.
        DataError: resuming was asked for, and a resume point belongs to another run.
    """
    folder = RunFolder(config.paths.run)
    if rank():  # the first process has decided already
        return Session(folder, resume.latest_valid(folder.checkpoints) if config.resume else None)
    refuse_none(config, data)
    lock = _claim(folder)
    if not config.resume:
        folder.refuse_used()
    asked = config.resume != "auto"
    earlier = _interrupted(folder, asked) if config.resume else None
    point = _own_point(folder, earlier, asked) if earlier else None
    # a resume point holds all that was restored, so the restored run is no longer needed
    restored = earlier["restored"] if earlier and point else built_on(config)
    now, patch = describe(config, settings, recorded, restored)
    changed = _changed(folder, earlier, now, asked) if earlier else []
    if earlier and point and changed is not None:
        current, batches = {**earlier, "config": settings}, resume.batches_of(point)  # the folder may have been moved
    else:
        if point:  # which is of another training now
            now["restored"] = built_on(config)
        point, batches = None, 0
        current = {**now, "sessions": earlier["sessions"] if earlier else []}
    session = {"started": _now(), "from_batch": batches, "ended": None, "seconds": None, "changed": changed or []}
    current["sessions"].append({**session, "edited": edited_since_start()})
    _refuse_unreadable(folder, current)
    if point:
        remove_resume_points(folder.checkpoints, after=point)
        log.info("%s resumes from %s", folder, point.name)
    else:
        refuse_unfit(config.restore, model)
        continued = starting_file(config.restore) if config.restore.mode == "continue" else None
        start_over(folder.path, config, best_files(peek(continued)) if continued else [])
        write_bytes(folder.patch, patch)
    write_json(folder.record, current)
    folder.write_config(settings)
    log.info("%s", _context(folder, current))
    return Session(folder, point, current, lock, Watch(_data_of(config, current)), time.perf_counter())


def _data_of(config: Config, current: dict[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of all that a run reads from this disk, by its path."""
    data, inputs = current["data"], current["inputs"]
    arrays = {} if isinstance(config, OwnConfig) or config.data.remote else data["prepared"]
    prepared = {str(Path(config.paths.processed) / name): digest for name, digest in arrays.items()}
    return prepared | data.get("files", {}) | {config.inputs[name]: digest for name, digest in inputs.items()}


def _claim(folder: RunFolder) -> FileLock:
    folder.path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.lock, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ConfigError(f"another process is working on {folder}: wait for it, or stop it first") from error
    folder.clear()
    return lock


def _interrupted(folder: RunFolder, asked: bool) -> dict[str, Any] | None:
    """Return the record of the run in the folder, if it was interrupted.

    Raises:
        RecordError: the record cannot be used, or the run to resume is not there.
    """
    if not asked and not folder.record.exists():
        return None
    try:
        earlier = record.read(folder.path)  # an error must not cost what was there
    except record.OtherVersion as error:  # as after an update of the project: other code began that run
        if asked:
            raise
        log.info("%s: the training starts over", error)
        return None
    return earlier if earlier["status"] == "running" else None


def _own_point(folder: RunFolder, earlier: dict[str, Any], asked: bool) -> Path | None:
    """Return the newest resume point, or None where the training has to start over.

    Raises:
        DataError: the run is to be resumed, and the point is of another run, or the step trace up to there is.
    """
    point = resume.latest_valid(folder.checkpoints)
    try:
        if point:
            held = peek(point)
            refuse_foreign(point, held, earlier)
            kept_trace(folder.trace, held)  # or refuse it
    except DataError as error:
        if asked:
            raise
        log.info("%s: the training starts over", error)
        return None
    return point


def _refuse_unreadable(folder: RunFolder, current: dict[str, Any]) -> None:
    """Refuse a record that its own reader would refuse, before anything is removed for it.

    Raises:
        ConfigError: naming the key.
    """
    if reason := schema.problem(current):
        raise ConfigError(f"no command could read the record of {folder} again, since {reason}: choose another value")


def _changed(folder: RunFolder, earlier: dict[str, Any], now: dict[str, Any], asked: bool) -> list[str] | None:
    """Return what has changed without deciding about the result, or None where the training has to start over.

    Raises:
        ConfigError: the run to resume would be another training, or could not end with the same bits.
    """
    found = record.what_changed(earlier, now)
    fast = now["reproducibility"]["level"] == "fast"  # guarantees no bits, but a run still has one configuration
    decisive = [str(change) for change in found if change.of_the_project or not (fast or change.of_the_machine)]
    if decisive:
        sentence = f"since {folder} began, this changed: {'; '.join(decisive[:3])}"
        if asked:
            raise ConfigError(
                f"{sentence}: it could not end with the same bits. Undo the change, or start another run: "
                f"restore=continue restore.run={folder}"
            )
        log.info("%s: the training starts over", sentence)
        return None
    for change in found:
        log.warning("since %s began, %s: bits may differ", folder, change)
    return [str(change) for change in found]


def _context(folder: RunFolder, current: dict[str, Any]) -> str:
    """Return one line that says what the log after it is about."""
    git, config = current["git"] or {}, current["config"]
    state = f"commit {git['commit'][:10]}{' with changes' if git['dirty'] else ''}" if git else "no commit"
    return (
        f"run {folder}: {state}, seed {config['seed']}, {current['reproducibility']['level']}, "
        f"data {current['data']['name']}, {config['trainer']['accelerator']}"
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
