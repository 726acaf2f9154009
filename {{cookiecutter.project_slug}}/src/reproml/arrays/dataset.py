"""Examples as a loader reads them, in the process of the training or in a worker."""

import torch
from torch.utils.data import Dataset

from ..errors import DataError
from ..runs.imported import code_now, code_of
from .augment import Augmentation
from .opened import Inputs, Targets
from .sampler import Keys

Batch = tuple[torch.Tensor, torch.Tensor]  # inputs (n, *shape) and targets (n,), as stored


class ArrayDataset(Dataset[Batch]):
    """Examples in arrays that stay on the disk. It is indexed with an epoch and a whole batch of positions at once."""

    def __init__(self, inputs: Inputs, targets: Targets, augment: Augmentation | None = None) -> None:
        self.inputs, self.targets, self.augment = inputs, targets, augment

    def __len__(self) -> int:
        return len(self.targets.open())

    def __getitem__(self, keys: Keys) -> Batch:
        epoch, positions = keys
        inputs = self.inputs.rows(positions)
        if self.augment is not None:
            inputs = self.augment(inputs, epoch, positions)
        return torch.from_numpy(inputs), torch.from_numpy(self.targets.rows(positions))


class SameCode:
    """Stops a worker that imported other code than the training, because a file was edited in the meantime."""

    def __init__(self) -> None:
        self.code = code_of(__name__)

    def __call__(self, worker: int) -> None:
        if changed := sorted(set(code_now(__name__).items()) ^ set(self.code.items())):
            raise DataError(
                f"{changed[0][0]} was edited during the training, so a new worker would read different batches: "
                "undo the edit and use resume=<run>, or train again; data.persistent_workers=true starts workers once"
            )
