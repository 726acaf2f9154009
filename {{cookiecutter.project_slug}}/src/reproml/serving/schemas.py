"""What is sent to the model and what it answers: types that are checked, and that the OpenAPI page shows."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError, create_model


class Prediction(BaseModel):
    """The answer for one example."""

    predicted: str = Field(description="the most probable class")
    probability: float = Field(description="its probability")
    probabilities: dict[str, float] = Field(description="of every class")


class Predictions(BaseModel):
    """The answers, in the order of the examples."""

    model_sha256: str = Field(description="of the model file that answered")
    predictions: list[Prediction]


class Example(BaseModel):
    """One example of the test data."""

    actual: str = Field(description="its true class")
    inputs: list[Any] = Field(description="as /predict wants it")


class Examples(BaseModel):
    """One test example of each class."""

    examples: list[Example]
    missing: str | None = Field(description="why there are none")


class Problem(BaseModel):
    """What is wrong with a request."""

    detail: str


class Health(BaseModel):
    """Whether the model is loaded."""

    status: str


def inputs_type(shape: Sequence[int], dtype: str, most: int) -> type[BaseModel]:
    """Return the type of a request: `inputs`, a list of 1 to `most` examples.

    Args:
        shape: of one example, which is written as lists in lists.
        dtype: of the stored inputs; a number has to be one that it can hold.
        most: examples of one request.
    """
    item: Any = _number(np.dtype(dtype))
    for length in reversed(shape):
        item = Annotated[list[item], Field(min_length=length, max_length=length), FailFast()]
    examples = Annotated[list[item], Field(min_length=1, max_length=most, description=_words(shape, dtype)), FailFast()]
    return create_model("Inputs", __config__=ConfigDict(extra="forbid"), inputs=(examples, ...))


def explain(error: ValidationError, shape: Sequence[int], dtype: str) -> str:
    """Return one sentence: the first place that is wrong, why, and what to send."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else str(part) for part in first["loc"]) or "the body"
    return f"{place}: {first['msg']}; send an object whose key `inputs` is a list of examples, {_words(shape, dtype)}"


def _number(dtype: np.dtype) -> Any:
    if dtype.kind == "f":
        largest = float(np.finfo(dtype).max)
        return Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-largest, le=largest)]
    bounds = np.iinfo(dtype)
    return Annotated[int, Field(strict=True, ge=int(bounds.min), le=int(bounds.max))]


def _words(shape: Sequence[int], dtype: str) -> str:
    kind = np.dtype(dtype)
    numbers = "numbers" if kind.kind == "f" else f"whole numbers from {np.iinfo(kind).min} to {np.iinfo(kind).max}"
    if len(shape) == 1:
        return f"each example a list of {shape[0]} {numbers}"
    return f"each example lists in lists of the shape {' x '.join(map(str, shape))}, of {numbers}"
