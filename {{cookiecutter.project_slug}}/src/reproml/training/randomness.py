"""Every random choice is a function of a key that begins with the seed.

Nothing depends on how many random numbers were drawn before, so the number of workers, validation, logging and
interruptions cannot change a result.
"""

import hashlib
import random

import numpy as np


def derive(*key: int | str) -> int:
    """Return a number below 2**63 that depends on the key alone, the same on every platform.

    Example: `derive(seed, "order", epoch)`.
    """
    return int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=8).digest(), "little") >> 1


def seed_processor(*key: int | str) -> int:
    """Seed Python's, NumPy's and PyTorch's generators on the CPU from a key, and return the number that it gives.

    This is all that a worker of a loader may do: it must not touch a GPU.
    """
    import torch  # here, so that deriving a key does not load it

    number = derive(*key)
    random.seed(number)
    np.random.seed(number & 0xFFFFFFFF)
    torch.default_generator.manual_seed(number)
    return number


def seed_everything(*key: int | str) -> None:
    """Seed Python's, NumPy's and PyTorch's generators (CPU and GPU) from a key."""
    import torch

    number = seed_processor(*key)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(number)
