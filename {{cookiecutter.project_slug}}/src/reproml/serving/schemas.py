"""What is sent to the model and what it answers: types that are checked, and that the OpenAPI page shows."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError, create_model
from pydantic_core import ErrorDetails

from ..models.interface import Interface
from ..models.outputs import Outputs
from .inputs import Inputs


class Problem(BaseModel):
    """What is wrong with a request."""

    detail: str


class Health(BaseModel):
    """Whether the model is loaded."""

    status: str


def prediction_type(outputs: Outputs) -> Any:
    """Return the type of the answer for one example, whose numbers are finite: what the task declares."""
    types: dict[str, Any] = {
        output.name: (output.type, ...) if output.always else (output.type | None, None) for output in outputs.fields
    }
    finite = ConfigDict(allow_inf_nan=False)
    return create_model("Prediction", __doc__=outputs.doc, __config__=finite, **types) if types else dict[str, Any]


def predictions_type(outputs: Outputs, interface: Interface | None) -> type[BaseModel]:
    """Return the type of an answer: `predictions`, with what the task declares, and the quantity where it is one."""
    prediction: Any = prediction_type(outputs)
    quantity: dict[str, Any] = {}
    if interface is not None and interface.target is not None:
        quantity["target"] = (str, Field(description="what is predicted"))
        quantity["unit"] = (str | None, Field(description="in which unit"))
    return create_model(
        "Predictions",
        __doc__="The answers, in the order of the examples.",
        model_sha256=(str, Field(description="of the model file that answered")),
        **quantity,
        predictions=(list[prediction], ...),
    )


def examples_type(interface: Interface | None) -> type[BaseModel]:
    """Return the type of test examples."""
    target = interface.target if interface is not None else None
    actual = str if target is None else float
    example = create_model(
        "Example",
        __doc__="One example of the test data.",
        actual=(actual, Field(description=f"its true {target or 'class'}")),
        inputs=(list[Any], Field(description="as input of /predict")),
    )
    return create_model(
        "Examples",
        __doc__=f"{chosen(interface)[0].upper()}{chosen(interface)[1:]}.",
        examples=(list[example], ...),  # type: ignore[valid-type]
        missing=(str | None, Field(description="why there are none")),
    )


def chosen(interface: Interface | None) -> str:
    """Return which test examples are shown."""
    if interface is None:
        return "no test example, since only prepared arrays have some"
    return (
        "one test example of each class" if interface.target is None else f"test examples by their {interface.target}"
    )


def inputs_type(inputs: Inputs, most: int) -> type[BaseModel]:
    """Return the type of a request: `inputs`, a list of 1 to `most` examples."""
    list_of_them = Field(min_length=1, max_length=most, description=inputs.words)
    examples = Annotated[list[inputs.item], list_of_them, FailFast()]  # type: ignore[name-defined]
    return create_model("Inputs", __config__=ConfigDict(extra="forbid"), inputs=(examples, ...))


def first_fault(error: ValidationError) -> ErrorDetails:
    """Return the first place that is wrong and why, without the input, which may be private."""
    return error.errors(include_url=False, include_input=False)[0]


def explain(error: ValidationError, words: str) -> str:
    """Return one sentence: the first place that is wrong, why, and what to send."""
    first = first_fault(error)
    place = "".join(f"[{part}]" if isinstance(part, int) else str(part) for part in first["loc"]) or "the body"
    return f"{place}: {first['msg']}; send an object whose key `inputs` is a list of examples, {words}"


def not_finite(error: ValidationError) -> str | None:
    """Return for which input an answer is infinite or no number; None where something else is wrong."""
    first = first_fault(error)
    return f"inputs[{first['loc'][1]}]" if first["type"] == "finite_number" else None
