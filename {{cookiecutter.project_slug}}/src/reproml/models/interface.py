"""What goes into a model and what comes out, in plain types. It is written into the model file."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Self


@dataclass(frozen=True)
class Interface:
    """Inputs and targets of prepared arrays.

    Args:
        input_shape: of one input: (channels, height, width) of images, (features,) of tables.
        input_dtype: its number type, as it is stored.
        classes: names of the classes, where a target is the number of one.
        target: what a target measures, where it is a quantity.
        unit: of the quantity, where it has one.
        missing: whether a number of an input may be NaN, which stands for a missing one.
        features: names of the columns of a table, where they are known.

    Example, of a table of ten columns that predicts a price:

        Interface(input_shape=(10,), input_dtype="float32", target="price", unit="EUR")
    """

    input_shape: tuple[int, ...]
    input_dtype: str
    classes: tuple[str, ...] | None = None
    target: str | None = None
    unit: str | None = None
    missing: bool = False
    features: tuple[str, ...] | None = None

    @property
    def outputs(self) -> int:
        """How many numbers a network gives for an input: one for each class, or the quantity."""
        return 1 if self.classes is None else len(self.classes)

    @property
    def kind(self) -> str | None:
        """What a model does, as the Hugging Face Hub calls it; None: it has no word for a quantity of an image."""
        if len(self.input_shape) == 3:
            return None if self.classes is None else "image-classification"
        return "tabular-regression" if self.classes is None else "tabular-classification"

    def shown(self, target: float) -> str | float:
        """Return a target as people read it: the name of its class, or the quantity."""
        return target if self.classes is None else self.classes[int(target)]

    def targets(self) -> dict[str, Any]:
        """Describe a target for JSON: the names of the classes, or the quantity and its unit."""
        return {name: value for name, value in self.described().items() if name in ("classes", "target", "unit")}

    @classmethod
    def of(cls, description: dict[str, Any]) -> Self:
        """Return the interface that a model file describes."""
        known = {item.name: description[item.name] for item in fields(cls) if item.name in description}
        lists = {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
        return cls(**{**known, **lists})

    def described(self) -> dict[str, Any]:
        """Describe it for JSON."""
        given = {name: value for name, value in asdict(self).items() if value is not None and value is not False}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
