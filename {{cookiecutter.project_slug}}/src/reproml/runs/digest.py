"""Digests of weights."""

import hashlib
from collections.abc import Mapping

import torch


def weights_digest(weights: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 of named tensors. It does not depend on their order, their device or a file format."""
    total = hashlib.sha256()
    for name in sorted(weights):
        total.update(f"{name}\0{tensor_digest(weights[name])}\n".encode())
    return total.hexdigest()


def tensor_digest(tensor: torch.Tensor) -> str:
    """Return the SHA-256 of a tensor's type, shape and bytes."""
    plain = tensor.detach().cpu().contiguous()
    total = hashlib.sha256(f"{plain.dtype} {tuple(plain.shape)}\n".encode())
    total.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
