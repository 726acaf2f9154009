"""The LightningModule that tasks on prepared arrays share."""

from abc import abstractmethod
from collections.abc import Sequence
from math import isfinite
from typing import Any

import torch
from hydra.utils import instantiate
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import nn
from torchmetrics import Metric

from ..config.schema import Training
from ..errors import ConfigError, DataError, TrainingError
from ..lightning_internals import QuickHooks
from .epoch_sums import EpochSums
from .interface import Interface
from .metrics import Metrics
from .optimization import build_loss, build_optimizer, build_scheduler

Batch = tuple[torch.Tensor, torch.Tensor]
INFERENCE_BATCH = 16  # rows; more cost a single example time, fewer cost a whole test


class ArrayTask(QuickHooks):
    """Trains a network on prepared arrays. A task says what it measures, how it is tested, and what it predicts.

    It normalizes the inputs with the mean and the standard deviation of the training inputs, builds loss, optimizer and
    schedule as `configs/training` names them, and adds up the metrics of an epoch such that a resume inside of it
    continues with the same numbers.

    Args:
        network: maps normalized inputs (n, *input_shape) to outputs (n, interface.outputs). One with the class
            attribute `standardize = False` gets them as they are stored, as where they are codes and not quantities.
        interface: what the inputs and the targets are.
        statistics: of the training examples, by name, saved with the weights: `mean` and `std` of the inputs,
            broadcastable to one input; where the targets are a quantity, `target_mean` and `target_std`, of the shape
            (1,); where numbers may be missing, `missing`, the places of the features that lack some.
        training: optimizer, schedule and loss; None for a model that only predicts.
        metrics: more to measure in validation and test, by name.

    Example, of a task that counts how often the output is too low:

        class Shortfall(ArrayTask):
            learns = "quantity"

            def measure(self, outputs, targets):
                return self.loss(outputs[:, 0], targets), {"too_low": (outputs[:, 0] < targets).sum()}
    """

    learns: str | None = None  # what its targets have to be, as in `Targets.are`; None: anything
    measures: tuple[str, ...] = ("loss",)  # the names of its own metrics, in validation and test

    def __init__(
        self,
        network: nn.Module,
        interface: Interface,
        statistics: dict[str, torch.Tensor],
        training: Training | None = None,
        metrics: dict[str, Metric] | None = None,
    ) -> None:
        super().__init__()
        self.network, self.interface, self.training_config = network, interface, training
        self.loss = build_loss(training) if training else None
        self._standardize = getattr(network, "standardize", True)
        for name, value in statistics.items():
            self.register_buffer(name, value)
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.target_mean: torch.Tensor
        self.target_std: torch.Tensor
        self.missing: torch.Tensor
        self.metrics = Metrics(metrics or {}, self.measures)
        self._sums = EpochSums()
        self.outputs: list[torch.Tensor] = []  # of the last test, one tensor (n, outputs) per batch
        self.targets: list[torch.Tensor] = []  # likewise, (n,)

    @abstractmethod
    def measure(self, outputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the loss of a batch, a scalar, and what is to be logged of each epoch beside it.

        Args:
            outputs: of the network, shape (n, interface.outputs).
            targets: shape (n,), as stored.

        Returns:
            The mean loss, and by name the sums over the batch whose means over all examples are logged.
        """
        raise NotImplementedError

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map inputs as stored (n, *input_shape), of any number type, to outputs (n, outputs)."""
        absent = inputs.isnan() if self.interface.missing else None
        if absent is not None:
            inputs = torch.where(absent, self.mean, inputs)
        if self._standardize:
            numbers = inputs.to(self.mean.dtype)
            # no second or third tensor of the size of a batch, unless the inputs themselves would change
            numbers = numbers.sub_(self.mean) if numbers is not inputs else numbers - self.mean
            inputs = numbers.div_(self.std)
        if absent is not None:
            inputs = torch.cat([inputs, absent[:, self.missing].to(inputs.dtype)], 1)
        return self.network(inputs)

    def infer(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return outputs (n, outputs) of inputs (n, *input_shape), whose bits do not depend on the other inputs.

        The number of rows decides which routine multiplies the matrices, and so the last digits. Hence the network sees
        blocks of one size, the last of them filled up.
        """
        outputs = []
        for block in inputs.split(INFERENCE_BATCH):
            filler = block.new_zeros(INFERENCE_BATCH - len(block), *block.shape[1:])
            outputs.append(self(torch.cat([block, filler]))[: len(block)])
        return torch.cat(outputs)

    def compared(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return what `task.metrics` compare with the targets (n,): here the outputs (n, outputs) of the network."""
        return outputs

    def tested(self) -> Batch:
        """Return outputs (n, outputs) and targets (n,) of the last test, in the stored order of the examples."""
        return torch.cat(self.outputs), torch.cat(self.targets)

    def _step(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mean loss of a batch, and the outputs (n, outputs)."""
        inputs, targets = batch
        assert self.loss is not None, "this model was built to predict"
        outputs = self(inputs)
        loss, sums = self.measure(outputs, targets)
        self._sums.add(loss, sums, len(targets))
        return loss, outputs

    def _observe(self, outputs: torch.Tensor, targets: torch.Tensor) -> None:
        if self.metrics:
            self.metrics.observe(self.compared(outputs), targets)

    def _finish(self, split: str, names: Sequence[str], numbers: torch.Tensor) -> None:
        *sums, examples = numbers.tolist()
        means = {f"{split}/{name}": value / examples for name, value in zip(names, sums, strict=True)}
        for name, value in means.items():
            if not isfinite(value):
                raise TrainingError(
                    f"{name} is {value} in epoch {self.current_epoch}: lower training.lr or training.gradient_clip"
                )
        self.log_dict(means)

    def on_train_epoch_start(self) -> None:
        self._sums = EpochSums()

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Return the mean loss of a batch."""
        return self._step(batch)[0]

    def on_train_epoch_end(self) -> None:
        sums = self._sums
        self._finish("train", sums.names, self.trainer.strategy.reduce(sums.numbers(), reduce_op="sum"))

    def on_validation_epoch_start(self) -> None:
        self._of_training, self._sums = self._sums, EpochSums()  # validation interrupts the training epoch
        self.metrics.forget()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count a validation batch."""
        _, outputs = self._step(batch)
        self._observe(outputs, batch[1])

    def on_validation_epoch_end(self) -> None:
        # Every process reads all examples, but each has batch normalization statistics of its own: the first decides.
        sums = self._sums
        self._finish("val", sums.names, self.trainer.strategy.broadcast(sums.numbers()))
        self._sums = self._of_training
        for name, value in self.metrics.values_so_far().items():
            self.log(f"val/{name}", self.trainer.strategy.broadcast(value.double()))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what the epoch has summed up so far, one row for each process."""
        numbers = self.trainer.strategy.all_gather(self._sums.numbers())
        names = self._sums.names
        checkpoint["sums"] = {"names": names, "numbers": numbers.reshape(-1, len(names) + 1).cpu()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continue with the sums of the interrupted epoch.

        Raises:
            DataError: an earlier version wrote the checkpoint.
        """
        if "sums" not in checkpoint:
            raise DataError("an earlier version wrote this checkpoint: train again, or choose restore=finetune")
        saved = checkpoint["sums"]
        self._sums.load(saved["names"], saved["numbers"][self.global_rank])

    def on_test_epoch_start(self) -> None:
        self.outputs, self.targets = [], []
        self.metrics.forget()

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the outputs of a test batch."""
        inputs, targets = batch
        outputs = self.infer(inputs)
        self._observe(outputs, targets)
        self.outputs.append(outputs.cpu())
        self.targets.append(targets.cpu())

    def on_test_epoch_end(self) -> None:
        for name, metric in self.metrics.named().items():
            self.log(name, metric)  # the object, which says whether a higher value is better

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Build the optimizer and the schedule that the configuration names."""
        assert self.training_config is not None, "this model was built to predict"
        mixed = str(self.trainer.precision).endswith("-mixed")
        optimizer = build_optimizer(self.parameters(), self.training_config, mixed)
        scheduler = build_scheduler(optimizer, self.training_config, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": scheduler} if scheduler else optimizer  # type: ignore[return-value]


def build_task(
    task: dict[str, Any],
    model: dict[str, Any],
    interface: Interface,
    statistics: dict[str, torch.Tensor],
    training: Training | None = None,
) -> ArrayTask:
    """Build the configured task around the configured network, which has its first weights then.

    Args:
        task: the configuration of the task.
        model: that of the network. It sees a column more for each feature that lacks some numbers.
        interface: as in `ArrayTask`, like all else.
        statistics: likewise.
        training: likewise.

    Raises:
        ConfigError: it is a task of another kind.
    """
    shape = interface.input_shape
    if interface.missing:
        shape = (shape[0] + len(statistics["missing"]),)
    network = instantiate(model, input_shape=shape, outputs=interface.outputs)
    # called here: Hydra would make a configuration of each of these
    made = instantiate({"_convert_": "object", **task}, _partial_=True)(
        network=network, interface=interface, statistics=statistics, training=training
    )
    if not isinstance(made, ArrayTask):
        raise ConfigError(
            f"task._target_={task['_target_']} is no ArrayTask, which prepared arrays need: derive it from "
            "reproml.ArrayTask"
        )
    return made
