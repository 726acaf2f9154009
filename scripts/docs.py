"""An MkDocs hook that generates a project, and adds its documentation and reference to the site."""

import json
import os
import re
import shutil
import textwrap
from pathlib import Path, PurePosixPath
from urllib.parse import quote

import yaml
from cookiecutter.main import cookiecutter
from jinja2 import Environment
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
FOLDER = (ROOT / ".cache" / "docs").resolve()
PROJECT = FOLDER / "my-project"
SOURCE = PROJECT / "src"
TEMPLATE = "{{cookiecutter.project_slug}}"
MANAGERS = {"pip": "pip", "uv": "uv", "poetry": "Poetry", "conda": "conda"}

_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


@event_priority(100)  # before mkdocstrings, which looks for the project's folder in its own on_config
def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Generate the project with the default answers, and complete the navigation."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    cookiecutter(str(ROOT), no_input=True, output_dir=str(FOLDER))
    assert isinstance(config.nav, list)
    named = set(re.findall(r"[\w/-]+\.md", str(config.nav)))
    others = sorted(path.name for path in Path(config.docs_dir).glob("*.md") if path.name not in named)
    next(section["Use it"] for section in config.nav if "Use it" in section)[:0] = others
    config.nav += [
        {"The generated project": ["project/README.md", *(f"project/docs/{page.name}" for page in _pages())]},
        {"Reference": ["reference/index.md", *(f"reference/{name}.md" for name in _modules() if name)]},
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the project's README, its docs/, the files they link to, and a page for each part of the package."""
    linked: set[PurePosixPath] = set()
    for page in [PROJECT / "README.md", *_pages()]:
        text = page.read_text(encoding="utf-8")
        for match in _LINK.finditer(text):
            target = (page.parent / match[2]).resolve()
            if target.is_file():
                linked.add(PurePosixPath(target.relative_to(PROJECT).as_posix()))
        _add(files, config, f"project/{page.relative_to(PROJECT).as_posix()}", _without_folders(text, page.parent))
    for path in sorted(linked):
        if files.get_file_from_path(f"project/{path}") is None:
            _add(files, config, f"project/{path}", (PROJECT / path).read_text(encoding="utf-8"), navigation=False)
    for name, modules in _modules().items():
        _add(files, config, f"reference/{name or 'index'}.md", _reference(name, modules))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in what a page takes from the project, and say where the page can be edited."""
    page.edit_url = _edit_url(page.file.src_uri)
    return markdown.replace("<!-- groups -->", _groups()).replace("<!-- managers -->", _managers())


def _edit_url(uri: str) -> str | None:
    """Return where a page can be edited; None if it is generated, or if no address is known.

    A GitHub workflow provides the address. The setting `repo_url` would make each page ask GitHub for its stars.
    """
    path, repository = PurePosixPath(uri), os.environ.get("GITHUB_REPOSITORY")
    source = f"{TEMPLATE}/{path.relative_to('project')}" if path.is_relative_to("project") else f"docs/{uri}"
    if not repository or not (ROOT / source).is_file():
        return None
    return f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{repository}/edit/main/{quote(source)}"


def _managers() -> str:
    """Return a tab for each environment manager, with the commands in its projects' README."""
    answers = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    chosen = {name: value[0] if isinstance(value, list) else value for name, value in answers.items()}

    def commands(texts: list[str]) -> str:
        lines = "\n".join(Environment().from_string(text).render(cookiecutter=chosen) for text in texts)
        return f"```bash\n{lines}\n```"

    tabs = []
    for name, title in MANAGERS.items():
        content = (
            f"{commands(answers['__setup'][name])}\n\nFor NVIDIA and CUDA:\n\n{commands([answers['__gpu'][name]])}"
        )
        tabs.append(f'=== "{title}"\n\n{textwrap.indent(content, "    ")}')
    return "\n\n".join(tabs)


def _groups() -> str:
    """Return a table of every choice in every group, with the comment at the top of its file."""
    configs = PROJECT / "configs"
    chosen = dict(_chosen(configs / "config.yaml"))
    for group in [*chosen]:
        for name, choice in _chosen(configs / group / f"{chosen[group]}.yaml"):
            inner = name[1:] if name.startswith("/") else f"{group}/{name}"  # as in Hydra
            if (configs / inner).is_dir():
                chosen[inner] = choice
    rows = ["| choice | what it is |", "|---|---|"]
    files = sorted([*configs.glob("*/*.yaml"), *configs.glob("[!h]*/*/*.yaml")])  # without Hydra's own
    groups = {path: path.parent.relative_to(configs).as_posix() for path in files}
    order = [*chosen, *groups.values()]  # first the groups that config.yaml chooses from
    for path in sorted(files, key=lambda path: order.index(groups[path])):
        group, choice = groups[path], path.stem
        default = " (default)" if chosen.get(group) == choice else ""
        rows.append(f"| `{group}={choice}`{default} | {_comment(path)} |")
    return "\n".join(rows)


def _chosen(path: Path) -> list[tuple[str, str]]:
    """Return the groups that a file chooses from, and what it chooses."""
    if not path.is_file():
        return []
    entries = yaml.safe_load(path.read_text(encoding="utf-8")).get("defaults", [])
    pairs = [pair for entry in entries if isinstance(entry, dict) for pair in entry.items()]
    return [(group, str(choice).strip("[]'")) for group, choice in pairs]


def _comment(path: Path) -> str:
    """Return the comment at the top of a file, as one line."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return " ".join(line for line in lines if not line.startswith("@package")).replace("|", "\\|")


def _add(files: Files, config: MkDocsConfig, uri: str, content: str, navigation: bool = True) -> None:
    # set in any case, because MkDocs leaves out names that begin with a dot
    level = InclusionLevel.INCLUDED if navigation else InclusionLevel.NOT_IN_NAV
    files.append(File.generated(config, uri, content=content, inclusion=level))


def _pages() -> list[Path]:
    return sorted((PROJECT / "docs").glob("*.md"))


def _without_folders(text: str, folder: Path) -> str:
    """Return the text with links to folders as plain text: a site has no folders."""
    return _LINK.sub(lambda match: match[1] if (folder / match[2]).is_dir() else match[0], text)


def _modules() -> dict[str, list[str]]:
    """Return the public modules by page: each folder of reproml, "" for reproml itself, and the user's package."""
    found: dict[str, list[str]] = {"": ["reproml"], "my_project": []}
    for path in sorted(SOURCE.rglob("*.py")):
        package, *parts = path.relative_to(SOURCE).with_suffix("").parts
        if parts[-1] not in ("__init__", "__main__"):
            page = package if package == "my_project" else parts[0] if len(parts) > 1 else ""
            found.setdefault(page, []).append(".".join((package, *parts)))
    return found


def _reference(name: str, modules: list[str]) -> str:
    titles = {"": "The machinery: reproml", "my_project": "Your package: my_project"}
    head = f"# {titles.get(name, f'reproml.{name}')}\n"
    return "\n".join([head, *(f"::: {module}\n" for module in modules)])
