"""Secrets live in `.env` and in the environment. They are masked wherever this project writes text.

A variable counts as secret when its name says so, or when its value is an address that holds a password.
"""

import logging
import os
import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from dotenv import find_dotenv, load_dotenv
from omegaconf import DictConfig, OmegaConf

from .errors import ConfigError

MASK = "***"
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|WEBHOOK", re.IGNORECASE)
_ADDRESS_WITH_PASSWORD = re.compile(r"://[^/@:]*:[^/@]+@")
_SHORTEST = 6  # shorter values would mask ordinary words


def load() -> None:
    """Put the variables of the nearest `.env` into the environment; those that are set already win."""
    load_dotenv(find_dotenv(usecwd=True))
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


def mask(text: str) -> str:
    """Return `text` with every secret value replaced."""
    for value in values():
        text = text.replace(value, MASK)
    return text


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
    """Return the configuration with every interpolation resolved and every secret masked, as plain types."""

    def masked(node: Any) -> Any:
        if isinstance(node, dict):
            return {str(key): masked(value) for key, value in node.items()}
        if isinstance(node, list):
            return [masked(value) for value in node]
        return mask(node) if isinstance(node, str) else node

    return masked(OmegaConf.to_container(cfg, resolve=True))


class MaskFilter(logging.Filter):
    """Masks secrets in log records, tracebacks included."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = mask(record.getMessage()), None
        if record.exc_info:
            record.exc_text = mask(record.exc_text or logging.Formatter().formatException(record.exc_info))
        return True
