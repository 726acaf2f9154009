"""The documentation: what it names exists, its commands run as printed and print what it shows, and the site works."""

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from browser import faults
from browser import page as browser_page
from conftest import ANSWERS, CHOICES, ROOT, TEMPLATE, THIS_PYTHON, Render, run
from loopback import served

DOCS = ROOT / "docs"
NAV = [name for name in re.findall(r"[\w/]+\.md", (ROOT / "mkdocs.yml").read_text()) if (DOCS / name).exists()]
LECTURE = [name for name in NAV if name.startswith("lecture/") and name != "lecture/index.md"]
PAGES = [DOCS / name for name in ("quick-start.md", *LECTURE, "promises.md", "faq.md")]  # their commands are run
# What only a run makes
MADE = re.compile(
    r"(outputs|models|reports|data/raw|data/processed)/|(dvc\.lock|code\.yaml|run\.json|metrics\.csv|mlflow\.db)$"
)


def named_paths(text: str) -> list[str]:
    """Return the paths in the code spans of a page."""
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
    path = re.compile(r"\.?[\w-]+(/[\w.-]*)+|\.?[\w-]+\.(py|md|ya?ml|toml|txt|mk|in|lock|cff|csv)|Dockerfile|Makefile")
    return [span for span in spans if path.fullmatch(span)]


def exists(project: Path, path: str) -> bool:
    """Whether a project has that path, or a file of that name somewhere."""
    return path == ".env" or (project / path).exists() or ("/" not in path and any(project.rglob(path)))


def site(folder: Path, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Build the site as `make docs` does, but for the folder, and with an address as in a workflow."""
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "GITHUB_REPOSITORY": "org/template"}
    return subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment)


@pytest.fixture(scope="session")  # the quick tests and the slow ones look at the same
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the built site."""
    folder = tmp_path_factory.mktemp("site")
    result = site(folder)
    assert result.returncode == 0, result.stderr
    return folder


def test_every_page_is_built(built: Path) -> None:
    """And the project's own pages; the generated pages of the reference have what they are about."""
    sources = [path.relative_to(DOCS).with_suffix("") for path in DOCS.rglob("*.md")]
    assert len(sources) >= 20
    for source in sources:
        assert (built / (source.parent if source.name == "index" else source) / "index.html").exists(), source
    for page in TEMPLATE.glob("docs/*.md"):
        folder = built / "project" / "docs"
        assert ((folder if page.stem == "README" else folder / page.stem) / "index.html").exists(), page
    assert "Return a number below 2**63" in (built / "reference" / "training" / "index.html").read_text()
    table = (DOCS / "lecture" / "index.md").read_text()
    assert [f"({Path(name).name})" for name in LECTURE] == re.findall(r"^\| \[.*\](\(\w+.md\))", table, re.MULTILINE)


def test_a_page_links_to_its_source(built: Path) -> None:
    """A page of a project to that of the template, and a generated one to none."""
    for page, source in (
        ("faq", "docs/faq.md"),
        ("project/docs/training", "%7B%7Bcookiecutter.project_slug%7D%7D/docs/training.md"),
        ("reference/training", None),
    ):
        found = re.findall(
            r'href="https://[^"]+/org/template/edit/main/([^"]+)"', (built / page / "index.html").read_text()
        )
        assert set(found) == ({source} if source else set())


def test_a_dead_link_stops_the_build(tmp_path: Path) -> None:
    dead = ["gone.md", "#nowhere", "project/docs/gone.md", "lecture/seeds.md#nowhere", "/faq/"]
    for name in ("mkdocs.yml", "scripts", "examples", ".cache"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(DOCS, tmp_path / "docs")
    with (tmp_path / "docs" / "faq.md").open("a") as page:
        page.writelines(f"[dead]({link})\n" for link in dead)
    result = site(tmp_path / "site", tmp_path)
    assert result.returncode != 0
    for link in dead:
        assert f"'{link}'" in result.stderr, link


def test_the_table_of_answers_is_that_of_the_questions() -> None:
    text = (DOCS / "options.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|", text, re.MULTILINE)
    shown = {name: (default, choices) for name, default, choices in rows}
    questions = [name for name in ANSWERS if not name.startswith("_")]
    assert list(shown) == questions
    for name in questions:
        default, choices = shown[name]
        if name in CHOICES:
            assert [default, choices] == [CHOICES[name][0], ", ".join(CHOICES[name])]
        elif "{{" not in ANSWERS[name]:
            assert default == ANSWERS[name]


def test_every_group_is_on_the_page_of_options(built: Path, render: Render) -> None:
    text = (built / "options" / "index.html").read_text()
    files = list(render().glob("configs/*/*.yaml"))
    assert len(files) > 20
    for path in files:
        assert f"<td><code>{path.parent.name}={path.stem}</code>" in text, path
    for default in ("data=digits", "model=cnn", "folds=none", "training/optimizer=adamw"):  # however deep it is chosen
        assert f"<td><code>{default}</code> (default)</td>" in text


def test_what_the_pages_name_exists(render: Render) -> None:
    """Files, configuration groups, make verbs, commands of the package, and the tests of the template."""
    project = render()
    verbs: set[str] = set()
    commands = run(f"PYTHONPATH=src {sys.executable} -m my_project --help", project).stdout
    found = set()
    for page in [*PAGES, DOCS / "index.md", DOCS / "lecture" / "index.md"]:
        text = page.read_text()
        for path in named_paths(text):
            if not MADE.match(path):
                own = page.name == "promises.md" and path.startswith(("tests/", "benchmarks/"))  # the template's
                assert exists(ROOT if own else project, path), f"{page.name}: {path}"
                found.add("path")
        for group, choice in re.findall(r"[` \"](\w+)=\[?([a-z]\w*)", text):
            if (project / "configs" / group).is_dir():
                assert (project / "configs" / group / f"{choice}.yaml").exists(), f"{page.name}: {group}={choice}"
                found.add("group")
        verbs.update(verb for pair in re.findall(r"`make ([\w-]+)|^make ([\w-]+)", text, re.MULTILINE) for verb in pair)
        for command in re.findall(r"python -m my_project (\w+)", text):
            assert re.search(rf"^    {command}\b", commands, re.MULTILINE), f"{page.name}: {command}"
            found.add("command")
    assert found == {"path", "group", "command"}
    verbs.discard("")
    assert len(verbs) > 10
    run(f"make --dry-run DOCKER=true {' '.join(sorted(verbs))}", project)
    assert run("make --dry-run no-such-verb", project, check=False).returncode


def test_the_pages_that_a_project_names_are_its_own() -> None:
    """In comments, messages and help."""
    named = set()
    for path in TEMPLATE.rglob("*"):
        if path.suffix in (".py", ".yaml", ".yml", ".mk", ".sbatch", ".md", ".j2"):
            named |= set(re.findall(r"\bdocs/[\w-]+\.md\b", path.read_text(encoding="utf-8")))
    assert len(named) > 10
    own = {f"docs/{path.name}" for path in TEMPLATE.rglob("docs/*.md")}
    assert not named - own


def steps(text: str) -> Iterator[tuple[str, list[str]]]:
    """Return the commands of a page, block by block, each with the lines that the page shows as their output."""
    for block, output in re.findall(
        r"^```bash\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", text, re.MULTILINE | re.DOTALL
    ):
        yield block, output.splitlines()


def shape(line: str) -> str:
    """Return a line without what differs from machine to machine and from day to day: numbers, digests, spaces."""
    line = re.sub(r"^\[[\d:]+\]", "", line)  # the time, which the console shows once a second
    line = re.sub(r"\b(?=[a-f]*\d)[0-9a-f]{7,}\b|\d+", "#", line)
    return " ".join(re.sub(r"#([.:,e+-]*#)*", "#", line).split())


def script(block: str) -> str:
    """Return a block for the tests: with this template and Python, and with what is said to be refused refused."""
    block = block.replace("gh:org/template --no-input", f"'{ROOT}' --no-input python_version={THIS_PYTHON}")
    return re.sub(r"^(.*\S) +# refused$", r"if \1; then echo 'was not refused'; exit 99; fi", block, flags=re.MULTILINE)


def missing(shown: list[str], printed: str) -> str | None:
    """Return the first line that is shown and was not printed, in this order."""
    lines = iter([shape(line) for line in printed.splitlines()])
    return next((line for line in shown if not any(shape(line) in real for real in lines)), None)


def test_what_is_shown_is_compared() -> None:
    printed = "[20:46:31] INFO     test of 269 examples: loss 0.0309\nthe same weights\n"
    assert missing(["INFO test of 270 examples: loss 0.5", "the same weights"], printed) is None
    assert missing(["the same weights", "INFO test of 270 examples: loss 0.5"], printed)  # in another order
    assert missing(["other weights"], printed) == "other weights"
    assert (
        shape("weights 77120dcec4d7 of 2026-11-25") == shape("weights b83bb91d93e4 of 2027-01-02") == "weights # of #"
    )


@pytest.mark.slow
def test_the_commands_of_the_pages(tmp_path: Path, environment: Path) -> None:
    """All of them, in their order, in one project; but `make setup`, which the test of the demo runs."""
    assert "setup run" in (ROOT / "Makefile").read_text()
    project = tmp_path / "my-project"
    for page in PAGES:
        for block, shown in steps(page.read_text()):
            if "make setup" in block:
                (project / ".venv").symlink_to(environment)
                continue
            folder = project if project.exists() else tmp_path
            # the environment of the tests belongs to another project
            result = run(f"exec 2>&1\n{script(block)}", folder, check=False, PYTHONPATH="src")
            printed = result.stdout
            assert result.returncode == 0, f"{page.name}: {block}{printed}"
            lost = missing(shown, printed)
            assert lost is None, f"{page.name} shows {lost!r}, and this was printed:\n{printed}"
    for page in PAGES:  # now the files that only runs make are there, too
        for path in named_paths(page.read_text()):
            assert not MADE.match(path) or exists(project, path), f"{page.name}: {path}"


@pytest.fixture(scope="module")
def address(built: Path) -> Iterator[str]:
    """Yield the address at which the built site is served."""
    handler = functools.partial(_Quiet, directory=str(built))
    with served(handler) as found:
        yield found


class _Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def addresses(built: Path) -> list[str]:
    return sorted(str(path.parent.relative_to(built)) for path in built.rglob("index.html"))


FITS = "document.documentElement.scrollWidth <= window.innerWidth"  # the page is not wider than its window


@pytest.mark.slow
def test_every_page_in_a_browser(built: Path, address: str) -> None:
    """No error, no request elsewhere, no link or anchor that leads nowhere, nothing wider than the window."""
    known: dict[str, set[str]] = {}
    wanted: set[str] = set()
    with browser_page() as page:
        errors: list[str] = []
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.on("response", lambda answer: errors.append(answer.url) if answer.status >= 400 else None)
        page.add_init_script("localStorage.clear()")  # where the choice of colours is kept
        for number, name in enumerate(addresses(built)):
            dark = number % 2 == 1
            page.emulate_media(color_scheme="dark" if dark else "light")
            page.goto(f"{address}/{name}/")
            assert page.title()
            assert page.evaluate("document.body.dataset.mdColorScheme") == ("slate" if dark else "default")
            for width in (360, 1280):
                page.set_viewport_size({"width": width, "height": 900})
                page.wait_for_function(FITS, timeout=5000)  # the sidebar slides to its place
            anchors = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
            known[page.url.split("#")[0]] = set(anchors)
            wanted.update(page.evaluate("[...document.querySelectorAll('a[href]')].map(one => one.href)"))
        assert not errors
        page.goto(f"{address}/")
        page.evaluate("document.querySelector('h1').style.width = '2000px'")
        assert not page.evaluate(FITS)  # and it would be seen
    inside = [link for link in wanted if link.startswith(address)]
    assert len(known) > 50
    assert len(inside) > 500
    for link in inside:
        target, _, anchor = link.partition("#")
        if target in known:
            assert not anchor or anchor in known[target] or anchor.startswith("__"), link
        else:
            assert (built / target.removeprefix(f"{address}/")).is_file(), link


# What the theme lacks and a page cannot give it: a name of the dialog of the search, and of its landmarks.
THEME = ("aria-dialog-name", "landmark-unique")
OTHERS = (  # of each kind one: code, tabs, tables, pages of a project, a reference
    "quick-start",
    "options",
    "lecture/environments",
    "examples/text",
    "project",
    "project/docs",
    "project/docs/reproducibility",
    "reference/training",
)


def read_by_everybody(address: str, names: tuple[str, ...], width: int, scheme: Literal["light", "dark"]) -> None:
    """Look at pages with axe."""
    with browser_page(width=width) as page:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for name in names:
            page.goto(f"{address}/{name}")
            expected = "slate" if scheme == "dark" else "default"
            page.wait_for_function(f"document.body.dataset.mdColorScheme == '{expected}'")
            page.wait_for_function("document.getAnimations().length == 0")  # colours that change on their way
            assert not faults(page, without=THEME), name


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_page_can_be_read_by_everybody(address: str, width: int, scheme: Literal["light", "dark"]) -> None:
    read_by_everybody(address, ("",), width, scheme)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_of_each_kind_can_be_read_by_everybody(address: str, scheme: Literal["light", "dark"]) -> None:
    read_by_everybody(address, OTHERS, 800, scheme)


def test_a_table_names_all_its_columns_or_none() -> None:
    """A column without a name is one that nobody can be told of."""
    for page in [ROOT / "README.md", *DOCS.rglob("*.md"), *TEMPLATE.rglob("docs/*.md"), TEMPLATE / "README.md"]:
        heads = re.findall(r"^\|(.*)\|\n\|[-|: ]+\|$", page.read_text(), re.MULTILINE)
        for names in ([cell.strip() for cell in re.split(r"(?<!\\)\|", head)] for head in heads):
            assert all(names) or not any(names), f"{page.name}: {names}"


@pytest.mark.slow
def test_the_managers_are_chosen_with_the_keyboard(address: str) -> None:
    """The first stop leads to the content; of the tabs, those of one manager are on the page at a time."""
    with browser_page() as page:
        page.goto(f"{address}/lecture/environments/")
        page.keyboard.press("Tab")
        assert "md-skip" in page.evaluate("document.activeElement.className")
        assert page.locator(".tabbed-labels label").all_inner_texts() == ["pip", "uv", "Poetry", "conda"]
        page.locator(".tabbed-set > input").first.focus()
        for command in ("uv sync", "poetry sync", "conda env create"):
            page.keyboard.press("ArrowRight")
            shown = page.locator(".tabbed-block:visible")
            assert shown.count() == 1
            assert command in shown.inner_text()


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 360])
def test_search_and_the_switch_of_colours(address: str, width: int) -> None:
    with browser_page(width=width) as page:
        page.emulate_media(color_scheme="light")
        page.goto(f"{address}/")
        if width < 1000:
            page.locator("label[for=__search]").first.click()
        page.locator("input[name=query]").press_sequentially("augmentation")
        found = page.locator(".md-search-result__item a[href*='/lecture/seeds/?h=augmentation']").first
        found.click()
        page.wait_for_url("**/lecture/seeds/?h=augmentation*")
        assert page.locator("article mark").first.inner_text() == "augmentation"  # shown where it is
        page.goto(f"{address}/")
        before = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.locator("label[for=__palette_1]").first.click()
        page.wait_for_function("document.body.dataset.mdColorScheme == 'slate'")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
