"""Units in the last place: how many floating-point numbers are between two of them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # runs that are equal need none of it, and loading it takes seconds
    import torch


def difference(name: str, before: float | None, after: float | None) -> str:
    """Return two values of one number, and how far they are apart, for a person."""
    if before is None or after is None:
        return f"{name} {before} and {after}"
    import torch

    for dtype in (torch.float32, torch.float64):
        distance = ulps(torch.tensor(before, dtype=dtype), torch.tensor(after, dtype=dtype))
        if distance:
            break
    unit = "unit" if distance == 1 else "units"
    return f"{name} {before:.9g} and {after:.9g}, {distance} {unit} in the last place of {str(dtype)[6:]}"


def ulps(first: "torch.Tensor", second: "torch.Tensor") -> int:
    """Return the largest difference of two tensors of one shape and type, in units in the last place."""
    import torch

    if torch.equal(first, second):
        return 0
    if first.is_complex():
        return ulps(torch.view_as_real(first), torch.view_as_real(second))
    if not first.is_floating_point():
        return int((first.long() - second.long()).abs().max())
    width = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[first.element_size()]
    return int((_ordered_bits(first, width) - _ordered_bits(second, width)).abs().max())


def _ordered_bits(tensor: "torch.Tensor", width: "torch.dtype") -> "torch.Tensor":
    import torch

    bits = tensor.contiguous().view(width).long()
    return torch.where(bits >= 0, bits, -(bits & torch.iinfo(width).max))
