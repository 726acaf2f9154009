"""What a new run takes over from an earlier one: nothing, the weights, the optimizer too, or everything."""

import logging
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import LambdaCallback
from lightning.pytorch.utilities.model_helpers import is_overridden

from ..config.schema import Restore
from ..errors import ConfigError, DataError
from ..models.pretrained import load_pretrained
from ..models.saved import load_weights
from ..runs.folder import RunFolder
from ..runs.pretrained import PICKLED, SAFE, is_pretrained
from .checkpoint import load_checkpoint, peek
from .keyed import LoaderPlace
from .pretrained import OF_THE_LOSS, in_words, matched, refuse_unknown, wanted
from .resume import latest_valid

log = logging.getLogger(__name__)


def starting_file(settings: Restore) -> Path | None:
    """Return the file of the earlier run that a run starts from, the file or folder of pretrained weights, or None.

    Raises:
        DataError: there is no such file.
    """
    if settings.mode == "fresh":
        return None
    earlier = RunFolder(str(settings.run))
    if _pretrained(settings):
        return earlier.path
    if settings.mode == "finetune":
        path: Path | None = earlier.model
    else:  # where the training came to its end; of an interrupted run, the newest resume point
        last = earlier.last_checkpoint
        path = last if last.exists() else latest_valid(earlier.checkpoints)
    if path is None or not path.exists():
        raise DataError(
            f"restore.run={earlier} holds nothing that restore={settings.mode} can start from: name the folder of a "
            "finished run (warmstart and continue: or of an interrupted one; finetune: or weights from elsewhere, a "
            f"file {', '.join((SAFE, *PICKLED))} or a folder of the Hugging Face Hub)"
        )
    return path


def restore(point: Path | None, settings: Restore, model: LightningModule, trainer: Trainer) -> Path | None:
    """Prepare model and trainer, and return the checkpoint that Lightning restores whole, if any.

    Args:
        point: the resume point of an interrupted run; it decides alone.
        settings: what a new run takes over from an earlier one.
        model: whose weights are set.
        trainer: whose optimizer is set.

    Raises:
        ConfigError: the earlier run does not fit the model.
        DataError: its files are not there.
    """
    trainer.strategy.precision_plugin.convert_module(model)  # first, because restored weights must not be rounded
    path = point if point is not None else starting_file(settings)
    if path is None:
        return None
    if point is not None or settings.mode == "continue":
        saved = torch.load(path, map_location="cpu", weights_only=True, mmap=True)["loaders"]
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, LoaderPlace):
                callback.take_up(saved)
        return path
    if settings.mode == "finetune":
        weights = _weights(path, settings)
        _take_over_when_made(weights, model, settings, trainer)
    else:
        checkpoint = load_checkpoint(path)
        _take_over_when_made(checkpoint["state_dict"], model, settings, trainer)
        trainer.callbacks.append(_OptimizerStates(checkpoint["optimizer_states"], settings))  # type: ignore[attr-defined]
    return None


def refuse_unfit(settings: Restore, model: LightningModule) -> None:
    """Refuse an earlier run whose weights a model cannot take over, as far as it has them before its set-up.

    Raises:
        ConfigError: the earlier run does not fit the model.
        DataError: its files are not there.
    """
    if (path := starting_file(settings)) is None:
        return
    weights = _weights(path, settings) if settings.mode == "finetune" else peek(path)["state_dict"]
    if not _makes_layers(weights, model):
        _refuse_unfit(weights, model, settings)


def _pretrained(settings: Restore) -> bool:
    """Whether the weights come from elsewhere, and not from a run."""
    return settings.mode == "finetune" and is_pretrained(Path(str(settings.run)))


def _weights(path: Path, settings: Restore) -> dict[str, torch.Tensor]:
    """Return the final weights of a run, or those from elsewhere."""
    return load_pretrained(path) if _pretrained(settings) else load_weights(path)[0]


def _take_over_when_made(
    weights: dict[str, torch.Tensor], model: LightningModule, settings: Restore, trainer: Trainer
) -> None:
    """Take over weights now, or as soon as hooks of the set-up have made the layers that lack."""
    if _makes_layers(weights, model):
        take_over = LambdaCallback(on_fit_start=lambda trainer, made: _take_over(weights, made, settings))
        trainer.callbacks.append(take_over)  # type: ignore[attr-defined]
    else:
        _take_over(weights, model, settings)


def _makes_layers(weights: dict[str, torch.Tensor], model: LightningModule) -> bool:
    """Whether hooks of the set-up may make the layers that a model lacks."""
    lacks = weights.keys() - model.state_dict().keys()
    return bool(lacks) and any(is_overridden(hook, model) for hook in ("setup", "configure_model"))


def _changes_weights(model: LightningModule) -> bool:
    """Whether a hook of the model may change the weights of a checkpoint before they are loaded; none here does."""
    ours = type(model).on_load_checkpoint.__module__.partition(".")[0] == __name__.partition(".")[0]
    return is_overridden("on_load_checkpoint", model) and not ours


def _take_over(weights: dict[str, torch.Tensor], model: LightningModule, settings: Restore) -> None:
    own = model.state_dict()
    if _pretrained(settings):
        found = matched(weights, model, settings)
        model.load_state_dict(own | {name: weights[other] for other, name in found.names.items()})
        log.info("restore.run=%s: %s", settings.run, in_words(found))
        return
    _refuse_unfit(weights, model, settings)
    model.load_state_dict(own | wanted(weights, settings))


def _refuse_unfit(weights: dict[str, torch.Tensor], model: LightningModule, settings: Restore) -> None:
    if _pretrained(settings):
        matched(weights, model, settings)
        return
    own = model.state_dict()
    refuse_unknown(settings, weights, own)
    whole = settings.mode == "continue"
    if whole and (not model.strict_loading or _changes_weights(model)):
        return  # the model itself says what it takes
    left = () if whole else (*settings.skip, *OF_THE_LOSS)
    taken = weights if whole else wanted(weights, settings)
    unfit = [name for name, tensor in taken.items() if name not in own or own[name].shape != tensor.shape]
    unfit += [name for name in own if name not in weights and not name.startswith(left)]
    if unfit:
        skip = f", or skip these tensors: restore.skip=[{','.join(unfit[:3])}]"
        raise ConfigError(
            f"restore.run={settings.run} has another {', '.join(unfit[:3])}: choose the model of that run"
            + ("" if whole else skip)
        )


class OwnSettings(Callback):
    """Lets a run that continues another one keep the settings of its own callbacks, and take over their counters.

    Some callbacks restore settings together with their state, as EarlyStopping does with its patience.

    Args:
        callbacks: by their names in the configuration.
        settings: of the callbacks, by the same names.
    """

    def __init__(self, callbacks: dict[str, Callback], settings: dict[str, dict[str, Any]]) -> None:
        self.callbacks, self.settings = callbacks, settings
        self._own: list[tuple[Callback, str, Any]] = []  # callback, attribute, and its value

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Note the settings that differ, before any callback gets its state."""
        for name, callback in self.callbacks.items():
            now, before = self.settings[name], checkpoint["config"]["callbacks"].get(name) or {}
            changed = [key for key in {**before, **now} if now.get(key) != before.get(key)]
            attributes = [found for key in changed for found in (key, f"_{key}") if found in vars(callback)]
            self._own += [(callback, attribute, getattr(callback, attribute)) for attribute in attributes]

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for callback, attribute, value in self._own:
            setattr(callback, attribute, value)


class _OptimizerStates(Callback):
    """Gives each optimizer the moments of the earlier one; its learning rate stays that of the new schedule.

    Args:
        states: of the earlier optimizers.
        settings: whose `skip` names parameters that keep no moments.
    """

    def __init__(self, states: list[dict[str, Any]], settings: Restore) -> None:
        self.states, self.settings = states, settings

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Load them.

        Raises:
            ConfigError: the optimizers have other numbers of parameters. An optimizer knows its parameters by their
                numbers, which a layer more or less would shift.
        """
        sizes = [[len(group["params"]) for group in state["param_groups"]] for state in self.states]
        now = [[len(group["params"]) for group in optimizer.param_groups] for optimizer in trainer.optimizers]
        if sizes != now:
            before, after = (" and ".join(str(sum(groups)) for groups in each) for each in (sizes, now))
            raise ConfigError(
                f"restore.run={self.settings.run} has the optimizer's state of {before} tensors, and this model has "
                f"{after}: restore=finetune takes over only the weights"
            )
        names = {parameter: name for name, parameter in pl_module.named_parameters()}
        skip = tuple(self.settings.skip)
        for optimizer, earlier in zip(trainer.optimizers, self.states, strict=True):
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            kept = {
                number: earlier["state"][number]
                for number, parameter in enumerate(parameters)
                if number in earlier["state"] and not names.get(parameter, "").startswith(skip)
            }
            optimizer.load_state_dict({"state": kept, "param_groups": optimizer.state_dict()["param_groups"]})
