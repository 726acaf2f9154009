"""What a rehearsal says: a line for each training, what broke and how to fix it, and the verdict."""

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .comparison import Break

EXACT, NOT_EXACT, NOT_PROVEN = 0, 1, 2  # exit codes
_VERDICTS = {EXACT: "exact", NOT_EXACT: "not exact", NOT_PROVEN: "not proven"}
_SHOWN = 3  # names of what was held differently


@dataclass
class Trial:
    """One training, compared with the first.

    Args:
        name: what was done, for a person.
        status: `exact`, `not exact` or `failed`; of another seed `differs, as it must` or `the same`.
        found: where it parts from the first.
        fix: what to do about that.
    """

    name: str
    status: str
    found: "Break | None" = None
    fix: str | None = None

    def lines(self, brief: bool = False) -> list[str]:
        """Return the report for a person; a brief one says only where."""
        lines = [f"  {self.name:70} {self.status}"]
        if self.found is not None:
            lines.append(f"      {self.found.where}{', for the same reason' if brief else ''}")
        if self.found is not None and not brief:
            lines += [f"      {detail}" for detail in self.found.details]
            for name, (one, two) in list(self.found.suspects.items())[:_SHOWN]:
                lines.append(f"      before it, {name} was {one}, and is {two} here")
        return [*lines, f"      fix: {self.fix}"] if self.fix and not brief else lines

    def like(self, other: "Trial") -> bool:
        """Whether two trials broke for the same reason, as far as it is known."""
        if self.found is None or other.found is None or self.fix is None:
            return False
        return (self.fix, {*self.found.suspects}) == (other.fix, {*other.found.suspects})


@dataclass
class Rehearsal:
    """The result: an exit code, one line, the trials behind it, and what was not compared."""

    code: int
    line: str
    trials: list[Trial] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return it in plain types."""
        return {"verdict": _VERDICTS[self.code], **asdict(self)}
