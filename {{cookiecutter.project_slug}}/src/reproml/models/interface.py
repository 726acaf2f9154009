"""What goes into a model and what comes out, in plain types. It is written into the model file."""

from dataclasses import KW_ONLY, dataclass

from ..evaluation.targets import Targets


@dataclass(frozen=True)
class Interface(Targets):
    """Inputs and targets of prepared arrays.

    Args:
        input_shape: of one input: (channels, height, width) of images, (features,) of tables.
        input_dtype: its number type, as it is stored.
        missing: whether a number of an input may be NaN, which stands for a missing one.
        features: names of the columns of a table, where they are known.

    Example, of a table of ten columns that predicts a price:

        Interface(input_shape=(10,), input_dtype="float32", target="price", unit="EUR")
    """

    input_shape: tuple[int, ...]
    input_dtype: str
    _: KW_ONLY
    missing: bool = False
    features: tuple[str, ...] | None = None

    @property
    def kind(self) -> str | None:
        """What a model does, as the Hugging Face Hub calls it; None: it has no word for that."""
        return self.hub_task("image" if len(self.input_shape) == 3 else "tabular")
