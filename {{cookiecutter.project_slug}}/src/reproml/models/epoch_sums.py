"""What an epoch adds up, such that a resume inside of it continues with the same numbers."""

from collections.abc import Sequence

import torch


class EpochSums:
    """Adds up named numbers over an epoch, on the device and without waiting for it.

    A few sums instead of metric objects, which cost more per step than a small network does.
    """

    def __init__(self) -> None:
        self.sums: dict[str, torch.Tensor] = {}
        self.examples = 0

    @torch.no_grad()
    def add(self, sums: dict[str, torch.Tensor], examples: int) -> None:
        """Add the sums of a batch, each a scalar, and the number of its examples."""
        for name, value in sums.items():
            value = value.detach()
            value = value.double() if value.is_floating_point() else value  # as they are after a resume
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.examples += examples

    def numbers(self) -> torch.Tensor:
        """Return the sums in their order, and last the number of examples, shape (sums + 1,)."""
        on_gpu = any(value.is_cuda for value in self.sums.values())  # where processes exchange tensors
        numbers = [*map(float, self.sums.values()), self.examples]
        return torch.tensor(numbers, dtype=torch.float64, device="cuda" if on_gpu else "cpu")

    def load(self, names: Sequence[str], numbers: torch.Tensor) -> None:
        """Continue from earlier `numbers` (sums + 1,)."""
        self.sums, self.examples = dict(zip(names, numbers[:-1], strict=True)), int(numbers[-1])
