"""What the docstring of a class says about each of its arguments."""

import inspect
import re
from collections.abc import Callable
from typing import Any

_SECTION = re.compile(r"^( *)(?:Args|Arguments|Parameters):[ ]*\n", re.MULTILINE)
# `lr: text`, `lr (float, optional): text`, and torch's own variants of these
_ARGUMENT = re.compile(r"\*{0,2}(\w+)(?: *\(.*?\))?(?: *\w+)?: *(.*)", re.DOTALL)


def summary(named: Callable[..., Any]) -> str:
    """Return the first paragraph of a docstring."""
    return " ".join((inspect.getdoc(named) or "").partition("\n\n")[0].split())


def argument_texts(named: Callable[..., Any]) -> dict[str, str]:
    """Return the text of each argument, from the docstring of a class, of its `__init__`, or of a function.

    Example: `{"dropout": "probability of dropping an activation"}`
    """
    found: dict[str, str] = {}
    for text in (inspect.getdoc(named), inspect.getdoc(getattr(named, "__init__", None))):
        if section := _SECTION.search(text or ""):
            found |= _arguments(text or "", section)
    return found


def _arguments(text: str, section: re.Match[str]) -> dict[str, str]:
    """Return the arguments of a section: an item for each line that is indented as the first one."""
    items: list[str] = []
    inside = None
    for line in text[section.end() :].splitlines():
        indent = len(line) - len(line.lstrip())
        if line.strip() and indent <= len(section[1]):
            break  # the next section
        inside = inside or indent or None
        if line.strip() and indent == inside:
            items.append(line)
        elif items:
            items[-1] += f"\n{line}"
    matches = (_ARGUMENT.fullmatch(item.strip()) for item in items)
    return {match[1]: " ".join(match[2].split()) for match in matches if match}
