"""What is sent to the model and what it answers: types that are checked, and that the OpenAPI page shows."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError, create_model

from ..models.interface import Interface
from ..models.outputs import Outputs


class Problem(BaseModel):
    """What is wrong with a request."""

    detail: str


class Health(BaseModel):
    """Whether the model is loaded."""

    status: str


def predictions_type(outputs: Outputs, interface: Interface) -> type[BaseModel]:
    """Return the type of an answer: `predictions`, with what the task declares, and the quantity where it is one."""
    types: dict[str, Any] = {
        output.name: (output.type, ...) if output.always else (output.type | None, None) for output in outputs.fields
    }
    finite = ConfigDict(allow_inf_nan=False)
    prediction: Any = (
        create_model("Prediction", __doc__=outputs.doc, __config__=finite, **types) if types else dict[str, Any]
    )
    quantity: dict[str, Any] = {}
    if interface.target is not None:
        quantity["target"] = (str, Field(description="what is predicted"))
        quantity["unit"] = (str | None, Field(description="in which unit"))
    return create_model(
        "Predictions",
        __doc__="The answers, in the order of the examples.",
        model_sha256=(str, Field(description="of the model file that answered")),
        **quantity,
        predictions=(list[prediction], ...),
    )


def examples_type(interface: Interface) -> type[BaseModel]:
    """Return the type of test examples."""
    actual = float if interface.target is not None else str
    example = create_model(
        "Example",
        __doc__="One example of the test data.",
        actual=(actual, Field(description=f"its true {interface.target or 'class'}")),
        inputs=(list[Any], Field(description="as /predict wants it")),
    )
    return create_model(
        "Examples",
        __doc__=f"{chosen(interface)[0].upper()}{chosen(interface)[1:]}.",
        examples=(list[example], ...),  # type: ignore[valid-type]
        missing=(str | None, Field(description="why there are none")),
    )


def chosen(interface: Interface) -> str:
    """Return which test examples are shown."""
    return (
        "one test example of each class" if interface.target is None else f"test examples by their {interface.target}"
    )


def inputs_type(interface: Interface, most: int) -> type[BaseModel]:
    """Return the type of a request: `inputs`, a list of 1 to `most` examples.

    Args:
        interface: the shape of one example, which is written as lists in lists, and the type of the stored inputs; a
            number has to be one that it can hold. null stands for one that is missing.
        most: examples of one request.
    """
    item: Any = _number(np.dtype(interface.input_dtype))
    if interface.missing:
        item = item | None
    for length in reversed(interface.input_shape):
        item = Annotated[list[item], Field(min_length=length, max_length=length), FailFast()]
    examples = Annotated[list[item], Field(min_length=1, max_length=most, description=_words(interface)), FailFast()]
    return create_model("Inputs", __config__=ConfigDict(extra="forbid"), inputs=(examples, ...))


def explain(error: ValidationError, interface: Interface) -> str:
    """Return one sentence: the first place that is wrong, why, and what to send."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else str(part) for part in first["loc"]) or "the body"
    return f"{place}: {first['msg']}; send an object whose key `inputs` is a list of examples, {_words(interface)}"


def not_finite(error: ValidationError) -> str | None:
    """Return for which input an answer is infinite or no number; None where something else is wrong."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"inputs[{first['loc'][1]}]" if first["type"] == "finite_number" else None


def _number(dtype: np.dtype) -> Any:
    if dtype.kind == "f":
        largest = float(np.finfo(dtype).max)
        return Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-largest, le=largest)]
    bounds = np.iinfo(dtype)
    return Annotated[int, Field(strict=True, ge=int(bounds.min), le=int(bounds.max))]


def _words(interface: Interface) -> str:
    kind, shape = np.dtype(interface.input_dtype), interface.input_shape
    numbers = "numbers" if kind.kind == "f" else f"whole numbers from {np.iinfo(kind).min} to {np.iinfo(kind).max}"
    missing = ", or null where one is missing" if interface.missing else ""
    if len(shape) == 1:
        return f"each example a list of {shape[0]} {numbers}{missing}"
    return f"each example lists in lists of the shape {_across(shape)}, of {numbers}{missing}"


def _across(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
