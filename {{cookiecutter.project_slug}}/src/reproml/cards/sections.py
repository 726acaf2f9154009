"""The parts of a card that people write. They stand between two comments, and outlive every regeneration."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

from huggingface_hub import CardData

from .. import markdown
from ..errors import CardError
from ..files import write_text

_OPEN, _CLOSE = "<!-- yours: ", "<!-- /yours -->"
_ANY_OPEN, _ANY_CLOSE = (re.compile(rf"<!--\s*{word}\b", re.IGNORECASE) for word in ("yours", r"/\s*yours"))
_SECTION = re.compile(rf"{_OPEN}([\w-]+) -->\n(.*?){_CLOSE}", re.DOTALL)


def render(template: Path, metadata: CardData, **facts: Any) -> str:
    """Return a card. What it prints is escaped, except for what this project's own people write in Markdown.

    Args:
        template: the card's template.
        metadata: its head, for the Hugging Face Hub.
        facts: what the template prints.
    """
    text = template.read_text(encoding="utf-8")
    card = markdown.environment().from_string(text).render(card_data=metadata.to_yaml(), **facts)
    return f"{card.rstrip()}\n"


def write(path: Path, generated: str) -> None:
    """Write a card, with what people wrote in the earlier one.

    Args:
        path: of the card.
        generated: the new card; the text between its comments is what a section holds until someone writes it.

    Raises:
        CardError: the comments around a section are damaged; the earlier card stays as it is.
    """
    earlier = path.read_text(encoding="utf-8") if path.exists() else ""
    write_text(path, keep(generated, earlier, str(path)))


def keep(generated: str, earlier: str, name: str) -> str:
    """Return the generated card with the sections of the earlier one.

    A section that the generated card does not have is kept at its end: what people wrote is never dropped.

    Raises:
        CardError: the comments around a section of the earlier card are damaged.
    """
    written = _sections(earlier, name)
    places = {match[1] for match in _SECTION.finditer(generated)}
    card = _SECTION.sub(lambda match: _section(match[1], written.get(match[1], match[2])), generated)
    return card + "".join(f"\n{_section(key, text)}\n" for key, text in written.items() if key not in places)


def _section(key: str, text: str) -> str:
    return f"{_OPEN}{key} -->\n{text}{_CLOSE}"


def _sections(card: str, name: str) -> dict[str, str]:
    found = _SECTION.findall(card)
    # a lost comment would make the text of one section end in another, or vanish
    if not len(found) == len(_ANY_OPEN.findall(card)) == len(_ANY_CLOSE.findall(card)):
        raise CardError(
            f"{name} has a section of yours without its comments: put each between a line '{_OPEN}NAME -->' and a line "
            f"'{_CLOSE}', or go back with git checkout {name}"
        )
    twice = [key for key, count in Counter(key for key, _ in found).items() if count > 1]
    if twice:
        raise CardError(f"{name} has the section '{twice[0]}' twice: put both texts into one")
    return dict(found)
