"""The metrics that `task.metrics` adds to a task on prepared arrays."""

from collections.abc import Iterable, Mapping
from typing import cast

import torch
from torch import nn
from torchmetrics import Metric

from ..errors import ConfigError


class Metrics(nn.ModuleDict):
    """Metrics from torchmetrics, by name. Each gives one number for all examples it has seen.

    Args:
        metrics: as `task.metrics` names them.
        taken: the names of the metrics that the task has anyway.

    Raises:
        ConfigError: a name is taken, or what it names is no metric.

    Example:
        >>> metrics = Metrics({"auroc": MulticlassAUROC(num_classes=10)}, taken=("loss",))
        >>> metrics.observe(logits, targets)  # (n, 10) and (n,)
        >>> metrics.values_so_far()
        {'auroc': tensor(0.9833)}
    """

    def __init__(self, metrics: Mapping[str, Metric], taken: Iterable[str]) -> None:
        for name, metric in metrics.items():
            if name in taken or not name.isidentifier():
                reason = "the task has a metric of that name" if name in taken else "that is not a valid name"
                raise ConfigError(f"task.metrics.{name}: {reason}: choose another, such as my_metric")
            if not isinstance(metric, Metric):
                raise ConfigError(
                    f"task.metrics.{name} is a {type(metric).__name__}: name a torchmetrics class, as in "
                    "_target_: torchmetrics.classification.MulticlassAUROC"
                )
            metric.sync_on_compute = False  # every process sees all examples of a validation
        super().__init__(metrics)

    def named(self) -> dict[str, Metric]:
        """Return the metrics by name."""
        return {name: cast(Metric, metric) for name, metric in self.items()}

    @torch.no_grad()
    def observe(self, predicted: torch.Tensor, targets: torch.Tensor) -> None:
        """Take the examples of a batch into account.

        Args:
            predicted: as `ArrayTask.compared` gives them, (n, ...).
            targets: shape (n,).
        """
        for metric in self.named().values():
            metric.update(predicted, targets)

    def values_so_far(self) -> dict[str, torch.Tensor]:
        """Return the value of each, a scalar.

        Raises:
            ConfigError: one has several.
        """
        found = {}
        for name, metric in self.named().items():
            value = metric.compute()
            if not isinstance(value, torch.Tensor) or value.numel() != 1:
                shape = f"{value.numel()} numbers" if isinstance(value, torch.Tensor) else f"a {type(value).__name__}"
                raise ConfigError(
                    f"task.metrics.{name} gives {shape}, but must give one number: choose an average, as in "
                    "average=macro, or another metric"
                )
            found[name] = value.reshape(())
        return found

    def forget(self) -> None:
        """Start over, with no examples."""
        for metric in self.named().values():
            metric.reset()
