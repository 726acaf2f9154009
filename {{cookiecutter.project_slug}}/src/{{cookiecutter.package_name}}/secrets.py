"""Secrets live in `.env` and in the environment. They are masked wherever this project writes text.

A variable counts as secret when its name says so, or when its value is an address that holds a password.
"""

import logging
import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from dotenv import load_dotenv
from omegaconf import DictConfig, OmegaConf

from .errors import ConfigError

MASK = "***"
_SECRET_NAME = re.compile(
    r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|WEBHOOK|CONNECTION_STRING|_(PASS|PWD|AUTH|DSN)$",
    re.IGNORECASE,
)
_ADDRESS_WITH_PASSWORD = re.compile(r"(://[^/@:\s]*:)[^/\s\"']+(?=@)")  # a password may hold @, too
_SHORTEST = 8  # shorter values would mask ordinary words


def load() -> None:
    """Put the variables of `.env` into the environment; those that are set already win."""
    load_dotenv(Path(".env"))
    values.cache_clear()


@cache
def values() -> list[str]:
    """Return the secret values in the environment, longest first."""
    found = {
        value
        for name, value in os.environ.items()
        if len(value) >= _SHORTEST and (_SECRET_NAME.search(name) or _ADDRESS_WITH_PASSWORD.search(value))
    }
    return sorted(found, key=len, reverse=True)


def mask(text: str, more: Iterable[str] = ()) -> str:
    """Return `text` with every secret value, every value of `more`, and every password in an address replaced."""
    for value in (*values(), *more):
        if value:
            text = text.replace(value, MASK)
    return _ADDRESS_WITH_PASSWORD.sub(rf"\g<1>{MASK}", text)


def refuse_in(arguments: Iterable[str]) -> None:
    """Refuse a secret on the command line, because Hydra writes the arguments into the run folder.

    Raises:
        ConfigError: an argument holds the value of a secret.
    """
    for argument in arguments:
        if mask(argument) != argument:
            key = mask(argument.partition("=")[0])
            raise ConfigError(
                f"{key}={MASK} holds a secret, which would be recorded: write $" + "{oc.env:NAME} in configs/ instead"
            )


def public(cfg: DictConfig) -> dict[str, Any]:
    """Return the configuration as plain types that may be written anywhere.

    What is read from the environment stays as `${oc.env:NAME}`; every other interpolation is resolved, and masked where
    it leads to a secret or to such a value.
    """
    raw, resolved = OmegaConf.to_container(cfg), OmegaConf.to_container(cfg, resolve=True)
    read = [str(value) for _, text, value in _leaves(raw, resolved) if _reads_environment(text)]

    def shown(text: Any, value: Any) -> Any:
        if isinstance(text, dict):
            return {str(key): shown(text[key], value[key]) for key in text}
        if isinstance(text, list):
            return [shown(*pair) for pair in zip(text, value, strict=True)]
        if _reads_environment(text):
            return text
        return mask(value, read if text != value else []) if isinstance(value, str) else value

    return shown(raw, resolved)


def values_from_environment(cfg: DictConfig) -> dict[str, str]:
    """Return the values of the configuration that read the environment, as they are written, by their keys."""
    raw = OmegaConf.to_container(cfg)
    return {key: text for key, text, _ in _leaves(raw, raw) if _reads_environment(text)}


def _reads_environment(text: Any) -> bool:
    return isinstance(text, str) and "${oc.env:" in text


def _leaves(raw: Any, resolved: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield key, text and value of everything that is not a list or dictionary."""
    if isinstance(raw, dict):
        for name in raw:
            yield from _leaves(raw[name], resolved[name], f"{key}.{name}".lstrip("."))
    elif isinstance(raw, list):
        for number, pair in enumerate(zip(raw, resolved, strict=True)):
            yield from _leaves(*pair, f"{key}.{number}")
    else:
        yield key, raw, resolved


class MaskFilter(logging.Filter):
    """Masks secrets in log records, tracebacks included."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = mask(record.getMessage()), None
        if record.exc_info:
            record.exc_text = mask(record.exc_text or logging.Formatter().formatException(record.exc_info))
        return True
