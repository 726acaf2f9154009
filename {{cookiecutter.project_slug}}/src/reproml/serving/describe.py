"""What `/model` says, from the record of the run."""

import tomllib
from pathlib import Path
from typing import Any

from .limits import Limits
from .predictor import Predictor


def model(predictor: Predictor, limits: Limits) -> dict[str, Any]:
    """Return version, digests, data, inputs, what is predicted, metrics and limits, in plain types."""
    record = predictor.record
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "project": {"name": project["name"], "version": project["version"]},
        "git": record["git"] and {key: record["git"][key] for key in ("commit", "dirty")},
        "trained": record["sessions"][-1]["ended"],
        "reproducibility": record["reproducibility"],
        "model_sha256": record["model_sha256"],
        "weights_sha256": record["weights_sha256"],
        "data": record["data"],
        "network": record["config"]["model" if predictor.interface else "task"],
        "inputs": predictor.inputs.described | {"blank": predictor.inputs.blank},
        **(predictor.interface.targets() if predictor.interface else {}),
        "metrics": record["metrics"],
        "limits": {"examples": limits.examples, "bytes": limits.size},
    }
