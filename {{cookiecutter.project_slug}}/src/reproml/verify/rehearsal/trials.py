"""The trainings of a rehearsal, one after the other, and the verdict."""

from collections.abc import Callable
from pathlib import Path

from omegaconf import DictConfig

from ...errors import TrainingError
from ...names import TRACE
from ...runs.trace import read_trace
from .advice import fix
from .comparison import Break, compare, held_differently
from .report import EXACT, NOT_EXACT, NOT_PROVEN, Rehearsal, Trial
from .short import processes, shortened
from .training import Outcome, Training, train

_OTHER_WORKERS = 2
_LAST_SEED = 2**64 - 1
_BROKEN = ("not exact", "failed")


class Trials:
    """Trains, compares and reports.

    Args:
        cfg: the configuration of the real training, as it is composed.
        home: the folder for all that is written.
        say: is given the lines of the report, one by one.
    """

    def __init__(self, cfg: DictConfig, home: Path, say: Callable[[str], None]) -> None:
        self.cfg, self.home, self.say = cfg, home, say
        self.short = shortened(cfg, home / "run", cfg.seed)
        self.first = Outcome()
        self.noise: frozenset[str] = frozenset()  # what equal trainings hold differently
        self.trials: list[Trial] = []
        self.notes: list[str] = []
        self.nothing: str | None = None  # why equal bits prove nothing

    def train_first(self) -> None:
        """Make the training that the others are compared with.

        Raises:
            TrainingError: it fails, or the loaders have nothing to learn from.
        """
        self.first = self._train("first", Training(self.short, moments=self.home / "moments"))
        if self.first.failed:
            raise TrainingError(self.first.failed)
        epochs = self.first.seen["epochs"]
        if not epochs:
            raise TrainingError("the training has no batch, so there is nothing to compare")
        self.say(
            f"{len(epochs)} batches in {len({*epochs.values()})} epochs, and the same training again, bit for bit:"
        )
        for warning in dict.fromkeys(self.first.warnings):
            self._note(f"warning: {warning}")
        if (several := processes(self.cfg)) > 1:
            self._note(f"not compared: {several} processes, since a rehearsal has one")
        weights = read_trace(self.first.folder / TRACE).weights
        if weights[min(weights)] == weights[max(weights)]:
            self.nothing = "no weight changes"

    def again(self) -> bool:
        """Train once more, without what Python and memory hold by now. If it differs, nothing else can be compared."""
        outcome = self._compare("again", "again, in a fresh process", Training(self.short, fresh=True, filled=True))
        if self.trials[-1].status in _BROKEN:
            self._note("not compared: workers and interruptions, since the same training differs by itself")
            return False
        self.noise = held_differently(self.first, outcome)
        return True

    def other_seed(self) -> None:
        """Train with another seed, which has to differ: else no random choice reaches what is compared."""
        seed = self.cfg.seed + (1 if self.cfg.seed < _LAST_SEED else -1)
        name = f"with seed {seed}"
        outcome = self._train("seed", Training(shortened(self.cfg, self.home / "run", seed)))
        if outcome.failed:
            self.nothing = f"it fails {name}"
            self._add(Trial(name, "could not be trained", Break("failed", outcome.failed)))
        elif outcome.parts["weights"] == self.first.parts["weights"]:
            self.nothing = "another seed gives the same weights"
            self._add(Trial(name, "the same", fix="draw first weights, order or noise from torch's generator"))
        else:
            self._add(Trial(name, "differs, as it must"))

    def other_workers(self) -> None:
        """Train with two workers where there were none, and with none where there were some."""
        if self.first.streams:
            streams = ", ".join(dict.fromkeys(self.first.streams))
            self._note(
                f"not compared: the number of workers that read {streams}, which decides what each of them reads"
            )
        if self.first.workers:
            number, given = (0, max(self.first.workers)) if any(self.first.workers) else (_OTHER_WORKERS, 0)
            name = (
                f"with {number} workers instead of {given}{', where no stream is read' if self.first.streams else ''}"
            )
            self._compare("workers", name, Training(self.short, workers=number))

    def without_points(self) -> None:
        """Train without resume points: they are saved by the clock, so they must not change anything."""
        self._compare("unsaved", "without resume points", Training(self.short, unsaved=True))

    def interrupted(self) -> None:
        """Resume from what kills would have left at several moments."""
        if not self.first.moments:
            self._note("not compared: interruptions, since no resume point was saved")
        for name, moment in self.first.moments.items():
            self._compare("interrupted", moment, Training(self.short, interrupted=self.home / "moments" / name))

    def result(self) -> Rehearsal:
        """Return the verdict."""
        for trial in self.trials:
            if trial.status in _BROKEN and trial.found is not None:
                return Rehearsal(NOT_EXACT, f"not exact: {trial.name}: {trial.found.where}", self.trials, self.notes)
        if self.nothing:
            line = f"not proven: {self.nothing}, so equal bits prove nothing"
            return Rehearsal(NOT_PROVEN, line, self.trials, self.notes)
        counted = [f"{name} ({len(values)})" for name, values in self.first.parts.items() if values]
        line = f"exact: {', '.join(counted)}, and the step trace of {len(self.first.seen['batches'])} batches"
        return Rehearsal(EXACT, line, self.trials, self.notes)

    def _compare(self, tried: str, name: str, training: Training) -> Outcome:
        outcome = self._train(str(len(self.trials)), training)
        if outcome.failed:
            self._add(Trial(name, "failed", Break("failed", outcome.failed)))
        elif found := compare(self.first, outcome, self.noise):
            self._add(Trial(name, "not exact", found, fix(tried, found.first, list(found.suspects))))
        else:
            self._add(Trial(name, "exact"))
        return outcome

    def _train(self, name: str, training: Training) -> Outcome:
        return train(training, self.home / "run", self.home / name)

    def _add(self, trial: Trial) -> None:
        brief = any(trial.like(other) for other in self.trials)
        self.trials.append(trial)
        for line in trial.lines(brief):
            self.say(line)

    def _note(self, line: str) -> None:
        self.notes.append(line)
        self.say(f"  {line}")
