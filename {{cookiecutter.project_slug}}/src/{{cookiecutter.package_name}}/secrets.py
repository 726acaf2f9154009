"""Secrets live in `.env` and in the environment. They are masked wherever this project writes text."""

import logging
import os
import re
from collections.abc import Iterable
from typing import Any

from dotenv import dotenv_values, find_dotenv, load_dotenv
from omegaconf import DictConfig, OmegaConf

from .errors import ConfigError

MASK = "***"
_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL)", re.IGNORECASE)
_SHORTEST = 6  # shorter values, such as `true` or a port, would mask ordinary words


def load() -> None:
    """Put the variables of the nearest `.env` into the environment; those that are set already win."""
    load_dotenv(find_dotenv(usecwd=True))


def values() -> list[str]:
    """Return the secret values: those of `.env` and of variables that are named like a secret, longest first."""
    found = set(dotenv_values(find_dotenv(usecwd=True)).values())
    found |= {value for name, value in os.environ.items() if _SECRET_NAME.search(name)}
    return sorted((value for value in found if value and len(value) >= _SHORTEST), key=len, reverse=True)


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
            key = argument.partition("=")[0]
            raise ConfigError(
                f"{mask(key)}={MASK} holds a secret, which would be recorded: "
                "write ${oc.env:NAME} in configs/ instead"
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
        if record.exc_info and not record.exc_text:
            record.exc_text = mask(logging.Formatter().formatException(record.exc_info))
        return True
