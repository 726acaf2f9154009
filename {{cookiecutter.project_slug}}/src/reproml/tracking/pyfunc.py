"""The model as `mlflow.pyfunc` loads it: inputs as stored in, what its task says of each out."""

from pathlib import Path
from typing import Any, get_args, get_origin

import numpy as np
import torch
from mlflow.models import ModelSignature
from mlflow.pyfunc.model import PythonModel
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import AnyType, Array, Map

from ..models.interface import Interface
from ..models.outputs import Outputs
from ..models.saved import load_model

_TYPES = {str: DataType.string, float: DataType.double, int: DataType.long, bool: DataType.boolean}


class Predictions(PythonModel):  # type: ignore[misc]  # mypy does not see MLflow: pyproject.toml
    """Applies the model on the processor, in the precision of its weights."""

    def load_context(self, context: Any) -> None:
        """Load the weights. MLflow runs the code of any model that it loads, so the network is trusted too."""
        self._predict: Any = load_model(Path(context.artifacts["model"]), trusted=True)[0].eval().predict

    def predict(self, context: Any, model_input: np.ndarray, params: Any = None) -> list[dict[str, Any]]:
        """Return what the task declares for each of the inputs (n, *input_shape)."""
        with torch.inference_mode():
            return self._predict(torch.from_numpy(np.asarray(model_input)))


def signature(interface: Interface, outputs: Outputs) -> ModelSignature:
    """Return MLflow's words for what goes in and what the task declares to come out."""
    inputs = TensorSpec(np.dtype(interface.input_dtype), (-1, *interface.input_shape))
    columns = [ColSpec(_type(output.plain), output.name, output.always) for output in outputs.fields]
    return ModelSignature(Schema([inputs]), Schema(columns) if columns else None)


def _type(declared: Any) -> Any:
    """Return MLflow's type for a number, a text, or a list or dictionary of them; for others that it may be any."""
    origin, arguments = get_origin(declared), get_args(declared)
    if origin is list:
        return Array(_type(arguments[0]))
    if origin is dict and arguments[0] is str:
        return Map(_type(arguments[1]))
    return _TYPES.get(declared, AnyType())
