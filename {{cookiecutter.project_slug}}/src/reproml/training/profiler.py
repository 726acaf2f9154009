"""Where the time of a training goes, as a table for a terminal."""

import re
import time
from pathlib import Path
from typing import Any

from lightning.pytorch.profilers import SimpleProfiler

from ..files import write_text

_ROWS = 20  # the slowest actions
_WIDTH = 80  # characters; Lightning's own table needs 200


class Profile(SimpleProfiler):
    """Lightning's simple profiler. Its table fits into a terminal, and stays in the run's folder as `profile.txt`.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self.folder = Path(folder)
        self._of_training = False

    def setup(self, stage: str, local_rank: int | None = None, log_dir: str | None = None) -> None:
        """Note whether a training is measured, or a test."""
        super().setup(stage, local_rank, log_dir)
        self._of_training = stage == "fit"

    def describe(self) -> None:
        """Print the table of the training; a test has none."""
        if self._of_training and self.local_rank == 0:
            table = self.summary()
            write_text(self.folder / "profile.txt", table)
            print(f"\n{table}", end="")

    def summary(self) -> str:
        """Return the table. Nested calls count for both, so the shares add up to more than 100 %."""
        whole = time.perf_counter() - self.start_time
        durations: dict[str, list[float]] = self.recorded_durations
        rows = sorted(((sum(each), len(each), name) for name, each in durations.items()), reverse=True)
        lines = [_row("seconds", "share", "calls", "what"), _row(f"{whole:.3f}", "100 %", "", "everything")]
        lines += [
            _row(f"{total:.3f}", f"{100 * total / whole:.0f} %", calls, _short(name))
            for total, calls, name in rows[:_ROWS]
        ]
        return "".join(f"{line}\n" for line in lines)


def _row(seconds: str, share: str, calls: Any, what: str) -> str:
    return f"{seconds:>9}  {share:>5}  {calls:>7}  {what}"[:_WIDTH].rstrip()


def _short(action: str) -> str:
    """Return `History.on_train_epoch_end` for `[Callback]History{...}.on_train_epoch_end`."""
    return re.sub(r"^\[\w+\]|\{.*\}", "", action).lstrip(".")
