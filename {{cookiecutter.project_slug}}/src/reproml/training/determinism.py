"""Settings that decide whether the same run gives the same bits, see configs/reproducibility."""

import os
import sys
from pathlib import Path

from ..config.schema import Reproducibility
from ..errors import ConfigError
from ..launch import launcher, rank
from ..logs import announce

# The beginnings of the variables that a module reads once, when it is imported.
_READ_BY: dict[str, tuple[str, ...]] = {"torch": ("",), "numpy": ("NPY_", "OPENBLAS_")}
_PROCESSOR = Path("/proc/cpuinfo")
_added: set[str] = set()  # by this process to its environment
_pinned: dict[str, str] = {}  # by this process, whose jobs of a sweep run one after the other


def pin_environment(settings: Reproducibility) -> None:
    """Set the environment variables that PyTorch's libraries and NumPy read once: say that their import is next.

    Raises:
        ConfigError: one of them is imported already, a variable is set to another value, or the processor lacks what
            one asks for.
    """
    if "avx2" in settings.environment.values() and not _has("avx2"):
        raise ConfigError(
            f"reproducibility={settings.mode} needs a processor with AVX2, and this one has none: choose "
            "reproducibility=strict"
        )
    pins = dict(settings.environment)
    if settings.threads is not None:
        pins |= {"OMP_NUM_THREADS": str(settings.threads), "MKL_NUM_THREADS": str(settings.threads)}
    if _pinned and _pinned != pins:
        raise ConfigError(
            f"reproducibility={settings.mode} needs other settings than the job before in this process, and PyTorch "
            "reads them once: start a process for each reproducibility and number of threads"
        )
    for name, value in pins.items():
        if os.environ.get(name, value) != value:
            fix = f"start it as {name}={value} torchrun ..." if launcher() == "torchrun" else "unset it"
            raise ConfigError(
                f"{name}={os.environ[name]} in the environment contradicts reproducibility={settings.mode}, "
                f"which needs {name}={value}: {fix}, or choose reproducibility=fast"
            )
    for module, beginnings in _READ_BY.items():
        late = [name for name in pins if name.startswith(beginnings) and name not in os.environ]
        if module in sys.modules and late:
            raise ConfigError(
                f"reproducibility={settings.mode} sets {', '.join(late)} before {module} is imported: import {module} "
                "later"
            )
    _added.update(pins.keys() - os.environ.keys())
    os.environ.update(pins)
    _pinned.update(pins)
    if "torch" not in sys.modules and not rank():
        announce("loading PyTorch and Lightning, which takes a few seconds ...")


def pinned_here() -> set[str]:
    """Return the environment variables that this process itself has pinned, without those that it was started with."""
    return set(_added)


def _has(instructions: str) -> bool:
    """Whether the processor has some instructions, as far as the system tells: Linux on x86-64 does."""
    lines = _PROCESSOR.read_text(encoding="utf-8").splitlines() if _PROCESSOR.exists() else []
    flags = [line.partition(":")[2].split() for line in lines if line.startswith("flags")]
    return all(instructions in each for each in flags)


def apply(settings: Reproducibility) -> None:
    """Set PyTorch's own switches. Call it once, before a tensor is made."""
    import torch

    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(settings.deterministic, warn_only=settings.nondeterministic_operations == "warn")
    # until the first step, see training/lean_steps.py
    torch.utils.deterministic.fill_uninitialized_memory = True  # type: ignore[attr-defined]
    torch.backends.cudnn.deterministic = settings.deterministic
    torch.backends.cudnn.benchmark = not settings.deterministic  # trying out algorithms picks another one each time
    torch.backends.cudnn.allow_tf32 = not settings.deterministic
    torch.backends.cuda.matmul.allow_tf32 = not settings.deterministic
