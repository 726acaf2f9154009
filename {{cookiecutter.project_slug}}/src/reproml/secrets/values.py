"""Which values of the environment are secret, and the texts that give them away.

A value is secret when the name of its variable says so, when it is an address with a password, or when the
configuration reads it. A name with KEY in it can belong to anything (`DATASET_KEY=breast_cancer`), so there the value
has to look random. Paths on this machine are not secrets.
"""

import os
import re
from functools import cache
from pathlib import Path

from dotenv import load_dotenv

from ..errors import ConfigError
from ..packages import own_packages
from .forms import SHORTEST, forms, looks_random

ADDRESS_WITH_PASSWORD = re.compile(r"(://[^/@:\s]*:)(?!\$\{)[^/\s\"']+(?=@)")  # a password may hold @, too
_SECRET_NAME = re.compile(
    r"TOKEN(?!IZ)|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|WEBHOOK|CONNECTION_STRING"
    r"|(API|ACCESS|PRIVATE|ENCRYPTION|SIGNING|ACCOUNT)_?KEY|(^|_)PASS$|_(PWD|AUTH|DSN|SAS)$",
    re.IGNORECASE,
)
_PERHAPS_SECRET_NAME = re.compile("KEY", re.IGNORECASE)
_read: set[str] = set()  # what the configuration has read from the environment


def load() -> None:
    """Put the variables of `.env` into the environment; those that are set already win.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        load_dotenv(Path(".env"), encoding="utf-8-sig")  # editors on Windows begin a file with a mark
    except (OSError, ValueError) as error:  # other characters, or a variable that no process can have
        reason = error.reason if isinstance(error, UnicodeDecodeError) else error
        raise ConfigError(f".env cannot be read ({reason}): save it as text in UTF-8, one NAME=value a line") from error
    refresh()


def refresh() -> None:
    """Look at the environment again, because it has changed."""
    for cached in (named, to_mask, to_refuse, _project_words):
        cached.cache_clear()


def is_secret_name(name: str) -> bool:
    """Whether the name of a variable or key says that its value is secret."""
    return bool(_SECRET_NAME.search(name))


def note(value: str) -> None:
    """Mask a value that the configuration has read from the environment, from now on."""
    if value not in _read:
        _read.add(value)
        to_mask.cache_clear()
        to_refuse.cache_clear()


@cache
def named() -> frozenset[str]:
    """Return the values of the environment that are secret by the name of their variable, or by their shape."""
    return frozenset(
        value
        for name, value in os.environ.items()
        if len(value) >= SHORTEST
        and not _is_place(value)
        and (
            is_secret_name(name)
            or (_PERHAPS_SECRET_NAME.search(name) and looks_random(value))
            or ADDRESS_WITH_PASSWORD.search(value)
        )
    )


@cache
def to_mask() -> re.Pattern[str]:
    """Return the expression that finds every text that gives a secret away."""
    values = named() | {value for value in _read if not _is_place(value) and not _is_number(value)}
    return _any_of({text for value in values for text in forms(value)})


@cache
def to_refuse() -> re.Pattern[str]:
    """Return the same for secrets that cannot be mistaken for the project's own words: no file may hold these.

    A password that is also a word in configs/, such as a package's name, gives nothing away there.
    """
    values = {value for value in named() if looks_random(value) or not is_own_word(value)}
    values |= {value for value in _read if not _is_place(value) and looks_random(value)}
    return _any_of({text for value in values for text in forms(value)})


def is_own_word(value: str) -> bool:
    """Whether a value is a word of the project: the name of one of its packages, or one that its configuration uses."""
    return value.replace("-", "_") in _project_words()


@cache
def _project_words() -> frozenset[str]:
    paths = list(Path("configs").rglob("*.yaml"))
    texts = [path.stem for path in paths] + [path.read_text(encoding="utf-8", errors="replace") for path in paths]
    return frozenset({*own_packages(), *re.findall(r"[A-Za-z_]\w*", "\n".join(texts))})


def _any_of(texts: set[str]) -> re.Pattern[str]:
    longest_first = sorted(texts, key=lambda text: (-len(text), text))
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def _is_place(value: str) -> bool:
    try:
        return os.sep in value and Path(value).exists()
    except (OSError, ValueError):  # too long for a path, say
        return False


def _is_number(value: str) -> bool:
    return value.replace(".", "", 1).isdigit()
