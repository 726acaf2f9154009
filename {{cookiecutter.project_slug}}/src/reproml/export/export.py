"""Export the model of a finished run: convert it, compare it, and write it with its origin."""

import json
from importlib.util import find_spec
from pathlib import Path

from ..errors import ConfigError
from ..files import file_digest, write_bytes
from ..names import MODEL, ONNX
from ..packages import extra
from ..runs.completed import CompletedRun
from ..runs.inputs import refuse_changed
from ..training.determinism import apply, pin_environment

_NEEDED = ("onnxruntime", "onnxscript")


def export(folder: Path, output: Path | None, tolerance: float) -> list[str]:
    """Write a run's model as ONNX, and return lines that say what it takes and how exact it is.

    The file is written only if ONNX Runtime gives the outputs of the run's own model on its test inputs. The metadata
    hold the digests of the weights, the description of the model, and the result of that check.

    Args:
        folder: of the run.
        output: the file; None: `model.onnx` in the folder of the run.
        tolerance: how far an output y may be off: by tolerance x (1 + |y|).

    Raises:
        ConfigError: a package is missing, the model cannot be exported, or its outputs are further off.
        UserError: the run is not finished, or its data is missing.
    """
    place = output or folder / ONNX
    if place.suffix != ".onnx":
        raise ConfigError(f"--output {place} does not end with .onnx: give a name that does")
    _refuse_missing()
    run = CompletedRun.named(folder, needs=[MODEL])
    refuse_changed(run.record["inputs"], run.config.inputs)
    pin_environment(run.config.reproducibility)

    # imports torch and NumPy, so only once the environment that they read is set
    from ..models.saved import load_model
    from .captured import captured
    from .onnx_file import convert, largest_difference, release, scale, shape

    apply(run.config.reproducibility)
    calls = captured(run, run.config)
    task, description = load_model(folder / MODEL)
    task.eval()
    model = convert(task, calls)
    difference = largest_difference(task, model.SerializeToString(), calls, tolerance)
    checked = {"runtime": release(), "batches": len(calls), "largest_difference": difference, "tolerance": tolerance}
    facts = {
        "weights_sha256": run.record["weights_sha256"],
        "model_sha256": run.record["model_sha256"],
        "description": json.dumps(description, sort_keys=True),
        "checked": json.dumps(checked),
        **scale(task),
    }
    for key, value in facts.items():
        model.metadata_props.add(key=key, value=value)
    write_bytes(place, model.SerializeToString(deterministic=True))
    return [
        f"{place}: {shape(model.graph.input)} -> {shape(model.graph.output)}",
        f"weights {facts['weights_sha256'][:12]}, file {file_digest(place)[:12]}",
        f"ONNX Runtime {release()} on {len(calls)} batches of the test: largest difference {difference:.1e}, "
        f"tolerance {tolerance:g}",
    ]


def _refuse_missing() -> None:
    """Refuse to begin without the packages of the extra `onnx`."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        pins = {pin.partition("==")[0]: pin for pin in extra("onnx")}
        adding = " and ".join(f"make add PACKAGE={pins.get(name, f'{name}==VERSION')}" for name in missing)
        raise ConfigError(f"an export needs {' and '.join(missing)}, which are not installed: {adding}")
