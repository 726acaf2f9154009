"""Lightning loggers for the trackers that `configs/tracking` names."""

import os
from collections.abc import Sequence
from typing import Any

from hydra.utils import instantiate
from lightning.pytorch.loggers import Logger, MLFlowLogger


def build_loggers(trackers: dict[str, Any], public_config: dict[str, Any]) -> list[Logger]:
    """Start the configured trackers and give each the configuration, which holds no secret."""
    loggers: list[Logger] = [instantiate(tracker) for tracker in trackers.values()]
    for logger in loggers:
        logger.log_hyperparams(public_config)
    return loggers


def log_results(loggers: Sequence[Logger], metrics: dict[str, float | int]) -> None:
    """Give the metrics of the test to the trackers."""
    for logger in loggers:
        logger.log_metrics({f"test/{name}": value for name, value in metrics.items()})


def mlflow(experiment_name: str, store: str) -> MLFlowLogger:
    """Return MLflow's logger.

    Args:
        experiment_name: groups the runs.
        store: address of the store, used unless the environment variable MLFLOW_TRACKING_URI names another. The
            variable is read here and not in configs/, because an address can hold a password.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    return MLFlowLogger(experiment_name, tracking_uri=os.environ.get("MLFLOW_TRACKING_URI") or store)
