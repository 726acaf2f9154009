"""What MLflow receives: parameters, metrics, tags, files, and a registered model that `mlflow.pyfunc` loads."""

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from filelock import FileLock, Timeout
from lightning.pytorch.loggers import MLFlowLogger

from ..errors import ConfigError, TrackerError
from ..models.array_task import ArrayTask
from ..models.outputs import declared
from ..names import MODEL
from ..packages import own_packages
from .sweeps import sweep_of
from .tracked_run import TrackedRun

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)
logging.getLogger("lightning.pytorch.loggers.mlflow").setLevel(logging.ERROR)  # it tells of a new experiment
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # one warning is enough, by guarded.py

# Without the first, each process reports to MLflow's makers; without the next two, a server that is down is asked for
# several minutes before anything else happens. What the user has set stays.
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",  # it tells of each table of a new database
}
_NEEDED = ("mlflow", "torch", "lightning", "numpy", "hydra-core", "omegaconf", "safetensors", "scikit-learn")
_SWEEP = "sweep"  # the tag of a sweep's parent run
_MODEL = "model_logged"  # the tag of a run that has its model
_EXAMPLES = 2
_PATIENCE = 20.0  # seconds in which another process makes the database
_LOCKED = 5.0  # seconds in which another process writes to it


class MLflow(MLFlowLogger):
    """Lightning's logger for MLflow, and what it receives of a finished run.

    Args:
        experiment_name: groups the runs.
        store: address of the store, used unless the environment variable MLFLOW_TRACKING_URI names another. The
            variable is read here and not in configs/, because an address can hold a password.
        folder: of the run.
        model_name: under which each finished run registers its model as a new version; None: it registers none.
        run_id: the run to continue; None: a new one.
        run_name: of the run in MLflow; None: its folder.
    """

    def __init__(
        self,
        experiment_name: str,
        store: str,
        folder: str,
        model_name: str | None = None,
        run_id: str | None = None,
        run_name: str | None = None,
    ) -> None:
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        _silence()
        address = os.environ.get("MLFLOW_TRACKING_URI") or store
        with _alone(address):
            _refuse_unusable(address)
            from mlflow import MlflowClient

            client = MlflowClient(address)
        if _database(address) is not None:
            _refuse_moved(client, experiment_name)
        if run_id is not None and not _goes_on(client, run_id):
            run_id = None
        tags, sweep = {}, sweep_of(Path(folder))
        if run_id is None and sweep is not None:
            tags["mlflow.parentRunId"] = _parent(client, experiment_name, sweep)
        super().__init__(experiment_name, run_name=run_name or folder, tracking_uri=address, run_id=run_id, tags=tags)
        self._model_name, self._address = model_name, address

    @property
    def address(self) -> str:
        """Where people look at the run: a page of a server, or the command that shows a local database."""
        if _database(self._address) is not None:
            return f"mlflow ui --backend-store-uri {self._address}"
        return f"{self._address.rstrip('/')}/#/experiments/{self.experiment_id}/runs/{self.run_id}"

    def send(self, run: TrackedRun) -> None:
        """Complete the run: metrics that are missing there, those of the test, tags, files, figures and the model."""
        client, run_id = self.experiment, str(self.run_id)
        self._send_metrics(run)
        self._send_tags(run.tags() | {"mlflow.source.git.commit": run.tags()["git_commit"]})
        for path in run.files():
            client.log_artifact(run_id, str(path), "run")
        for path in run.results():
            client.log_artifact(run_id, str(path), "test")
        if client.get_run(run_id).data.tags.get(_MODEL) != run.record["model_sha256"]:
            self._send_model(run)
            self._send_tags({_MODEL: run.record["model_sha256"]})

    def _send_metrics(self, run: TrackedRun) -> None:
        from mlflow.entities import Metric

        client, now = self.experiment, int(time.time() * 1000)
        history = run.history()
        rows = [(step, name, value) for step, metrics in history for name, value in metrics.items()]
        rows += [(history[-1][0] if history else 0, name, value) for name, value in run.test_metrics().items()]
        there = {name: {metric.step for metric in client.get_metric_history(self.run_id, name)} for _, name, _ in rows}
        missing = [Metric(name, value, now, step) for step, name, value in rows if step not in there[name]]
        for first in range(0, len(missing), 1000):  # MLflow takes so many at once
            client.log_batch(self.run_id, metrics=missing[first : first + 1000])

    def _send_tags(self, tags: dict[str, str]) -> None:
        from mlflow.entities import RunTag

        self.experiment.log_batch(self.run_id, tags=[RunTag(name, value) for name, value in tags.items() if value])

    def _send_model(self, run: TrackedRun) -> None:
        import mlflow
        from mlflow.models import Model

        from .pyfunc import Predictions, signature

        try:
            model = run.model()
            outputs = declared(type(model))
            interface = model.interface if isinstance(model, ArrayTask) else None
            targets = interface.targets() if interface else {}
            if interface is None and outputs.item is None:
                raise ConfigError("its predict does not say what one input is")
        except ConfigError as error:
            log.info("MLflow has the files of %s, but no model to serve: %s", run.folder, error)
            return
        _silence()  # contexts inside of MLflow switch its messages on again
        with _without_search():
            Model.log(
                artifact_path=None,
                name="model",
                flavor=mlflow.pyfunc,
                run_id=self.run_id,
                registered_model_name=self._model_name,
                python_model=Predictions(),
                artifacts={"model": str(run.folder / MODEL)},
                code_paths=[str(folder) for folder in own_packages().values()],
                signature=signature(interface, outputs),
                input_example=run.examples(_EXAMPLES) if interface else None,
                pip_requirements=[f"{name}=={version(name).partition('+')[0]}" for name in _NEEDED],
                metadata={key: value for key, value in run.tags().items() if value} | targets,
            )


def _refuse_moved(client: "MlflowClient", experiment_name: str) -> None:
    """Refuse a local database of another folder: MLflow keeps absolute paths, and would write files there.

    Raises:
        TrackerError: the project was moved or copied since the experiment began.
    """
    if (experiment := client.get_experiment_by_name(experiment_name)) is None:
        return
    place = urlsplit(experiment.artifact_location)
    usual, own = ("mlruns", experiment.experiment_id), Path("mlruns", experiment.experiment_id).resolve()
    if place.scheme in ("", "file") and Path(place.path).parts[-2:] == usual and Path(place.path).resolve() != own:
        raise TrackerError(
            f"{experiment_name} keeps its files in {place.path}, but this project is now in {Path.cwd()}: "
            "docs/tracking.md says how to update MLflow; or choose another tracking.mlflow.experiment_name"
        )


def _goes_on(client: "MlflowClient", run_id: str) -> bool:
    """Have MLflow show an earlier run as running again, or warn that it does not have it any more."""
    from mlflow.exceptions import MlflowException

    try:
        active = client.get_run(run_id).info.lifecycle_stage == "active"
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        active = False
    if active:
        client.update_run(run_id, status="RUNNING")
    else:
        log.warning("MLflow no longer has run %s: it gets a new one", run_id)
    return active


def _parent(client: "MlflowClient", experiment_name: str, sweep: Path) -> str:
    """Return the run that the runs of a sweep have as their parent; the first of them makes it."""
    with FileLock(sweep / ".tracking.lock"):
        experiment = client.get_experiment_by_name(experiment_name)
        number = experiment.experiment_id if experiment else client.create_experiment(experiment_name)
        found = client.search_runs([number], f"tags.{_SWEEP} = '{sweep}'", max_results=1)
        if found:
            return found[0].info.run_id
        parent = client.create_run(number, tags={_SWEEP: str(sweep), "mlflow.runName": str(sweep)})
        client.set_terminated(parent.info.run_id)
        return parent.info.run_id


@contextmanager
def _without_search() -> Iterator[None]:
    """Spare a model a look into all installed packages: its requirements have the versions that are installed.

    MLflow has no setting for it. It asks which package each module is of, only to compare versions, and reads the list
    of files of every package for that: most of the time that logging a model takes.
    """
    from mlflow.utils import requirements_utils as requirements

    before = requirements._MODULES_TO_PACKAGES
    requirements._MODULES_TO_PACKAGES = {name: [name] for name in _NEEDED}
    try:
        yield
    finally:
        requirements._MODULES_TO_PACKAGES = before


def _silence() -> None:
    """Keep MLflow from telling of each new database and registered version. Its errors are raised."""
    from mlflow.utils.logging_utils import disable_logging

    disable_logging()


@contextmanager
def _alone(address: str) -> Iterator[None]:
    """Keep others out while a local database is made: two processes that make it at once both fail.

    Raises:
        Timeout: another process keeps this one out for too long.
    """
    if (path := _database(address)) is None:
        yield
        return
    lock = FileLock(f"{path}.lock")
    try:
        lock.acquire(timeout=1)
    except Timeout:
        log.info("another process holds %s: waiting for it, at most %d seconds", lock.lock_file, _PATIENCE)
        lock.acquire(timeout=_PATIENCE)
    try:
        yield
    finally:
        lock.release()


def _refuse_unusable(address: str) -> None:
    """Refuse a local database that cannot be written. MLflow itself tries again for a minute.

    Raises:
        sqlite3.Error: it is locked, damaged or write-protected.
    """
    path = _database(address)
    if path is None or not Path(path).exists():
        return
    with closing(sqlite3.connect(path, timeout=_LOCKED, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("SELECT count(*) FROM sqlite_master")
        database.execute("ROLLBACK")


def _database(address: str) -> str | None:
    """Return the file of a local database, or None where the address is of something else."""
    prefix = "sqlite:///"
    return address.removeprefix(prefix).partition("?")[0] or None if address.startswith(prefix) else None
