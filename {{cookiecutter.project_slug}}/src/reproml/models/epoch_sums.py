"""What an epoch adds up, such that a resume inside of it continues with the same numbers."""

from collections.abc import Mapping, Sequence

import torch

_TOGETHER = 1024  # batches


class EpochSums:
    """Adds up named numbers over an epoch, on the device and without waiting for it.

    Metric objects would cost more per step than a small network does. Here, a batch only notes its numbers: they are
    added later, always one after the other and as Python's numbers, so when that happens does not change a sum.
    """

    def __init__(self) -> None:
        self.examples = 0
        self._sums: dict[str, float] = {}
        self._noted: dict[str, list[torch.Tensor]] = {}  # since then, of each batch
        self._sizes: list[int] = []  # of these batches
        self._on_gpu = False

    @property
    def names(self) -> list[str]:
        """The names of the sums, in the order in which they came."""
        return list(dict.fromkeys([*self._sums, *self._noted]))

    def add(self, loss: torch.Tensor, sums: Mapping[str, torch.Tensor], examples: int) -> None:
        """Add a batch.

        Args:
            loss: the mean over its examples, a scalar.
            sums: of the batch, by name, each a scalar.
            examples: how many it has.
        """
        for name, value in (("loss", loss), *sums.items()):
            self._noted.setdefault(name, []).append(value.detach())
        self._sizes.append(examples)
        self.examples += examples
        self._on_gpu = loss.is_cuda
        if len(self._sizes) == _TOGETHER:
            self._add_up()

    def _add_up(self) -> None:
        for name, noted in self._noted.items():
            values = torch.stack([value.reshape(()) for value in noted]).tolist()
            if name == "loss":
                values = [value * size for value, size in zip(values, self._sizes, strict=True)]
            total = self._sums.get(name, 0)
            for value in values:  # not with sum(), which rounds in another way from Python 3.12 on
                total += value
            self._sums[name] = total
        self._noted, self._sizes = {}, []

    def numbers(self) -> torch.Tensor:
        """Return the sums in their order, and last the number of examples, shape (sums + 1,)."""
        self._add_up()
        device = "cuda" if self._on_gpu else "cpu"  # where processes exchange tensors
        return torch.tensor([*self._sums.values(), self.examples], dtype=torch.float64, device=device)

    def load(self, names: Sequence[str], numbers: torch.Tensor) -> None:
        """Continue from earlier `numbers` (sums + 1,)."""
        *sums, examples = numbers.tolist()
        self._sums, self.examples = dict(zip(names, sums, strict=True)), int(examples)
        self._noted, self._sizes = {}, []
