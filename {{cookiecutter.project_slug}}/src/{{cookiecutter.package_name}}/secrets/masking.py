"""Secrets are masked in everything that is shown: the console, logs, errors, reports, and what trackers receive."""

import logging
import re
from typing import Any

from .files import KNOWN_TOKENS
from .values import ADDRESS_WITH_PASSWORD, to_mask

MASK = "***"
# Parameters of an address that are a signature or a key: of S3, Google, Azure, CloudFront and of most other services.
_SIGNED = re.compile(
    r"((?:[?&;]|%3F|%26)(?:X-(?:Amz|Goog)-[\w-]+|(?:AWS)?AccessKeyId|GoogleAccessId|Key-Pair-Id|Policy|Signature|sig"
    r"|(?:access|auth|api|client|private|secret|refresh|id|sas)[_-]?(?:token|key|secret)|token|secret|auth|password|passwd"
    r")(?:=|%3D))(?!\$\{)(?:(?!%26)[^&\s\"'<>#,)\]}])+",
    re.IGNORECASE,
)
_KNOWN = re.compile(KNOWN_TOKENS)


def mask(text: str) -> str:
    """Return `text` without secrets: those of the environment in any form, and what looks like one by itself."""
    return mask_shapes(to_mask().sub(MASK, text))


def mask_shapes(text: str) -> str:
    """Return `text` without passwords and signatures in addresses, and without tokens of known services."""
    text = ADDRESS_WITH_PASSWORD.sub(rf"\g<1>{MASK}", text)
    return _KNOWN.sub(MASK, _SIGNED.sub(rf"\g<1>{MASK}", text))


def masked(value: Any) -> Any:
    """Return plain types in which every text is masked."""
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return mask(value) if isinstance(value, str) else value


class MaskFilter(logging.Filter):
    """Masks secrets in log records, tracebacks included. A record that several handlers write is masked once."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not getattr(record, "masked", False):
            record.masked = True
            record.msg, record.args = mask(record.getMessage()), None
            if record.exc_info:
                record.exc_text = mask(record.exc_text or logging.Formatter().formatException(record.exc_info))
            if record.stack_info:
                record.stack_info = mask(record.stack_info)
        return True
