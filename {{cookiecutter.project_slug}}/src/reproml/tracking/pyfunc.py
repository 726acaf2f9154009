"""The model as `mlflow.pyfunc` loads it: inputs as stored in, probabilities out."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlflow.pyfunc.model import PythonModel

from ..models.saved import load_model


class Predictions(PythonModel):  # type: ignore[misc]  # mypy does not see MLflow: pyproject.toml
    """Applies the model on the processor, in the precision of its weights."""

    def load_context(self, context: Any) -> None:
        """Load the weights. MLflow runs the code of any model that it loads, so the network is trusted too."""
        self._model = load_model(Path(context.artifacts["model"]), trusted=True)[0].eval()

    def predict(self, context: Any, model_input: np.ndarray, params: Any = None) -> np.ndarray:
        """Return the probability of each class, shape (n, classes), for inputs of the shape (n, *input_shape)."""
        with torch.inference_mode():
            return self._model.infer(torch.from_numpy(np.asarray(model_input))).double().softmax(1).numpy()
