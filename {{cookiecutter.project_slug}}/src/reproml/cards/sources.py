"""Who made the data, and who made the project: facts that cannot be measured."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ..errors import CardError

SOURCES = Path("data/sources.yaml")


@dataclass
class Source:
    """What data/sources.yaml says about one data set."""

    title: str
    description: str | None = None
    address: str | None = None
    license: str | None = None  # the SPDX name
    creators: list[str] = field(default_factory=list)
    published: str | None = None  # ISO date
    citation: str | None = None
    collection: str | None = None
    limits: str | None = None
    hub: str | None = None  # name on the Hugging Face Hub
    task: str | None = None  # in the Hub's words; none: by the shape of the inputs


def read_source(name: str) -> Source:
    """Return the facts about a data set; of one that the file does not name, its name alone.

    Raises:
        CardError: the file has a key that is not known, or a value of the wrong type.
    """
    known: Any = OmegaConf.to_container(OmegaConf.load(SOURCES)) if SOURCES.exists() else {}
    entry = (known.get(name) or {}) if isinstance(known, dict) else None
    if not isinstance(entry, dict):
        raise CardError(f"{SOURCES} gives no keys for {name}: write it as in digits, or leave it out")
    facts = {"title": name, **entry}
    try:
        source = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Source), facts))
    except OmegaConfBaseException as error:
        raise CardError(f"{SOURCES}: {name}: {str(error).splitlines()[0]}; fix the entry there") from error
    assert isinstance(source, Source)
    return source


@dataclass(frozen=True)
class Project:
    """What pyproject.toml and CITATION.cff say about this project."""

    name: str
    title: str
    description: str
    authors: list[str]
    version: str
    license: str


def _author(name: str = "", email: str = "") -> str:
    return f"{name} ({email})" if name and email else name or email


def read_project() -> Project:
    """Return the facts about the project in this folder."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation: Any = OmegaConf.to_container(OmegaConf.load("CITATION.cff"))
    return Project(
        name=project["name"],
        title=citation["title"],
        description=project["description"],
        authors=[_author(**author) for author in project["authors"]],
        version=project["version"],
        license=project["license"],
    )
