"""Whether a training can begin in this process: checked before Hydra makes a folder, and again in the training."""

import logging
import runpy
import sys
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from omegaconf import DictConfig

from ..config.check import check
from ..config.schema import Config, OwnConfig
from ..config.trust.names import leaves
from ..errors import ConfigError
from ..launch import restarts
from ..runs.imported import check_watched, module_of
from ..runs.inputs import check_inputs
from .determinism import pin_environment
from .job import start_job
from .open_files import allow_workers

GPU = ("gpu", "cuda")  # how trainer.accelerator names it


def ready(cfg: DictConfig) -> Config:
    """Return the checked configuration, in a process in which torch can be imported.

    Raises:
        ConfigError: as in `check`; an input cannot be read; a class does not take its settings; or this machine lacks
            what is asked for.
    """
    config = check(cfg)
    check_inputs(config.inputs)
    if config.trainer["accelerator"] in GPU:
        _check_build(config.trainer["accelerator"])
    if not isinstance(config, OwnConfig):  # of others, the loaders tell
        allow_workers(config.data.num_workers)
    start_job(config)  # before torch is imported, which takes seconds: a signal could come
    pin_environment(config.reproducibility)
    logging.getLogger().addHandler(logging.NullHandler())  # or Lightning, imported below, would log past our files
    from ..config.inexact import refuse_derived
    from ..config.signatures import check_signatures
    from .final import check_final_weights
    from .trial import check_trainer

    refuse_derived(config)  # first: what is excluded needs no arguments
    check_signatures(config)
    check_final_weights(config)
    named = ("data", "task", "model", "training", "trainer", "callbacks")
    settings = leaves({group: value for group, value in asdict(config).items() if group in named})
    check_watched({f"{key}={target}": module_of(target) for key, target in settings if key.endswith("_target_")})
    if config.trainer["accelerator"] in GPU:
        _check_gpu(config.trainer["accelerator"])
    check_trainer(config)
    return config


def ready_to_begin(cfg: DictConfig) -> Config:
    """Return the same, where the run that this one is built on fits too. `session.begin` asks for that again.

    Raises:
        ConfigError: as in `ready`; or the run does not fit the one that it is built on.
        DataError: the run that it is built on is damaged, or not there.
    """
    config = ready(cfg)
    if not config.resume and not restarts():  # a resumed run holds all that it took over
        from .earlier import built_on

        built_on(config)
    return config


def _check_build(accelerator: str) -> None:
    """Refuse a CPU-only build of torch. One of its files says so, and torch need not be imported."""
    spec = find_spec("torch")
    assert spec is not None and spec.origin is not None
    build = runpy.run_path(str(Path(spec.origin).with_name("version.py")))
    if sys.platform == "darwin":
        raise ConfigError(
            f"trainer.accelerator={accelerator} needs a build of torch for GPUs of NVIDIA or AMD, and there is none "
            "for a Mac: choose trainer=cpu, or trainer.accelerator=mps with reproducibility=fast"
        )
    if build.get("cuda") is None and build.get("hip") is None:
        raise ConfigError(
            f"trainer.accelerator={accelerator} needs a build of torch for GPUs, but {build['__version__']} is for CPUs"
            " only: install another (with pip, make setup TORCH_INDEX=<index>; docs/environments.md lists the indexes "
            "and the other managers), or choose trainer=cpu"
        )


def _check_gpu(accelerator: str) -> None:
    import torch

    if not torch.cuda.is_available():
        raise ConfigError(
            f"trainer.accelerator={accelerator} needs a GPU, but torch {torch.__version__} finds none: check that "
            "nvidia-smi lists one here and that its driver fits that build, or choose trainer=cpu"
        )
