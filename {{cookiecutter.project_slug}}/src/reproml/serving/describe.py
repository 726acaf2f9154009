"""What `/model` says, from the record of the run."""

import tomllib
from pathlib import Path
from typing import Any

from .limits import Limits
from .predictor import Predictor


def model(predictor: Predictor, limits: Limits) -> dict[str, Any]:
    """Return version, digests, data, inputs, what is predicted, metrics and limits, in plain types."""
    interface = predictor.interface
    inputs = {
        name.removeprefix("input_"): value
        for name, value in interface.described().items()
        if name in ("input_shape", "input_dtype", "missing", "features")
    }
    record = predictor.record
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "project": {"name": project["name"], "version": project["version"]},
        "git": record["git"] and {key: record["git"][key] for key in ("commit", "dirty")},
        "trained": record["sessions"][-1]["ended"],
        "promise": record["promise"],
        "model_sha256": record["model_sha256"],
        "weights_sha256": record["weights_sha256"],
        "data": record["data"],
        "network": record["config"]["model"],
        "inputs": inputs,
        **interface.targets(),
        "metrics": record["metrics"],
        "limits": {"examples": limits.examples, "bytes": limits.size},
    }
