"""The final model: weights as safetensors, with what is needed to build the network again."""

import json
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_only
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..errors import DataError
from ..files import write_bytes
from .classifier import Classifier, build_network


@rank_zero_only
def save_model(model: Classifier, description: dict[str, Any], path: Path) -> None:
    """Write the weights and their description. Equal models give equal bytes.

    Args:
        model: the trained model.
        description: plain types: `model` (its configuration), `input_shape` and `input_dtype` (of the stored inputs),
            and `classes` (their names).
        path: the file to write.
    """
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    # one key only: safetensors writes several keys in random order
    write_bytes(path, save(weights, metadata={"description": json.dumps(description, sort_keys=True)}))


def load_model(path: str | Path) -> tuple[Classifier, dict[str, Any]]:
    """Return the model and its description.

    Raises:
        DataError: there is no such file, or it is damaged.
    """
    try:
        with safe_open(path, framework="pt") as stream:
            description = json.loads(stream.metadata()["description"])
            weights = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 (not a dict)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; train a model first: python train.py") from error
    except (SafetensorError, TypeError, KeyError, ValueError) as error:
        raise DataError(
            f"{path} is not a model written by train.py, or is damaged ({error}); train it again"
        ) from error
    network = build_network(description["model"], description["input_shape"], len(description["classes"]))
    model = Classifier(network, torch.zeros_like(weights["mean"]), torch.ones_like(weights["std"]))
    model.load_state_dict(weights)
    return model, description
