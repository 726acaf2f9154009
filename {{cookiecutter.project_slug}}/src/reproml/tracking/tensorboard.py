"""What TensorBoard receives: metrics during the training; at its end the test, the figures and the record."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib.image
from lightning.pytorch.loggers import TensorBoardLogger

from .names import run_name
from .tracked_run import TrackedRun


class TensorBoard(TensorBoardLogger):
    """Lightning's logger for TensorBoard, and what it receives of a finished run."""

    _last = -1  # step that was logged

    @property
    def log_dir(self) -> str:
        """The folder of the event files, whose name is what TensorBoard calls the run."""
        return str(Path(super().log_dir) / run_name(Path(str(self.save_dir))))

    @property
    def address(self) -> str:
        """The command that shows the run."""
        return f"tensorboard --logdir {Path(str(self.save_dir))}"

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics after a step."""
        super().log_metrics(metrics, step)
        self._last = max(self._last, step or 0)

    def send(self, run: TrackedRun) -> None:
        """Complete the run."""
        for step, metrics in run.history():
            if step > self._last:
                self.log_metrics(metrics, step)
        self.log_metrics(run.test_metrics(), max(self._last, 0))
        for name, path in run.figures().items():
            self.experiment.add_image(name, matplotlib.image.imread(str(path))[..., :3], dataformats="HWC")
        self.experiment.add_text("record", "\n\n".join(f"{name}: {value}" for name, value in run.tags().items()))
