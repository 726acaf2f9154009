"""Whether the trainer can be built on this machine, and with what: found out before a run folder is made."""

import warnings

from lightning.pytorch.accelerators import AcceleratorRegistry, MPSAccelerator
from lightning.pytorch.strategies import (
    DDPStrategy,
    DeepSpeedStrategy,
    FSDPStrategy,
    ModelParallelStrategy,
    SingleDeviceStrategy,
)

from ..config.hardware import refuse_sharding
from ..config.schema import Config, OwnConfig
from ..errors import ConfigError
from .trainer import bare_trainer, is_here

_EXACT = (SingleDeviceStrategy, DDPStrategy)  # a subclass of one may not be exact


def check_trainer(config: Config) -> None:
    """Build the trainer without anything that writes, and check it.

    Raises:
        ConfigError: this machine lacks the accelerator, or the strategy is one that a run cannot use.
        InstantiationException: Lightning refuses the settings, and says why.
    """
    check_accelerator(config.trainer["accelerator"])
    with warnings.catch_warnings():  # training shows them in its log
        warnings.simplefilter("ignore")
        trainer = bare_trainer(config)
    strategy = trainer.strategy
    name = type(strategy).__name__
    if isinstance(strategy, FSDPStrategy | DeepSpeedStrategy | ModelParallelStrategy):
        refuse_sharding(name)
    if config.reproducibility.mode != "fast" and type(strategy) not in _EXACT:
        raise ConfigError(
            f"trainer.strategy={name} is not known to give the same bits again, as "
            f"reproducibility={config.reproducibility.mode} promises: choose auto or ddp, or reproducibility=fast"
        )
    if isinstance(trainer.accelerator, MPSAccelerator) and not isinstance(config, OwnConfig):
        raise ConfigError(
            "MPS has no double precision, but tasks on prepared arrays add up their metrics in it: choose trainer=cpu, "
            "or your own task"
        )


def check_accelerator(name: str) -> None:
    """Refuse an accelerator that Lightning does not know, or that this machine lacks.

    Raises:
        ConfigError: it names those that this machine has.
    """
    if not is_here(name):
        here = [each for each in sorted(AcceleratorRegistry.available_accelerators()) if is_here(each)]
        raise ConfigError(
            f"trainer.accelerator={name} is not available on this machine, where Lightning finds {', '.join(here)}: "
            "choose one of these"
        )
