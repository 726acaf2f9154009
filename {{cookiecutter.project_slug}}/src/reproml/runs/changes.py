"""What differs between the inputs of two runs, and how likely each difference is to change bits."""

import re
from dataclasses import dataclass
from typing import Any

# Where an input stands in the record -> what people call it. The order is that of likelihood, the most likely first.
_KINDS = (
    ("code.", "code"),
    ("config.seed", "seed"),
    ("data.raw.", "data"),
    ("data.", "data"),
    ("inputs.", "input"),
    ("config.", "configuration"),
    ("restored", "restored weights"),
    ("environment.torch.threads", "threads"),
    ("environment.torch.", "setting of PyTorch"),
    ("environment.packages.torch", "package"),
    ("environment.packages.numpy", "package"),
    ("environment.hash_randomization", "hash seed"),
    ("environment.variables.CUDA_VISIBLE_DEVICES", "GPU"),
    ("environment.variables.", "environment variable"),
    ("environment.gpu", "GPU"),
    ("environment.cpu.", "processor"),
    ("environment.python", "Python"),
    ("environment.packages.", "package"),
    ("environment.os.", "operating system"),
    ("locks.", "lock file"),
)
_GROUP = re.compile(r"^(environment\.(variables\.|packages\.)?|code\.|config\.|data\.|inputs\.|locks\.)")
_PROJECT = ("code", "seed", "data", "input", "configuration", "restored weights")
_MACHINE = ("processor", "GPU", "operating system", "lock file")
_MISSING = "not there"


@dataclass(frozen=True)
class Change:
    """One input that differs."""

    key: str
    before: Any
    after: Any

    @property
    def position(self) -> int:
        """The lower, the more likely it is the cause."""
        return next(number for number, (prefix, _) in enumerate(_KINDS) if self.key.startswith(prefix))

    @property
    def kind(self) -> str:
        """What people call it."""
        return _KINDS[self.position][1]

    @property
    def of_the_project(self) -> bool:
        """Whether it is another training, and not the same one in another place."""
        return self.kind in _PROJECT

    @property
    def of_the_machine(self) -> bool:
        """Whether it is not for the project to decide, such as the model of the processor."""
        return self.kind in _MACHINE

    def __str__(self) -> str:
        name = _GROUP.sub("", self.key)
        if self.kind in ("code", "data", "input", "lock file"):
            state = {self.before: "was added", self.after: "was removed"}.get(_MISSING, "changed")
            digests = f", digest {self.before[:12]} -> {self.after[:12]}"
            return f"{self.kind}: {name} {state}{digests if (self.kind, state) == ('input', 'changed') else ''}"
        return f"{self.kind}: {name} {_difference(self.before, self.after)}"


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """Return what differs between two nested dictionaries, the most likely cause first."""
    first, second = _flat(before), _flat(after)
    keys = [key for key in {**first, **second} if first.get(key, _MISSING) != second.get(key, _MISSING)]
    found = [Change(key, first.get(key, _MISSING), second.get(key, _MISSING)) for key in keys]
    # a setting stands before those that follow it, as training.lr before training.optimizer.lr
    return sorted(found, key=lambda change: (change.position, change.key.count("."), change.key))


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        key: item for name, part in value.items() for key, item in _flat(part, f"{prefix}.{name}".strip(".")).items()
    }


def _difference(before: Any, after: Any) -> str:
    if isinstance(before, list) and isinstance(after, list):
        parts = [f"without {item}" for item in before if item not in after]
        parts += [f"with {item}" for item in after if item not in before]
        return f"is {_short(', '.join(parts))}"
    return f"was {_short(before)}, is {_short(after)}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
