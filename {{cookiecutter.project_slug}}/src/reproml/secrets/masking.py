"""Secrets are masked in everything that is shown: the console, logs, errors, reports, and what trackers receive."""

import logging
import re
import sys
import warnings
from contextlib import suppress
from typing import Any, TextIO

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


class MaskedRecord(logging.LogRecord):
    """A log record without secrets, even in its traceback. All records are made this way, so no handler shows one."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        with suppress(TypeError, ValueError):  # the arguments do not fit the message, which the handler will report
            self.msg, self.args = mask(self.getMessage()), None
        if self.exc_info and self.exc_info[0] is None:  # exc_info was asked for, but nothing had failed
            self.exc_info = None
        if self.exc_info:
            self.exc_text = mask(logging.Formatter().formatException(self.exc_info))
        if self.stack_info:
            self.stack_info = mask(self.stack_info)


def _show_masked(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Write a warning without secrets to the console: Python does that past all logs."""
    with suppress(AttributeError, OSError):  # there is no console, as Python's own way allows
        (file or sys.stderr).write(mask(warnings.formatwarning(message, category, filename, lineno, line)))


warnings.showwarning = _show_masked
logging.setLogRecordFactory(MaskedRecord)  # here, so that it holds in each process that imports this project
