"""Secrets live in `.env` and in the environment. They are masked where they are shown, never where they are used.

The configuration that classes are built from, and every file that is read again, hold `${oc.env:NAME}` where a value
comes from the environment. A configuration that holds a secret itself is refused before any work.
"""

from .configuration import public, refuse_in, refuse_in_configuration, values_from_environment
from .files import holds_secret, is_private
from .masking import MASK, MaskedRecord, mask, masked
from .values import load, refresh

__all__ = [
    "MASK",
    "MaskedRecord",
    "holds_secret",
    "is_private",
    "load",
    "mask",
    "masked",
    "public",
    "refresh",
    "refuse_in",
    "refuse_in_configuration",
    "values_from_environment",
]
