"""Which tensors of earlier or pretrained weights a model takes over."""

import torch
from lightning import LightningModule

from ..config.schema import Restore
from ..errors import ConfigError
from ..models.pretrained import Match, match

_SHOWN = 3  # names in a sentence
OF_THE_LOSS = ("loss.",)  # class weights, say: a new run has its own in its configuration


def wanted(weights: dict[str, torch.Tensor], settings: Restore) -> dict[str, torch.Tensor]:
    """Return those that are to be taken over: without what `restore.skip` names, and without those of the loss."""
    return {name: tensor for name, tensor in weights.items() if not name.startswith((*settings.skip, *OF_THE_LOSS))}


def refuse_unknown(settings: Restore, weights: dict[str, torch.Tensor], own: dict[str, torch.Tensor]) -> None:
    """Refuse to skip what is neither among the weights nor among the model's own.

    Raises:
        ConfigError: no name begins so.
    """
    for prefix in settings.skip:
        if not any(name.startswith(prefix) for name in (*own, *weights)):
            raise ConfigError(
                f"restore.skip names {prefix}, but no tensor name starts with that: give the beginning of a name "
                f"(there are: {', '.join(own)})"
            )


def matched(weights: dict[str, torch.Tensor], model: LightningModule, settings: Restore) -> Match:
    """Return which of pretrained weights a model takes over.

    Raises:
        ConfigError: none, or nothing tells which.
    """
    own = model.state_dict()
    refuse_unknown(settings, weights, own)
    found = match(wanted(weights, settings), wanted(own, settings))
    if isinstance(found, list):
        places = " or ".join(f"{now}* (there {before}*)" for before, now in found[:_SHOWN])
        raise ConfigError(
            f"restore.run={settings.run} fits {places} equally well: leave out all but one with restore.skip"
        )
    if not found.names:
        raise ConfigError(
            f"restore.run={settings.run} has no tensor that is one of this model by name and shape: it has "
            f"{_listed(list(weights))}, and the model has {_listed(list(own))}; choose the model that it was made with"
        )
    return found


def in_words(found: Match) -> str:
    """Return which tensors are taken over and which are not: how many, and the first names."""
    before, now = found.prefix
    renamed = f", whose names begin with {before or 'nothing'} there and {now or 'nothing'} here" * (before != now)
    taken = f"{len(found.names)} tensors are taken over{renamed}: {_listed(list(found.names.values()))}"
    left = f"{len(found.left)} of this model stay as they are: {_listed(found.left)}" * bool(found.left)
    unused = f"{len(found.unused)} of it are not used: {_listed(found.unused)}" * bool(found.unused)
    return "; ".join(part for part in (taken, left, unused) if part)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" * (len(names) > _SHOWN)
    return f"{', '.join(names[:_SHOWN])}{more}"
