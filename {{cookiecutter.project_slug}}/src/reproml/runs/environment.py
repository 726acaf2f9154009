"""What a run depends on: packages, machine, and every setting that can change bits."""

import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

import torch

from ..secrets import mask

# Variables that change bits, or which algorithm is used: of OpenMP, MKL, oneDNN, NumPy, CUDA, PyTorch, the C library.
_VARIABLES = re.compile(
    r"(OMP|KMP|GOMP|MKL|NPY|ATEN|ONEDNN|DNNL|OPENBLAS|BLIS|CUBLAS|CUBLASLT|CUDNN|NCCL|TORCHINDUCTOR|PYTORCH)_\w+"
    r"|CUDA_(VISIBLE_DEVICES|DEVICE_ORDER|LAUNCH_BLOCKING|MODULE_LOADING)|NVIDIA_TF32_OVERRIDE"
    r"|TORCH_(ALLOW_TF32_CUBLAS_OVERRIDE|CUDNN_\w+|BLAS_PREFER_\w+)|PYTHONHASHSEED|PYTHONOPTIMIZE|LD_PRELOAD|GLIBC_TUNABLES"
)
# Places of caches and logs, which differ from user to user.
_HARMLESS = re.compile(r"_(DIR|PATH|HOME|FILE)$|DEBUG|_LOG|CACHE")


def environment() -> dict[str, Any]:
    """Return the facts, in plain types. Call it after torch's settings are applied."""
    return {
        "python": platform.python_version(),
        "os": {"system": platform.system(), "release": platform.release(), "libc": " ".join(platform.libc_ver())},
        "cpu": _cpu(),
        "gpu": _gpu(),
        "torch": _torch(),
        "hash_randomization": bool(sys.flags.hash_randomization),  # whether the order in a set is by chance
        "variables": {name: mask(value) for name, value in sorted(os.environ.items()) if _decides(name)},
        "packages": _packages(),
    }


def _decides(name: str) -> bool:
    return bool(_VARIABLES.fullmatch(name)) and not _HARMLESS.search(name)


def _packages() -> dict[str, str]:
    """Return name and version of every installed package, as the names of their folders say (importlib reads files)."""
    folders = {path.stem for place in sys.path for path in Path(place or ".").glob("*.dist-info")}
    pairs = (stem.partition("-") for stem in folders)
    return dict(sorted((name.lower().replace("_", "-"), version) for name, _, version in pairs))


def _cpu() -> dict[str, Any]:
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""  # Linux only
    model = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*: (.*)$", text, re.MULTILINE)
    return {
        "machine": platform.machine(),
        "model": model[1] if model else platform.processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "flags": sorted(flags[1].split()) if flags else [],
    }


def _gpu() -> dict[str, Any] | None:
    if not torch.cuda.is_available():
        return None
    driver = Path("/proc/driver/nvidia/version")
    version = re.search(r"\d+\.\d+(\.\d+)?", driver.read_text()) if driver.exists() else None
    properties = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    return {
        "devices": [f"{item.name} (compute capability {item.major}.{item.minor})" for item in properties],
        "driver": version[0] if version else None,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }


def _torch() -> dict[str, Any]:
    """Return the switches of PyTorch as they stand, whoever set them."""
    return {
        "threads": torch.get_num_threads(),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "nondeterministic_warns_only": torch.is_deterministic_algorithms_warn_only_enabled(),
        "default_dtype": str(torch.get_default_dtype()),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "mkldnn": torch.backends.mkldnn.enabled,
        "cudnn": torch.backends.cudnn.enabled,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_tf32": torch.backends.cudnn.allow_tf32,
        "matmul_tf32": torch.backends.cuda.matmul.allow_tf32,
        "flash_attention": torch.backends.cuda.flash_sdp_enabled(),
    }
