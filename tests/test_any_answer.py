"""Answers that nobody would think of: what the hook accepts gives files that can be read, what it refuses gives none.

Hypothesis thinks of the same examples each time. To try others, and more of them:
`EXAMPLES=10 pytest tests/test_any_answer.py`.
"""

import functools
import json
import os
import re
import shlex
import tomllib
from email.headerregistry import Address
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ANSWERS, CHOICES, ROOT, TEMPLATE, run
from cookiecutter.exceptions import CookiecutterException
from cookiecutter.main import cookiecutter
from cookiecutter.utils import create_env_with_context
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from poetry.core.factory import Factory
from test_answers import check_files, problems

_TEXT = "- '#&*!|%@ ~~~: [x](y) עברית العربية 研究 👩\u200d🔬 null İ\u0301 "
EXTREME = {
    "project_name": _TEXT,
    "description": (_TEXT * 9)[:200],
    "author_name": f"O'Brien, {_TEXT}",
    "author_email": "a+b%c_d.e-f@x-y.z9.de",
    "project_slug": "s" * 38 + "-" + "9" * 41,
    "package_name": "p" + "_9" * 24,
}
MORE = int(os.environ.get("EXAMPLES", "1"))
PLAIN = {
    **dict.fromkeys(("project_name", "description", "author_name"), "x"),
    **{key: choices[0] for key, choices in CHOICES.items()},
    "project_slug": "a-name",
    "package_name": "a_name",
    "author_email": "a@b.de",
}
TEXTS = ("project_name", "description", "author_name")


def examples(number: int) -> settings:
    """Return how many examples are tried: always the same ones, unless more are asked for."""
    slow = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    return settings(
        max_examples=number * MORE, derandomize=MORE == 1, database=None, deadline=None, suppress_health_check=slow
    )


# What means something to one of the formats, or is written from right to left, of several parts, or not visible at all
MARKS = list(
    "'#%&*?!|-:,[]()@=~^;/_. \u00a0\u200b\u200d\u202e\u0301\ufeff\u3000אبن🧪👩\u200d🔬éß研İ\U0001f1e9\U000e0001"
)
MARKS += [
    "---",
    "...",
    "~~~",
    "===",
    ": ",
    " #",
    "- ",
    "%s",
    "&a ",
    "*a",
    "!!int 1",
    "null",
    "yes",
    "1e3",
    "0x1",
    "EOF",
]
BAD = [
    '"',
    "\\",
    "`",
    "$",
    "${x}",
    "{{",
    "}}",
    "{" + "% x",
    "<",
    ">",
    "\n",
    "\r",
    "\t",
    "\x00",
    "\x85",
    "\u2028",
    "\ud800",
    "\uffff",
]
HARMLESS = st.lists(st.sampled_from(MARKS) | st.characters(exclude_characters='"\\`${}<>'), max_size=40).map("".join)
ANY = st.lists(st.sampled_from(MARKS + BAD) | st.characters(), max_size=20).map("".join)
LONG = st.tuples(HARMLESS, st.integers(150, 250)).map(lambda drawn: (drawn[0] * 250)[: drawn[1]])
WORDS = [
    "null",
    "true",
    "yes",
    "on",
    "n",
    "nan",
    "inf",
    "con",
    "aux",
    "lpt1",
    "outputs",
    "logs",
    "build",
    "conftest",
    "x",
]
SLUG = st.sampled_from(WORDS) | st.from_regex(r"[a-z][a-z0-9]*([-_]{1,2}[a-z0-9]+){0,3}", fullmatch=True)
PACKAGE = st.sampled_from(WORDS) | st.from_regex(r"[a-z][a-z0-9_]{0,49}", fullmatch=True)
EMAIL = st.emails() | st.from_regex(r"[\w.+%-]+@[\w.-]+", fullmatch=True)

METADATA = """
import sys
from hatchling.metadata.core import ProjectMetadata
from hatchling.metadata.spec import construct_metadata_file_2_4
from hatchling.plugin.manager import PluginManager
for path in sys.argv[1:]:
    construct_metadata_file_2_4(ProjectMetadata(path, PluginManager()))
"""


def answers(text: st.SearchStrategy[str], names: bool = True) -> st.SearchStrategy[dict[str, str]]:
    """Return a strategy of whole sets of answers."""
    drawn: dict[str, st.SearchStrategy[str]] = {key: st.sampled_from(choices) for key, choices in CHOICES.items()}
    drawn |= {key: text for key in TEXTS}
    drawn |= {"project_slug": SLUG, "package_name": PACKAGE, "author_email": EMAIL} if names else {}
    return st.fixed_dictionaries(drawn)


@functools.cache
def files_with_answers() -> dict[str, Any]:
    """Return the templates that an answer goes into, but for the package, whose paths and imports say enough."""
    environment = create_env_with_context({"cookiecutter": {**ANSWERS, "_extensions": []}})
    texts = {
        path.relative_to(TEMPLATE).as_posix(): path.read_text(encoding="utf-8")
        for path in TEMPLATE.rglob("*")
        if path.is_file() and not {"src", "docs", "notebooks", ".github"} & set(path.parts)
    }
    return {
        name: environment.from_string(text)
        for name, text in texts.items()
        if "{{ cookiecutter." in text and len(text) < 20_000
    }


def dockerfile_labels(text: str) -> dict[str, str]:
    """Read the instructions of a Dockerfile, all of which have a known name, and return its labels."""
    labels = {}
    for line in re.sub(r"\\\n", "", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)).splitlines():
        if line.strip():
            name, _, rest = line.partition(" ")
            assert name in {
                "ARG",
                "FROM",
                "WORKDIR",
                "ENV",
                "COPY",
                "RUN",
                "LABEL",
                "USER",
                "CMD",
                "EXPOSE",
                "HEALTHCHECK",
            }, line
            labels |= dict(part.split("=", 1) for part in shlex.split(rest)) if name == "LABEL" else {}
    return labels


def read_back(drawn: dict[str, str]) -> None:
    """Render the files that hold answers, parse them, and find the answers in them, as they were given."""
    spdx = "MIT"
    context = {**ANSWERS, **drawn, "__spdx": spdx, "_extensions": []}  # that one checks answers, as problems() does
    environment = create_env_with_context({"cookiecutter": context})
    context["__setup"] = {}  # its commands depend on choices alone
    context["__setup"] = {
        key: [environment.from_string(line).render(cookiecutter=context) for line in lines]
        for key, lines in ANSWERS["__setup"].items()
    }
    title, sentence, author = (drawn[key] for key in TEXTS)
    for name, template in files_with_answers().items():
        text = template.render(cookiecutter=context)
        suffix = Path(name).suffix
        if name == "pyproject.toml":
            project = tomllib.loads(text)["project"]
            assert (project["name"], project["description"]) == (drawn["project_slug"], sentence)
            assert project["authors"] == [{"name": author, "email": drawn["author_email"]}]
            str(Address(display_name=author, addr_spec=drawn["author_email"]))  # as hatchling writes the metadata
            assert Factory.validate(tomllib.loads(text))["errors"] == []
        elif suffix == ".toml":
            tomllib.loads(text)
        elif suffix == ".json":
            json.loads(text)
        elif name == "CITATION.cff":
            citation = yaml.safe_load(text)
            assert (citation["title"], citation["abstract"]) == (title, sentence)
            assert citation["authors"] == [{"name": author, "email": drawn["author_email"]}]
            assert re.fullmatch(r"\S+@\S+\.\S{2,}", drawn["author_email"])  # as the schema of the format says
        elif suffix in (".yaml", ".yml"):
            loaded = yaml.safe_load(text)
            assert loaded is not None
            if name in ("configs/tracking/mlflow.yaml", "configs/tracking/wandb.yaml"):
                settings_of = next(iter(loaded.values()))
                assert settings_of.get("project", settings_of.get("experiment_name")) == drawn["project_slug"]
        elif name == "variants/Dockerfile":
            labels = dockerfile_labels(text)
            assert labels["org.opencontainers.image.title"] == title
            assert labels["org.opencontainers.image.description"] == sentence


def fixed(drawn: dict[str, str]) -> dict[str, str]:
    """Return a set of answers with a plain one in the place of each that is refused."""
    found = problems(drawn)
    return {key: PLAIN[key] if any(one.startswith(key) for one in found) else answer for key, answer in drawn.items()}


@examples(120)
@given(answers(HARMLESS | LONG).map(fixed))
def test_what_is_accepted_reads_the_same_everywhere(drawn: dict[str, str]) -> None:
    assert problems(drawn) == []
    read_back(drawn)


@examples(400)
@given(answers(ANY) | answers(HARMLESS))
def test_what_is_refused_is_named(drawn: dict[str, str]) -> None:
    """Each problem names its key in one line, whatever the other answers are; what is dangerous never passes."""
    found = problems(drawn)
    assert all(re.split("[= ]", problem)[0] in drawn for problem in found)
    assert all(problem.isprintable() for problem in found)
    for key in TEXTS:
        alone = problems({**PLAIN, key: drawn[key]})
        assert alone == [problem for problem in found if problem.startswith(key)]
        assert alone or not any(mark in drawn[key] for mark in BAD)
    if not found:
        read_back(drawn)


def test_these_checks_can_fail() -> None:
    """What the hook keeps out would be noticed."""
    read_back(PLAIN)
    bad = {"project_name": '"', "description": "\n", "author_name": "\uffff", "project_slug": "no"}
    for key, answer in {**bad, "author_email": "a..b@c.de"}.items():
        assert problems({**PLAIN, key: answer})
        with pytest.raises(Exception):  # noqa: B017
            read_back({**PLAIN, key: answer})


def generate(folder: Path, drawn: dict[str, str]) -> Path | None:
    """Generate a project; return it, or nothing where it is refused."""
    escaped = {key: value.replace("{", "{{ '{' }}") for key, value in drawn.items()}  # else Jinja reads it first
    try:
        return Path(cookiecutter(str(ROOT), no_input=True, output_dir=str(folder), extra_context=escaped))
    except CookiecutterException:
        return None


@examples(8)
@given(answers(ANY))
def test_what_is_refused_leaves_nothing(tmp_path_factory: pytest.TempPathFactory, drawn: dict[str, str]) -> None:
    folder = tmp_path_factory.mktemp("any")
    refused = bool(problems(drawn))
    project = generate(folder, drawn)
    assert (project is None) is refused
    if refused:
        assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_what_is_accepted_is_a_project(tmp_path_factory: pytest.TempPathFactory, environment: Path) -> None:
    """Whole projects: every file parses, and the tools that read names and texts do read them."""
    made: list[Path] = []

    @examples(20)
    @given(answers(HARMLESS | LONG).map(fixed))
    def render(drawn: dict[str, str]) -> None:
        project = generate(tmp_path_factory.mktemp("accepted"), drawn)
        assert project
        check_files(project)
        for path in project.rglob("*.json"):
            json.loads(path.read_text(encoding="utf-8"))
        made.append(project)

    render()
    assert len(made) >= 20
    folder = tmp_path_factory.mktemp("tools")
    (folder / ".venv").symlink_to(environment)
    run("hadolint " + " ".join(shlex.quote(str(project / "Dockerfile")) for project in made), folder)
    (folder / "metadata.py").write_text(METADATA)
    run("python metadata.py " + " ".join(shlex.quote(str(project)) for project in made), folder)


def test_the_extreme_answers_are_accepted() -> None:
    """With them a project's own tests are run, in test_project.py."""
    assert problems({**PLAIN, **EXTREME}) == []
