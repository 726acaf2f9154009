"""What the configuration reads from the environment stays `${oc.env:NAME}` in every file, and is masked elsewhere."""

import os
from collections.abc import Iterable
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from omegaconf.resolvers import oc

from ..errors import ConfigError
from . import values
from .masking import MASK, mask, mask_shapes

_times_read = 0


def _environment(name: str, *default: Any) -> Any:
    """Return the value of a variable as OmegaConf's own resolver does, and note it, however deeply it is nested."""
    global _times_read
    _times_read += 1
    if name in os.environ:
        values.note(os.environ[name])
    return oc.env(name, *default)


OmegaConf.register_new_resolver("oc.env", _environment, replace=True)


def public(cfg: DictConfig) -> dict[str, Any]:
    """Return the configuration as plain types, to be written and to be read again.

    What is read from the environment stays as it is written, such as `${oc.env:NAME}`; every other interpolation is
    resolved.
    """
    written: dict[str, Any] = _written(cfg, OmegaConf.to_container(cfg), "", {})
    return written


def values_from_environment(cfg: DictConfig) -> dict[str, str]:
    """Return the values of the configuration that read the environment, as they are written, by their keys."""
    found: dict[str, str] = {}
    _written(cfg, OmegaConf.to_container(cfg), "", found)
    return found


def _written(node: DictConfig | ListConfig, raw: Any, parent: str, found: dict[str, str]) -> Any:
    """Return a node in plain types, and add what reads the environment to `found`."""

    def item(key: Any) -> Any:
        name = f"{parent}.{key}".lstrip(".")
        if OmegaConf.is_interpolation(node, key):
            before, value = _times_read, _resolved(node, key)
            if _times_read > before:
                found[name] = raw[key]
                return raw[key]
            if isinstance(value, OmegaConfBaseException):
                raise value
            return value
        return _written(node[key], raw[key], name, found) if isinstance(raw[key], dict | list) else raw[key]

    if isinstance(raw, dict):
        return {str(key): item(key) for key in raw}
    return [item(position) for position in range(len(raw))]


def _resolved(node: DictConfig | ListConfig, key: Any) -> Any:
    """Return the value that an interpolation leads to, in plain types, or the error that it leads to."""
    try:
        value = node[key]
        return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
    except OmegaConfBaseException as error:
        return error


def refuse_in(arguments: Iterable[str]) -> None:
    """Refuse a secret on the command line, because it would be recorded.

    Raises:
        ConfigError: an argument holds a secret.
    """
    for argument in arguments:
        key, _, value = argument.partition("=")
        if _is_literal_secret(key, value) or _is_literal_secret("", key):
            raise _refused(mask(key))


def refuse_in_configuration(cfg: DictConfig) -> None:
    """Refuse a secret in the configuration itself, because it would be recorded.

    Raises:
        ConfigError: a value, as it is written, holds a secret.
    """
    for key, value in _leaves(OmegaConf.to_container(cfg), ""):
        if _is_literal_secret(key, value):
            raise _refused(mask(key))


def _leaves(value: Any, key: str) -> Iterable[tuple[str, str]]:
    if isinstance(value, dict | list):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(item, f"{key}.{name}".lstrip("."))
    elif isinstance(value, str):
        yield key, value


def _is_literal_secret(key: str, value: str) -> bool:
    """Whether a value holds a secret: one that is not a word of the project, or any if the key says that it is one."""
    if mask_shapes(value) != value or values.to_refuse().search(value):
        return True
    return values.is_secret_name(key.rpartition(".")[2]) and mask(value) != value


def _refused(key: str) -> ConfigError:
    return ConfigError(
        f"{key}={MASK} holds a secret, which would be recorded: write $" + "{oc.env:NAME} in configs/ instead"
    )
