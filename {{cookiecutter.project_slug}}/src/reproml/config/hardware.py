"""Accelerators and strategies of the trainer: what no run can use, and what strict cannot keep exact.

This looks at names alone, before torch is imported; training/trial.py looks at what they make.
"""

from typing import Any

from ..errors import ConfigError
from .schema import Config

PROMISED = ("cpu", "gpu", "cuda")  # the accelerators on which the same bits are promised
_SHARDING = ("fsdp", "deepspeed", "modelparallel")  # beginnings of the names of strategies and their classes
_FORKING = ("spawn", "fork", "notebook")
_STATEFUL = ("ddp_comm_state", "model_averaging_period")  # arguments of DDPStrategy


def check_strategy(config: Config) -> None:
    """Refuse strategies that this project's checkpoints and tests cannot work with.

    Raises:
        ConfigError: naming the strategy and what to choose instead.
    """
    name, settings = _strategy(config)
    if name.lower().startswith(_SHARDING):
        refuse_sharding(name)
    started = str(settings.get("start_method", name))
    if any(way in started for way in _FORKING):
        raise ConfigError(
            f"trainer.strategy={name} trains in processes that hand nothing back to the test that follows: choose "
            "trainer=ddp, which starts the same command several times"
        )


def check_same_bits(config: Config) -> None:
    """Refuse hardware, and ways to use it, for which the same bits cannot be promised.

    Raises:
        ConfigError: naming the key and what to choose instead.
    """
    mode, accelerator, devices = config.reproducibility.mode, config.trainer["accelerator"], config.trainer["devices"]
    if accelerator == "mps":
        raise ConfigError(
            "trainer.accelerator=mps is not deterministic: on MPS, PyTorch's deterministic mode misses operations, "
            f"such as the gradient of an embedding, so reproducibility={mode} excludes it: choose trainer=cpu, or "
            "reproducibility=fast"
        )
    if accelerator == "auto" or not isinstance(devices, int | list) or devices == -1:
        key = "accelerator" if accelerator == "auto" else "devices"
        raise ConfigError(
            f"trainer.{key}={config.trainer[key]} leaves the choice to the machine, which reproducibility={mode} "
            f"excludes: {'name cpu or gpu' if key == 'accelerator' else 'give a number'}, or choose "
            "reproducibility=fast"
        )
    if accelerator not in PROMISED:
        raise ConfigError(
            f"trainer.accelerator={accelerator} is not one of those for which reproducibility={mode} promises the same "
            f"bits ({', '.join(PROMISED)}): choose one of them, or reproducibility=fast"
        )
    name, settings = _strategy(config)
    for argument in _STATEFUL:
        if settings.get(argument) is not None:
            raise ConfigError(
                f"trainer.strategy.{argument} of {name} keeps a state that no checkpoint holds, so a run could not "
                f"resume with the same bits, as reproducibility={mode} promises: leave it out, or choose "
                "reproducibility=fast"
            )


def refuse_sharding(name: str) -> None:
    """Refuse a strategy that divides the training state among processes."""
    raise ConfigError(
        f"trainer.strategy={name} divides weights or optimizer state among processes, but this project's "
        "checkpoints, step trace and model file hold whole ones: choose trainer=ddp"
    )


def _strategy(config: Config) -> tuple[str, dict[str, Any]]:
    """Return the name of the strategy or its class, and the settings of the class."""
    strategy = config.trainer.get("strategy", "auto")
    if isinstance(strategy, dict):
        return str(strategy.get("_target_")).rpartition(".")[2], strategy
    return str(strategy), {}
