"""What a finished run has for a tracker, read from its folder alone."""

import math
from collections import defaultdict
from functools import cached_property
from pathlib import Path

import numpy as np
from lightning import LightningModule

from ..arrays.recorded import refuse_other
from ..config.own import is_own
from ..evaluation.written import Written, evaluation_of
from ..models.saved import load_model
from ..names import CONFIG, HISTORY, MODEL, PATCH, RECORD, TRACE
from ..runs.completed import CompletedRun
from ..runs.trace import read_trace
from ..tasks.build import build_arrays
from ..training.steps import LOSS

_FILES = (CONFIG, RECORD, PATCH, HISTORY, TRACE, "*.log", "*.jsonl", MODEL)


class TrackedRun(CompletedRun):
    """A finished run with what a tracker receives of it."""

    @property
    def own(self) -> bool:
        """Whether data and task are of the user's own: there is no array of examples, and no prediction of each."""
        return is_own(self.record["config"])

    def history(self) -> list[tuple[int, dict[str, float]]]:
        """Return the metrics of the epochs, and the loss of every so many steps, each after its step, in order.

        Steps are those of the optimizer, counted from 0 as Lightning does when it logs.
        """
        epochs = [
            (int(row.pop("step")) - 1, {name: float(value) for name, value in row.items() if value and name != "lr"})
            for row in self.epochs()
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
        """Return what identifies the run: commit, reproducibility level, data, and the digests of the result."""
        git = self.record["git"] or {}
        return {
            "run": str(self.folder),
            "git_commit": git.get("commit", ""),
            "git_branch": git.get("branch", ""),
            "git_dirty": str(git.get("dirty", "")).lower(),
            "reproducibility": self.record["reproducibility"]["level"],
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
        data = build_arrays(self.config)
        refuse_other(data.recorded(), self.record["data"], Path(self.config.paths.processed))
        return np.array(data.dataset.inputs.rows(data.splits["test"][:count]))

    def predictions(self, count: int) -> list[dict[str, str]]:
        """Return the predictions for the first test examples, if the task has them."""
        return [] if self._test is None else self._test.predicted()[:count]

    def model(self) -> LightningModule:
        """Return the model, which describes its inputs and outputs."""
        return load_model(self.folder / MODEL, trusted=self.trained_with is not None)[0]

    @cached_property
    def _test(self) -> Written | None:
        return evaluation_of(self)
