"""Lightning's callbacks that cannot be repeated or resumed exactly. The template's tests interrupt all the others."""

from hydra.utils import get_object

from ..errors import ConfigError
from .schema import Config

_REASONS = {
    "BatchSizeFinder": "chooses training.batch_size by the memory of the machine: set that instead",
    "LearningRateFinder": "changes the learning rate without a record: set training.lr instead",
    "ModelPruning": "loses what it pruned when the run is resumed",
    "OnExceptionCheckpoint": (
        "makes a new training start from an earlier one's file: callbacks.resume_point saves after an interruption"
    ),
    "SpikeDetection": "cannot read its own state when the run is resumed",
    "StochasticWeightAveraging": (
        "loses its schedule when resumed: lightning.pytorch.callbacks.WeightAveraging averages weights too"
    ),
    "Timer": "stops by the clock",
}
_LIGHTNING = ("lightning", "pytorch_lightning")


def refuse_named(config: Config) -> None:
    """Refuse such callbacks by their names, before anything is loaded.

    Raises:
        ConfigError: naming the callback, unless the run guarantees no bits.
    """
    for key, callback in config.callbacks.items():
        package, *_, name = str(callback.get("_target_")).split(".")
        reason = _REASONS.get(name) if package in _LIGHTNING else None
        if callback.get("train_time_interval") is not None:
            reason = "saves by the clock, which can change the final weights: use every_n_train_steps"
        _refuse(config, key, reason)


def refuse_derived(config: Config) -> None:
    """Refuse classes that are derived from such callbacks. This loads them, and so torch.

    What cannot be imported is left to signatures.py, which says so.

    Raises:
        ConfigError: naming the callback, unless the run guarantees no bits.
    """
    for key, callback in config.callbacks.items():
        try:
            target = get_object(callback["_target_"])
        except Exception:  # importing it can raise anything
            target = None
        _refuse(
            config, key, reason_against(target) if isinstance(target, type) else None
        )  # a function may make one too


def reason_against(kind: type) -> str | None:
    """Return why a callback of this class is refused, if it is one of those or derived from one."""
    names = [base.__name__ for base in kind.__mro__ if base.__module__.partition(".")[0] in _LIGHTNING]
    return next((_REASONS[name] for name in names if name in _REASONS), None)


def _refuse(config: Config, key: str, reason: str | None) -> None:
    mode = config.reproducibility.mode
    if reason is not None and mode != "fast":
        raise ConfigError(
            f"callbacks.{key} {reason}; reproducibility={mode} rules that out: remove it, or choose "
            "reproducibility=fast"
        )
