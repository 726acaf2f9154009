"""What a finished run has for a tracker, read from its folder alone."""

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from lightning import LightningModule

from ..arrays.recorded import refuse_other
from ..config.own import is_own
from ..config.schema import Config
from ..evaluation.written import Written, evaluation_of
from ..models.saved import load_model
from ..names import CONFIG, HISTORY, MODEL, RECORD, TRACE
from ..runs.finished import check_run
from ..runs.folder import BRING_BACK
from ..runs.integrity import EVERYTHING, finished
from ..runs.tables import read_rows
from ..tasks.build import build_arrays
from ..training.step_trace import read_trace
from ..training.steps import LOSS

_FILES = (CONFIG, RECORD, "changes.patch", HISTORY, TRACE, "*.log", "*.jsonl", MODEL)


@dataclass(frozen=True)
class Finished:
    """A finished run: its folder, its record, and the configuration of the process that has just trained it.

    Without that configuration the one in the folder is read, which anybody may have written: check_run looks at it.
    """

    folder: Path
    record: dict[str, Any]
    config: Config | None = None

    @classmethod
    def read(cls, folder: Path, config: Config | None = None) -> "Finished":
        """Return the run in a folder.

        Args:
            folder: of the run.
            config: that this process has checked and trained with.

        Raises:
            RecordError: there is none, it is not finished, or a file is not the one that its record names.
        """
        return cls(folder, finished(folder, reads=EVERYTHING), config)

    @property
    def own(self) -> bool:
        """Whether data and task are of the user's own: there is no array of examples, and no prediction of each."""
        return is_own(self.record["config"])

    def history(self) -> list[tuple[int, dict[str, float]]]:
        """Return the metrics of the epochs, and the loss of every so many steps, each after its step, in order.

        Steps are those of the optimizer, counted from 0 as Lightning does when it logs.
        """
        rows = read_rows(self.folder / HISTORY, BRING_BACK, numbers=["step"])
        epochs = [
            (int(row.pop("step")) - 1, {name: float(value) for name, value in row.items() if value and name != "lr"})
            for row in rows
        ]
        return sorted([*epochs, *self._losses()], key=lambda entry: entry[0])

    def _losses(self) -> list[tuple[int, dict[str, float]]]:
        path, every = self.folder / TRACE, self.record["config"]["trainer"]["log_every_n_steps"]
        if not path.exists():
            return []
        steps, accumulate = read_trace(path), self.record["config"]["training"]["accumulate"]
        batches: dict[int, list[float | None]] = defaultdict(list)  # of each epoch, the losses
        for step, epoch in steps.epoch.items():
            batches[epoch].append(steps.loss[step])
        found, done = [], 0
        for losses in batches.values():
            for own in range(1, math.ceil(len(losses) / accumulate) + 1):
                loss = losses[min(own * accumulate, len(losses)) - 1]
                if (done + own) % every == 0 and loss is not None:
                    found.append((done + own - 1, {LOSS: loss}))
            done += math.ceil(len(losses) / accumulate)
        return found

    def test_metrics(self) -> dict[str, float]:
        """Return the metrics of the test."""
        return {f"test/{name.removeprefix('test/')}": value for name, value in self.record["metrics"].items()}

    def tags(self) -> dict[str, str]:
        """Return what identifies the run: commit, promise, data, and the digests of the result."""
        git = self.record["git"] or {}
        return {
            "run": str(self.folder),
            "git_commit": git.get("commit", ""),
            "git_branch": git.get("branch", ""),
            "git_dirty": str(git.get("dirty", "")).lower(),
            "promise": self.record["promise"]["mode"],
            "seed": str(self.record["config"]["seed"]),
            "data": self.record["data"]["name"],
            "weights_sha256": self.record["weights_sha256"],
            "model_sha256": self.record["model_sha256"],
        }

    def files(self) -> list[Path]:
        """Return configuration, record, log, metrics and model."""
        return [path for pattern in _FILES for path in sorted(self.folder.glob(pattern))]

    def results(self) -> list[Path]:
        """Return the files of this run's test; none if another training has left its own."""
        return [] if self._test is None else [path for path in self._test.files() if path.exists()]

    def figures(self) -> dict[str, Path]:
        """Return the figures by name."""
        return {} if self._test is None else {item.name: item.path for item in self._test.figures if item.path.exists()}

    def examples(self, count: int) -> np.ndarray:
        """Return the first test examples as stored, shape (count, *input_shape).

        Raises:
            DataError: the prepared data is not what the run was tested with, so they would be others.
        """
        config = self.config or check_run(str(self.folder))
        data = build_arrays(config)
        refuse_other(data.recorded(), self.record["data"], Path(config.paths.processed))
        return np.array(data.dataset.inputs.rows(data.splits["test"][:count]))

    def predictions(self, count: int) -> list[dict[str, str]]:
        """Return what the model said of the first test examples, if the task tells that."""
        return [] if self._test is None else self._test.predicted()[:count]

    def model(self) -> LightningModule:
        """Return the model, which tells what goes in and what comes out."""
        return load_model(self.folder / MODEL, trusted=self.config is not None)[0]

    @cached_property
    def _test(self) -> Written | None:
        return evaluation_of(self.folder, self.record)
