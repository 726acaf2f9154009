"""How a secret looks in a text: as it is, and as Python, JSON, addresses, shells and base64 write it."""

import base64
import html
import json
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from omegaconf import OmegaConf

SHORTEST = 8  # characters; shorter texts would mask ordinary words
_PLAIN = re.compile(r"[A-Za-z]{1,20}\d{0,4}|\d{1,8}")


def looks_random(value: str) -> bool:
    """Whether a value has a part that is not a word, number or version: `my_project` and `resnet50-v2` have none."""
    return any(len(part) >= SHORTEST and not _PLAIN.fullmatch(part) for part in re.split(r"[^A-Za-z0-9]+", value))


def forms(value: str) -> set[str]:
    """Return the texts that give a secret away."""
    return {text for part in _parts(value) for text in _written(part) if len(text) >= SHORTEST}


def _parts(value: str) -> Iterator[str]:
    """Yield the value, its lines, and what is secret inside an address, a list or a dictionary."""
    yield value
    # a key of several lines is often kept in one, with \n between them
    lines = [line.strip() for line in re.split(r"\n|\\n", value)]
    yield from (line for line in lines if not line.startswith("-----"))  # the first line of any key
    if "://" in value:
        yield from _parts_of_address(value)
    if value.lstrip().startswith(("[", "{")):
        with suppress(Exception):  # it is not a list or dictionary after all
            yield from _leaves(OmegaConf.to_container(OmegaConf.create(value)))


def _parts_of_address(value: str) -> Iterator[str]:
    try:
        address = urlsplit(value)
        user, password = address.username, address.password
    except ValueError:
        return
    secret = password or user or ""  # https://TOKEN@host has no password
    yield from (secret, unquote(secret), address.query)
    found = [*(text for _, text in parse_qsl(address.query)), *address.path.split("/")]
    yield from filter(looks_random, found)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)
    elif isinstance(value, str):
        yield value


def _written(value: str) -> Iterator[str]:
    yield value
    quoted = {quote(value), quote(value, safe=""), quote_plus(value)}
    yield from quoted
    yield from (re.sub(r"%..", lambda match: match[0].lower(), text) for text in quoted)
    yield from (text[1:-1] for text in (repr(value), json.dumps(value), json.dumps(value, ensure_ascii=False)))
    yield repr(f"'\"{value}")[4:-1]  # inside a text that holds both kinds of quotation marks, where repr escapes one
    yield shlex.quote(f" {value}")[2:-1]
    yield value.replace("\\", "\\\\").replace("'", "\\'")  # for Hydra
    yield from (html.escape(value), html.escape(value, quote=False))
    # In base64 a text looks different after 0, 1 or 2 other bytes, such as `user:` of an HTTP header. The first and the
    # last characters can belong to its neighbours as well.
    content = value.encode(errors="surrogateescape")
    for begin in range(3):
        whole = content[begin : begin + (len(content) - begin) // 3 * 3]
        yield base64.b64encode(whole).decode()
        yield base64.urlsafe_b64encode(whole).decode()
