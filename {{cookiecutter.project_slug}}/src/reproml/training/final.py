"""The weights that a run ends with: `training.final_weights` says which, and nothing else does."""

from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_object
from lightning import LightningModule, Trainer

from ..config.schema import Config
from ..errors import ConfigError, DataError
from ..models.saved import SetWeights
from ..names import LAST
from .checkpoint import BestCheckpoint, load_checkpoint, refuse_other_run


def check_final_weights(config: Config) -> None:
    """Check that a run which shall end with the weights of its best epoch has one callback that keeps them.

    Raises:
        ConfigError: it has none, or several, or no epoch is validated; or what keeps the best epoch would write it
            over another file of the run, or where a resumed run does not look for it.
    """
    keepers = [name for name, settings in config.callbacks.items() if _keeps_best(settings)]
    for name in keepers:
        _check_filename(f"callbacks.{name}.filename", config.callbacks[name].get("filename"))
    if config.training.final_weights != "best":
        return
    if len(keepers) != 1:
        found = f"callbacks.{' and callbacks.'.join(keepers)} each keep one" if keepers else "no callback keeps it"
        fix = "leave one of them" if keepers else "choose callbacks=best"
        raise ConfigError(
            f"training.final_weights=best asks for the best epoch, but {found}: {fix}, or training.final_weights=last"
        )
    epochs, every = config.training.epochs, config.trainer.get("check_val_every_n_epoch", 1)
    if (every or 1) > epochs or config.trainer.get("limit_val_batches") == 0:
        raise ConfigError(
            f"training.final_weights=best asks for the best epoch, but none of {epochs} is validated: validate more "
            "often (trainer.check_val_every_n_epoch, trainer.limit_val_batches), or training.final_weights=last"
        )


def _keeps_best(settings: dict[str, Any]) -> bool:
    named = get_object(settings["_target_"])
    ours = isinstance(named, type) and issubclass(named, BestCheckpoint)
    return ours and settings.get("monitor") is not None and settings.get("save_top_k") != 0


def _check_filename(key: str, name: str | None) -> None:
    if name is None:
        return
    path = Path(str(name))  # Hydra reads 5 as a number
    if path.is_absolute() or ".." in path.parts or path.name == Path(LAST).stem or path.name.startswith("resume-"):
        raise ConfigError(
            f"{key}={name} is no name for the best epoch: give one that stays in the run and is none of the run's own "
            "(last, resume-...), as in best"
        )


def end_with(trainer: Trainer, model: LightningModule, which: str) -> None:
    """Give a model the weights that the run ends with. It has them in its test, too, whatever its set-up does then.

    Args:
        trainer: which has trained, and will test.
        model: with the weights of the last epoch.
        which: `training.final_weights`.

    Raises:
        DataError: as in `final_weights`.
    """
    weights = {name: tensor.detach().clone() for name, tensor in final_weights(trainer, model, which).items()}
    model.load_state_dict(weights)
    unfit = f"the set-up of {type(model).__name__} for its test makes another model: make the same for each stage"
    trainer.callbacks.append(SetWeights(weights, unfit))  # type: ignore[attr-defined]


def final_weights(trainer: Trainer, model: LightningModule, which: str) -> dict[str, torch.Tensor]:
    """Return the weights that the run ends with.

    Args:
        trainer: which has trained.
        model: with the weights of the last epoch.
        which: `training.final_weights`: `last`, or `best` for those that the run's BestCheckpoint has kept. Any other
            callback that keeps checkpoints changes nothing.

    Raises:
        DataError: no best epoch was kept, or its file is damaged or not the one that this training wrote.
    """
    if which != "best":
        return model.state_dict()
    keepers = [each for each in trainer.checkpoint_callbacks if isinstance(each, BestCheckpoint) and each.monitor]
    if len(keepers) != 1 or not keepers[0].best_model_path:
        raise DataError(
            "training.final_weights=best asks for the best epoch, but the training kept none: validate at least one "
            "epoch, or choose training.final_weights=last"
        )
    [callback] = keepers
    best = Path(callback.best_model_path)
    checkpoint = load_checkpoint(best)
    _refuse_other_best(best, checkpoint, callback, trainer)
    return checkpoint["state_dict"]


def _refuse_other_best(path: Path, checkpoint: dict[str, Any], callback: BestCheckpoint, trainer: Trainer) -> None:
    """Refuse a file that replaced the best epoch, judging by its configuration and the callback's score."""
    own, found = trainer.strategy.checkpoint_io.config, checkpoint.get("config")  # type: ignore[attr-defined]
    # with restore=continue, the best epoch may be one of the earlier run
    if found is None or own["restore"]["mode"] != "continue":
        refuse_other_run(path, found, own)
    score = callback.best_model_score
    if score is None or callback.save_weights_only:  # such a file holds no score
        return
    saved = checkpoint.get("callbacks", {}).get(callback.state_key, {}).get("best_model_score")
    if saved is None or float(score) != float(saved):
        its = "it holds no score" if saved is None else f"its score is {float(saved):.6g}"
        raise DataError(
            f"{path} is not the best epoch of this run ({its}, and that of the best epoch is {float(score):.6g}): put "
            "the run's own file back, or train again"
        )
