"""What the targets of prepared arrays are: the numbers of classes, or a quantity.

Whatever depends on that is asked here, by every room: so this imports none of them, and nothing heavy.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from ..errors import ConfigError

_ROUNDING = ("16-true", "bf16-true")  # of trainer.precision: batches are converted to that type


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What a target is.

    Args:
        classes: names of the classes, where a target is the number of one.
        target: what a target measures, where it is a quantity.
        unit: of the quantity, where it has one.
    """

    classes: tuple[str, ...] | None = None
    target: str | None = None
    unit: str | None = None

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> Self:
        """Return what a description from `described` or a configuration says; other keys are ignored."""
        known = {item.name: description[item.name] for item in fields(cls) if item.name in description}
        lists = {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
        return cls(**{**known, **lists})

    @property
    def are(self) -> str:
        """What they are: `classes` or `quantity`, as `ArrayTask.learns` says it."""
        return "quantity" if self.classes is None else "classes"

    @property
    def words(self) -> str:
        """The same for people."""
        return f"targets are {self.target}" if self.classes is None else f"{len(self.classes)} classes"

    @property
    def one(self) -> str:
        """What one target is."""
        return "one number" if self.classes is None else "the number of a class"

    @property
    def outputs(self) -> int:
        """How many numbers a network gives for an input: one for each class, or the quantity."""
        return 1 if self.classes is None else len(self.classes)

    @property
    def dtype(self) -> str:
        """The number type of a target, as it is stored."""
        return "float32" if self.classes is None else "int64"

    @property
    def standardized(self) -> bool:
        """Whether a task needs the mean and the deviation of the training targets."""
        return self.classes is None

    def shown(self, target: float) -> str | float:
        """Return a target as people read it: the name of its class, or the quantity."""
        return target if self.classes is None else self.classes[int(target)]

    def targets(self) -> dict[str, Any]:
        """Describe a target for JSON: the names of the classes, or the quantity and its unit."""
        return Targets.of(asdict(self)).described()

    def described(self) -> dict[str, Any]:
        """Describe all of it for JSON."""
        given = {name: value for name, value in asdict(self).items() if value is not None and value is not False}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}

    def settings(self) -> dict[str, Any]:
        """Return the settings that the stored targets depend on."""
        return {"classes": None, "target": self.target} if self.classes is None else {"classes": list(self.classes)}

    def hub_task(self, inputs: str) -> str | None:
        """Return what a model does, in the Hugging Face Hub's terms; None: it has none for that.

        Args:
            inputs: `image` or `tabular`.
        """
        if self.classes is None:
            return "tabular-regression" if inputs == "tabular" else None
        return f"{inputs}-classification"

    def check(self, split: str, precision: str) -> None:
        """Check what the group `data` says of its targets, alone and with other settings.

        Args:
            split: `data.split`.
            precision: `trainer.precision`.

        Raises:
            ConfigError: naming the keys, their values and the fix.
        """
        names = None if self.classes is None else list(self.classes)
        if (names is None) == (self.target is None):
            raise ConfigError(
                f"data.classes={names} and data.target={self.target}: give either the names of the classes or the name "
                "of the quantity, and leave the other null"
            )
        if names is not None and len(set(names)) < max(2, len(names)):
            raise ConfigError(f"data.classes={names} must name at least two classes, each once")
        if self.unit is not None and self.target is None:
            raise ConfigError(f"data.unit={self.unit} is the unit of data.target, which is null: set data.unit=null")
        if self.target is not None and split == "stratified":
            raise ConfigError(
                f"data.split=stratified gives each split the same share of every class, but data.target={self.target} "
                "is a quantity: choose split=random, as task=regression does"
            )
        if self.target is not None and precision in _ROUNDING:
            raise ConfigError(
                f"trainer.precision={precision} would round the targets, but data.target={self.target} is a quantity: "
                "choose 32-true or bf16-mixed"
            )

    def check_learned(self, learns: str | None, task: str, data: str) -> None:
        """Check that a task is for such targets.

        Args:
            learns: `ArrayTask.learns`.
            task: its class.
            data: `data.name`.

        Raises:
            ConfigError: it is for the others.
        """
        if learns in (None, self.are):
            return
        if learns == "classes":
            raise ConfigError(
                f"task._target_={task} classifies, but data={data} names none: set data.classes, or choose "
                "task=regression"
            )
        raise ConfigError(
            f"task._target_={task} predicts a quantity, but data={data} has classes: choose task=classification, or "
            "set data.target instead of data.classes"
        )
