"""Lightning loggers for the trackers that `configs/tracking` names."""

import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from lightning.pytorch.loggers import Logger, MLFlowLogger
from lightning.pytorch.utilities import rank_zero_only

from ..files import write_json

log = logging.getLogger(__name__)

_IDS = "tracking.json"
# How a tracker is told to go on with a run. TensorBoard needs nothing: it adds a file to its folder in the run folder.
_GO_ON: dict[str, Callable[[str], dict[str, str]]] = {
    "mlflow": lambda run: {"run_id": run},
    "wandb": lambda run: {"id": run, "resume": "allow"},
}


def build_loggers(trackers: dict[str, Any], public_config: dict[str, Any], folder: Path) -> list[Logger]:
    """Start the configured trackers and give each the configuration, which holds no secret.

    A run that goes on in its `folder` goes on in the trackers' runs too.
    """
    path = folder / _IDS
    earlier = json.loads(path.read_text()) if path.exists() else {}
    loggers: dict[str, Logger] = {}
    for name, tracker in trackers.items():
        arguments = _GO_ON[name](earlier[name]) if name in _GO_ON and name in earlier else {}
        try:
            loggers[name] = instantiate(tracker, **arguments)
            loggers[name].log_hyperparams(public_config)
        except Exception as error:
            if not arguments:
                raise
            log.warning("%s does not have run %s any more (%s): a new one begins there", name, earlier[name], error)
            loggers[name] = instantiate(tracker)
            loggers[name].log_hyperparams(public_config)
    _note_runs({name: str(loggers[name].version) for name in loggers if name in _GO_ON}, path)
    return list(loggers.values())


@rank_zero_only
def _note_runs(runs: dict[str, str], path: Path) -> None:
    if runs:
        write_json(path, runs)


def log_results(loggers: Sequence[Logger], metrics: dict[str, float | int]) -> None:
    """Give the metrics of the test to the trackers."""
    for logger in loggers:
        logger.log_metrics({f"test/{name}": value for name, value in metrics.items()})


def mlflow(experiment_name: str, store: str, run_id: str | None = None) -> MLFlowLogger:
    """Return MLflow's logger.

    Args:
        experiment_name: groups the runs.
        store: address of the store, used unless the environment variable MLFLOW_TRACKING_URI names another. The
            variable is read here and not in configs/, because an address can hold a password.
        run_id: the run that is gone on with; None: a new one.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    return MLFlowLogger(experiment_name, tracking_uri=os.environ.get("MLFLOW_TRACKING_URI") or store, run_id=run_id)
