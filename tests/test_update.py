"""docs/updating.md, with the commands that it prints: a project follows a template that has moved on, and is edited."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path

import pytest
import reproml
from conftest import ROOT, TEMPLATE, Render, code_blocks, run
from copies import copy_of_the_template, tree
from reproml.__main__ import main

URL = "https://github.com/org/template"
PAGE = (ROOT / "docs" / "updating.md").read_text(encoding="utf-8")
GENERATE, UPDATE, COMMIT, LINK, REPLAY = code_blocks(PAGE)
NEW = {  # of the next release: the file, what is replaced in it, by what
    "README.md": ("## Usage", "## How to use it"),
    "configs/training/default.yaml": ("gradient_clip: 1.0 ", "gradient_clip: 0.8 "),
    "src/reproml/errors.py": ('"""', '"""Of the next release. '),
    "src/{{cookiecutter.package_name}}/data/digits.py": ('"""', '"""Of the next release. '),
    "variants/Dockerfile": ("EXPOSE 8000", "EXPOSE 8000/tcp"),
    "variants/environment_manager=pip/environment.mk": ("PYTHON ?= ", "PYTHON ?=  "),
    "docs/serving.md": ("# ", "# The next "),
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with this template as release v0.1.0, and with real changes in several files behind it."""
    folder = copy_of_the_template(tmp_path_factory.mktemp("repository") / "template")
    run("git init --quiet --initial-branch main && git add . && git commit --quiet -m one && git tag v0.1.0", folder)
    for name, (old, new) in NEW.items():
        replace(folder / TEMPLATE.name / name, old, new)
    (folder / TEMPLATE.name / "docs" / "news.md").write_text("# News\n")
    (folder / TEMPLATE.name / "docs" / "report.md").unlink()
    run("git add --all && git commit --quiet -m two && git tag v0.2.0", folder)
    return folder


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, path
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def do(block: str, folder: Path, template: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run what the page prints with this template, and with a home of the test's own."""
    home = template.parent / "home"
    home.mkdir(exist_ok=True)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return run(block.replace(URL, str(template)), folder, check=check, PATH=path, HOME=str(home))


def old_project(folder: Path, template: Path) -> Path:
    """Generate a project from the release before."""
    create, create_old = "cruft create ", "cruft create --checkout v0.1.0 "
    assert create in GENERATE
    do(GENERATE.replace(create, create_old), folder, template)
    return folder / "digit-reader"


@pytest.mark.slow
def test_an_update_keeps_what_both_changed(tmp_path: Path, template: Path, environment: Path) -> None:
    project = old_project(tmp_path, template)
    assert not (project / "variants").exists()
    assert do("cruft diff", project, template).stdout == ""
    assert (
        json.loads((project / ".cruft.json").read_text())["context"]["cookiecutter"]["project_name"] == "Digit Reader"
    )
    # the answers and the commit in .cruft.json are not secret to the hook that looks for some
    (project / ".venv").symlink_to(environment)
    run("pre-commit run secrets --files .cruft.json", project)
    (project / "src" / "digit_reader" / "data" / "digits.py").open("a").write("# mine\n")
    replace(project / "README.md", "# Digit Reader", "# My digits")
    replace(project / "configs/training/default.yaml", "lr: 0.003", "lr: 0.1")
    replace(project / "Dockerfile", "ARG BASE=", "# mine\nARG BASE=")
    (project / "docs" / "mine.md").write_text("mine")
    (project / "docs" / "serving.md").unlink()
    run("git add --all && git commit --quiet -m edits", project)
    mine = tree(project)

    said = do(UPDATE, project, template).stdout
    assert "there is something new" in said
    assert "-# My digits" in said
    assert run("git diff --check && git diff --name-only --diff-filter=U", project).stdout == ""
    for name, (old, new) in NEW.items():
        name = name.replace("{{cookiecutter.package_name}}", "digit_reader")
        name = re.sub("^variants/(environment_manager=pip/)?", "", name)
        if name != "docs/serving.md":  # removed here, changed there
            expected = mine.pop(name).decode().replace(old, new, 1)
            assert (project / name).read_text(encoding="utf-8") == expected
    assert not (project / "docs" / "serving.md").exists()
    assert (project / "docs" / "news.md").read_text() == "# News\n"
    assert not (project / "docs" / "report.md").exists()
    for name in (".cruft.json", "docs/report.md", ".git/index"):
        del mine[name]
    now = tree(project)
    assert {name: data for name, data in mine.items() if not name.startswith(".git/")} == {
        name: now[name] for name in mine if not name.startswith(".git/")
    }
    do(COMMIT, project, template)
    do("cruft check", project, template)


@pytest.mark.slow
def test_a_conflict_shows_both_sides(tmp_path: Path, template: Path) -> None:
    project = old_project(tmp_path, template)
    replace(project / "configs/training/default.yaml", "gradient_clip: 1.0 ", "gradient_clip: 0.7 ")
    run("git commit --quiet --all -m edits", project)
    page = project / "docs" / "report.md"  # which the next release removes
    generated = page.read_text()
    page.write_text(f"{generated}\nMine.\n")
    run("git commit --quiet --all -m edit", project)
    said = do(UPDATE, project, template)
    assert "Retrying again with a different update strategy" in said.stdout + said.stderr
    assert "error: docs/report.md: patch does not apply" in said.stdout + said.stderr
    assert (project / "configs/training/default.yaml.rej").exists() and page.exists()
    [undo] = re.findall(r"`(git reset [^`]*)`", PAGE)
    run(f"{undo} && mv docs/report.md docs/mine.md && git add --all && git commit --quiet -m moved", project)
    without_git = tmp_path / "without-git"
    shutil.copytree(project, without_git, ignore=shutil.ignore_patterns(".git"))

    assert "UU configs/training/default.yaml" in do(UPDATE, project, template).stdout
    text = (project / "configs/training/default.yaml").read_text()
    assert "<<<<<<<" in text and "gradient_clip: 0.7 " in text and "gradient_clip: 0.8 " in text
    assert "# How to use it" in (project / "README.md").read_text()  # the rest arrived
    assert (project / "docs" / "mine.md").read_text().endswith("Mine.\n")

    do("cruft update --skip-apply-ask", without_git, template)
    text = (without_git / "configs/training/default.yaml").read_text()
    assert "<<<<<<<" not in text and "gradient_clip: 0.7 " in text
    assert "+gradient_clip: 0.8 " in (without_git / "configs/training/default.yaml.rej").read_text()
    assert "# How to use it" in (without_git / "README.md").read_text()


@pytest.mark.slow
def test_a_project_made_with_cookiecutter_is_linked(tmp_path: Path, template: Path) -> None:
    made = GENERATE.split("\n", 1)[
        1
    ]  # git+file: makes cookiecutter clone it, since of a folder it takes what lies there
    do(
        f"cookiecutter git+file://{URL} --no-input --checkout v0.1.0 project_name='Digit Reader'\n{made}",
        tmp_path,
        template,
    )
    project = tmp_path / "digit-reader"
    linked = do(LINK, project, template).stdout
    assert "diff --git" not in linked
    do("cruft update --skip-apply-ask", project, template)
    assert (project / "docs" / "news.md").exists()
    do("git add --all && git commit --quiet -m update && cruft check", project, template)
    # linked with other answers, the difference shows
    (project / ".cruft.json").unlink()
    other = LINK.replace("Digit Reader", "Other Reader")
    assert "diff --git" in do(other, project, template).stdout


@pytest.mark.slow
def test_the_same_answers_give_the_same_project(tmp_path: Path, template: Path) -> None:
    do(REPLAY, tmp_path, template)
    first = tree(tmp_path / "first")
    assert len(first) > 200
    assert first == tree(tmp_path / "second") == tree(tmp_path / "third")
    answers = (tmp_path / "answers.json").read_text().replace("Digit Reader", "Other Reader")
    (tmp_path / "others.json").write_text(answers)
    do(f"cookiecutter {URL} --replay-file others.json --output-dir fourth", tmp_path, template)
    fourth = tree(tmp_path / "fourth")
    assert {name for name in first if first[name] != fourth[name]} >= {"digit-reader/README.md"}


def test_the_changelog_has_a_section_for_each_version(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased, *releases = re.findall(r"^## (.+)$", log, re.MULTILINE)
    assert unreleased == "Unreleased"
    versions, days = zip(*(release.split(" - ") for release in releases), strict=True)
    assert (
        versions[0] == reproml.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    )
    for values in ([tuple(map(int, each.split("."))) for each in versions], list(map(date.fromisoformat, days))):
        assert values == sorted(values, reverse=True)
    kinds = re.findall(r"^### (.+)$", log, re.MULTILINE)
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Migration"}
    monkeypatch.setattr(sys, "argv", ["digit_reader", "--version"])
    with pytest.raises(SystemExit, match="0"):
        main("digit_reader")
    assert capsys.readouterr().out == f"reproml {reproml.__version__}\n"


def test_the_migration_names_what_is_there() -> None:
    machinery = TEMPLATE / "src" / "reproml"
    for name in set(re.findall(r"(?<![.\w])reproml((?:\.\w+)+)", PAGE)):
        *place, last = name[1:].split(".")
        module = machinery.joinpath(*place)
        text = "" if module.is_dir() else module.with_suffix(".py").read_text(encoding="utf-8")
        there = last in reproml.__all__ or (module / f"{last}.py").exists() or (module / last).is_dir()
        assert there or re.search(rf"^(class|def) {last}\b", text, re.MULTILINE), name
    for name in re.findall(r"`(configs/[\w/]+\.yaml)`", PAGE):
        assert (TEMPLATE / name).exists(), name
    moved = PAGE.partition("| in `src/my_project/` |")[2].partition("\n\n")[0]
    now = [name for line in moved.splitlines()[2:] for name in re.findall(r"`(\w+/[\w.]*)`", line.split("|")[2])]
    assert len(now) > 6
    assert [name for name in now if not (machinery / name).exists()] == []


def test_a_project_does_not_depend_on_the_day(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else an update next year would change the license, and show it as an edit of the user's."""

    def refuse(*_: object) -> None:
        raise AssertionError("the template asks for the time or for chance")

    monkeypatch.setattr("cookiecutter.extensions.arrow.now", refuse)
    monkeypatch.setattr("cookiecutter.extensions.choice", refuse)
    monkeypatch.setattr("cookiecutter.extensions.uuid.uuid4", refuse)
    assert (render() / "LICENSE").read_text().count("Copyright (c) Your Name") == 1
