"""The model as `mlflow.pyfunc` loads it: inputs in, what its task says of each out.

Inputs of prepared arrays are an array, as stored. Those of a task of the user's own are the column `inputs` of a table.
"""

from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import numpy as np
import torch
from mlflow.models import ModelSignature
from mlflow.pyfunc.model import PythonModel
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import AnyType, Array, Map, Object, Property
from pydantic import TypeAdapter
from typing_extensions import get_type_hints, is_typeddict

from ..models.array_task import ArrayTask
from ..models.interface import Interface
from ..models.outputs import Outputs, declared
from ..models.saved import load_model

INPUTS = "inputs"  # the column with the inputs of a task of the user's own; the server calls them so, too
_TYPES = {str: DataType.string, float: DataType.double, int: DataType.long, bool: DataType.boolean}


class Predictions(PythonModel):  # type: ignore[misc]  # mypy does not see MLflow: pyproject.toml
    """Applies the model on the processor, in the precision of its weights."""

    def load_context(self, context: Any) -> None:
        """Load the weights. MLflow runs the code of any model that it loads, so the network is trusted too."""
        model = load_model(Path(context.artifacts["model"]), trusted=True)[0].eval()
        self._predict: Any = model.predict
        self._item = None if isinstance(model, ArrayTask) else declared(type(model)).item

    def predict(self, context: Any, model_input: np.ndarray, params: Any = None) -> list[dict[str, Any]]:
        """Return what the task declares for each of the inputs: of arrays (n, *input_shape), of others a column."""
        with torch.inference_mode():
            if self._item is None:
                return self._predict(torch.from_numpy(np.asarray(model_input)))
            column: Any = model_input[INPUTS]  # of a DataFrame, which MLflow asks no type for
            given = [each.tolist() if isinstance(each, np.ndarray) else each for each in column]
            asked: Any = list[self._item]  # type: ignore[name-defined]
            return self._predict(TypeAdapter(asked).validate_python(given))


def signature(interface: Interface | None, outputs: Outputs) -> ModelSignature:
    """Return MLflow's words for what goes in and what the task declares to come out.

    Args:
        interface: of prepared arrays; None: the task declares what it takes.
        outputs: what it declares.
    """
    if interface is not None:
        inputs: Any = TensorSpec(np.dtype(interface.input_dtype), (-1, *interface.input_shape))
    else:
        inputs = ColSpec(_type(outputs.item), INPUTS)
    columns = [ColSpec(_type(output.type), output.name, output.always) for output in outputs.fields]
    return ModelSignature(Schema([inputs]), Schema(columns) if columns else None)


def _type(kind: Any) -> Any:
    """Return MLflow's type for a number, a text, or what is made of them; for others that it may be any."""
    if is_typeddict(kind):
        hints = get_type_hints(kind)
        return Object([Property(name, _type(hint), name in kind.__required_keys__) for name, hint in hints.items()])
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is list:
        return Array(_type(arguments[0]))
    if origin is dict and arguments[0] is str:
        return Map(_type(arguments[1]))
    return _TYPES.get(kind, AnyType())
