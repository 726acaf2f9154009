"""A finished run, loaded to predict with the settings that it was trained and tested with."""

from pathlib import Path
from typing import Any

from ..models.interface import Interface
from ..models.outputs import declared
from ..names import CONFIG, MODEL
from ..runs.completed import CompletedRun
from ..runs.inputs import refuse_changed
from ..training.determinism import apply, pin_environment


class Predictor:
    """The model of a run, on the device and in the precision of its test. Use it from one thread.

    Args:
        folder: of the run.

    Raises:
        UserError: the run is missing or not finished, the model is not the one in the record, or its task does
            not say what it predicts.
    """

    def __init__(self, folder: str | Path) -> None:
        run = read(Path(folder))
        self.record, self.config = run.record, run.config
        refuse_changed(self.record["inputs"], self.config.inputs)
        pin_environment(self.config.reproducibility)

        # torch and NumPy are imported here, when what they read from the environment is set
        from ..models.array_task import ArrayTask
        from ..models.saved import load_model
        from ..training.trainer import build_tester
        from .inputs import declared as takes
        from .inputs import of_arrays

        apply(self.config.reproducibility)
        self._tester = build_tester(self.config)
        model, description = load_model(run.folder / MODEL)
        self.outputs = declared(type(model))
        self.interface = Interface.of(description) if isinstance(model, ArrayTask) else None
        self.inputs = of_arrays(self.interface) if self.interface else takes(self.outputs.item, type(model))
        model = self._tester.precision_plugin.convert_module(model)  # type: ignore[assignment]
        self._predict: Any = model.to(self._tester.strategy.root_device).eval().predict

    @property
    def model_sha256(self) -> str:
        """The SHA-256 of the model file."""
        return self.record["model_sha256"]

    def predict(self, inputs: Any) -> list[dict[str, Any]]:
        """Return what the task says of each example.

        Args:
            inputs: a list of what the task declares to take. Of prepared arrays examples as stored, of the shape
                (n, *input_shape): an array, a tensor, or lists in lists, with None or NaN for a missing number.

        Raises:
            DataError: examples of prepared arrays have another shape, or numbers that their type cannot hold.
        """
        import torch

        from .inputs import stored

        batch: Any = inputs
        if self.interface is not None:
            numbers = torch.from_numpy(stored(self.interface, inputs))
            batch = self._tester.precision_plugin.convert_input(numbers.to(self._tester.strategy.root_device))
        with torch.inference_mode(), self._tester.precision_plugin.forward_context():
            return self._predict(batch)


def read(folder: Path) -> CompletedRun:
    """Return a finished run whose model and configuration are the recorded ones; torch is not loaded.

    Raises:
        RecordError: there is none, it is not finished, or one of its files is missing or not the recorded one.
    """
    return CompletedRun.read(folder, needs=(CONFIG, MODEL))
