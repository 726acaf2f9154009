"""A task as an ONNX model, and how far the outputs of both are apart."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
import torch
from lightning import LightningModule
from onnx import helper

from ..errors import ConfigError
from .captured import Inputs, name_of

_LARGEST = 2**31 - 2**20  # bytes that one protobuf file can hold, less some for the graph


def convert(task: LightningModule, calls: Sequence[Inputs]) -> Any:
    """Return the ONNX model of a task's forward.

    The first dimension of each input is the batch. Another one is free too where the calls have several sizes of it.
    Nothing in the model says where the code lies.

    Args:
        task: with its weights, on the processor, to be evaluated.
        calls: the inputs of its forward, at least of one call.

    Raises:
        ConfigError: it cannot be exported.
    """
    tensors = task.state_dict().values()
    if sum(tensor.nbytes for tensor in tensors) > _LARGEST:
        raise ConfigError(f"the weights of {name_of(task)} are larger than the 2 GiB that one ONNX file can hold")
    # twice, because a batch of one would be taken for a constant
    example = {name: torch.cat([tensor, tensor]) for name, tensor in calls[0].items()}
    batch = torch.export.Dim("batch")
    shapes = {name: {0: batch, **dict.fromkeys(_free(name, calls), torch.export.Dim.AUTO)} for name in example}
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)  # otherwise it names packages that are not installed
    try:
        with torch.no_grad():
            outputs = list(named(task(**example)))
            program: Any = torch.onnx.export(
                task,
                kwargs=example,
                dynamo=True,
                dynamic_shapes=shapes,
                input_names=list(example),
                output_names=outputs,
                verbose=False,
            )
        model = program.model_proto
    except ConfigError:
        raise
    except Exception as error:  # of any class, from what the task calls
        raise ConfigError(
            f"{name_of(task)} cannot be exported to ONNX ({_reason(error)}): let forward compute with tensors only"
        ) from error
    finally:
        log.setLevel(before)
    _forget_places(model)
    return model


def largest_difference(task: LightningModule, model: bytes, calls: Sequence[Inputs], tolerance: float) -> float:
    """Return the largest difference between the outputs of an ONNX model and those of the task.

    Args:
        task: that was exported.
        model: the ONNX model.
        calls: what both are given.
        tolerance: how far an output y may be off: by tolerance x (1 + |y|).

    Raises:
        ConfigError: an output is further off, or ONNX Runtime cannot run the model.
    """
    try:
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    except Exception as error:  # of its own classes
        raise ConfigError(f"ONNX Runtime cannot load {name_of(task)} ({_reason(error)})") from error
    largest = 0.0
    for call in calls:
        try:
            with torch.no_grad():
                expected = {name: tensor.numpy() for name, tensor in named(task(**call)).items()}
            given = {name: tensor.numpy() for name, tensor in call.items()}
            found = dict(zip(expected, session.run(list(expected), given), strict=True))
        except Exception as error:
            raise ConfigError(
                f"ONNX Runtime cannot run {name_of(task)} on a batch of its test ({_reason(error)})"
            ) from error
        for name, value in expected.items():
            difference = _difference(found[name], value)
            # written the other way around, NaN would pass
            if not (difference <= tolerance * (1 + np.abs(value.astype(np.float64)))).all():
                raise ConfigError(
                    f"{name} of the exported model is off by {np.max(difference):.1e}, more than --tolerance "
                    f"{tolerance:g} allows: nothing is written"
                )
            largest = max(largest, float(np.max(difference, initial=0.0)))
    return largest


def named(outputs: Any) -> dict[str, torch.Tensor]:
    """Return what forward returns, by name: `outputs`, numbered if there are several, or the keys of a dictionary.

    Raises:
        ConfigError: it is not made of tensors.
    """
    found = {"outputs": outputs}
    if isinstance(outputs, Mapping):
        found = {str(name): value for name, value in outputs.items() if value is not None}
    elif isinstance(outputs, list | tuple):
        found = {f"outputs_{number}": value for number, value in enumerate(outputs)}
    for name, value in found.items():
        if not isinstance(value, torch.Tensor):
            raise ConfigError(
                f"forward returns {name} as {type(value).__name__}, but an exported model returns only tensors: return "
                "a tensor, or a tuple or dictionary of tensors"
            )
    return found


def scale(task: LightningModule) -> dict[str, str]:
    """Return the mean and deviation of the quantity that a task on prepared arrays predicts, with all digits.

    The outputs of its forward are multiples of the deviation above the mean.
    """
    found = {name: getattr(task, name, None) for name in ("target_mean", "target_std")}
    return {name: repr(value.item()) for name, value in found.items() if isinstance(value, torch.Tensor)}


def shape(values: Any) -> str:
    """Return the inputs or outputs of a graph in words, as in `inputs float[batch, 10]`."""
    words = []
    for value in values:
        tensor = value.type.tensor_type
        kind = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type)).name
        sizes = ", ".join(size.dim_param or str(size.dim_value) for size in tensor.shape.dim)
        words.append(f"{value.name} {kind}[{sizes}]")
    return ", ".join(words)


def release() -> str:
    """Return the version of ONNX Runtime."""
    return str(onnxruntime.__version__)


def _free(name: str, calls: Sequence[Inputs]) -> list[int]:
    """Return the dimensions of an input, after the first, that have several sizes."""
    shapes = {tuple(call[name].shape[1:]) for call in calls if name in call}
    return [place + 1 for place, sizes in enumerate(zip(*shapes, strict=False)) if len(set(sizes)) > 1]


def _difference(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return absolute differences; two NaNs, or two equal infinities, do not differ."""
    with np.errstate(invalid="ignore"):
        difference = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    return np.where((found == expected) | (np.isnan(found) & np.isnan(expected)), 0.0, difference)


def _forget_places(model: Any) -> None:
    """Remove the exporter's notes, which name files on this machine, from all graphs of a model."""
    model.graph.ClearField("metadata_props")
    graphs = [model.graph, *model.functions]
    while graphs:
        for node in graphs.pop().node:
            node.ClearField("metadata_props")
            node.ClearField("doc_string")
            for attribute in node.attribute:
                graphs += [attribute.g, *attribute.graphs]


def _reason(error: BaseException) -> str:
    """Return the first line of the cause of an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".:") if lines else type(error).__name__
