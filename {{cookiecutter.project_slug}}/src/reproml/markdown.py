"""Untrusted text in Markdown: shown as it is written, never as markup, HTML or a line of its own."""

import html
import re
from typing import Any
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup

from .secrets import mask

_MARKS = re.compile(r"([\\`*_{}\[\]#!|~])")


def escape(value: Any) -> Markup:
    """Return a value as text that Markdown shows as it is, on one line. `Markup` stays as it is."""
    if isinstance(value, Markup):
        return value
    text = re.sub(r"\s+", " ", mask(str(value)))
    return _done(_MARKS.sub(r"\\\1", html.escape(text, quote=False)))


def code(value: Any) -> Markup:
    """Return a value as inline code, with any content, in a table too."""
    text = " ".join(mask(str(value)).split()).replace("|", "\\|")
    ticks = "`" * (1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return _done(f"{ticks} {text} {ticks}" if "`" in text else f"{ticks}{text}{ticks}")


def fence(text: str) -> Markup:
    """Return a text, with any content, as a code block."""
    text = mask(text).rstrip()
    ticks = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", text)), 3)
    return _done(f"{ticks}\n{text}\n{ticks}")


def link(path: Any) -> Markup:
    """Return a path, with any content, as the target of a link."""
    return _done(quote(mask(str(path))))


def _done(text: str) -> Markup:
    return Markup(text)  # noqa: S704 (escaped, though not for HTML)


def environment(**settings: Any) -> Environment:
    """Return Jinja for Markdown.

    What a template prints is escaped, unless it says `| code`, `| fence`, `| link` or `| safe`.
    """
    made = Environment(finalize=escape, **settings)  # noqa: S701 (escaped for Markdown, by finalize)
    made.filters |= {"code": code, "fence": fence, "link": link}
    return made
