"""Answers: what is refused leaves nothing, what is accepted is rendered harmlessly everywhere."""

import ast
import json
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import CHOICES, LOGIC, ROOT, TEMPLATE, Render
from cookiecutter.main import cookiecutter
from copies import tree

REFUSED = {
    "project_slug": [
        "My Project", "-x", "x-", "a/b", "../evil", "1st", "torch", "scikit-learn", "con", "x" * 81, "über",
        "null", "on",
    ],
    "package_name": [
        "my-project", "class", "match", "json", "torch", "hydra", "yaml", "train", "configs", "1st", "x" * 51,
        "aux", "yes", "outputs",
    ],
    "project_name": [
        'say "hi"', "back\\slash", "line\nbreak", "$(reboot)", "`reboot`", "{x}", "<b>", " ", "\u200b", "x" * 201,
    ],
    "description": ['"', "a\x00b", "tab\there", "line\u2028separator", "\uffff", "\udc80"],
    "author_name": ['x"; import os', "${HOME}", "%\r"],
    "author_email": [
        "nobody", "a@b", "a b@c.de", "a@b.c\nx", "a@@b.c", '"a"@b.c', "a..b@c.de", ".a@b.de", "a@-b.de", "a@b.c",
    ],
    "python_version": ["3.10", "3.14", "3.9", "3", "three", "4.0"],
}  # fmt: skip
HARMLESS = [
    "O'Brien & Söhne",
    "# 100% [x](y) *y* _z_ | a: b, - c; ~ ! @ ^ = + ? (d) e/f",
    "研究プロジェクト 🧪",
    "- yes",
    "null",
    "%s %(x)s",
    "x" * 200,
]
problems: Callable[[dict[str, str]], list[str]] = runpy.run_path(str(ROOT / "hooks/pre_gen_project.py"))["problems"]


def generate(folder: Path, **answers: str) -> subprocess.CompletedProcess[str]:
    """Generate a project as a user does, from the command line."""
    cookiecutter = Path(sys.executable).with_name("cookiecutter")
    arguments = [f"{key}={value}" for key, value in answers.items()]
    command = [cookiecutter, ROOT, "--no-input", "--output-dir", folder, *arguments]
    return subprocess.run([str(part) for part in command], capture_output=True, text=True)


@pytest.mark.parametrize(("key", "answer"), [(key, answer) for key, answers in REFUSED.items() for answer in answers])
def test_a_bad_answer_is_refused_and_leaves_nothing(tmp_path: Path, key: str, answer: str) -> None:
    if "\x00" in answer:  # cannot be typed on a command line
        defaults = {**dict.fromkeys(REFUSED, "x"), "author_email": "a@b.de", "python_version": "3.11"}
        assert any(key in problem for problem in problems({**defaults, key: answer}))
        return
    result = generate(tmp_path / "out", **{key: answer})
    assert result.returncode != 0
    assert key in result.stderr + result.stdout
    left = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not left
    assert not (tmp_path / "evil").exists()


def test_every_error_is_listed_at_once(tmp_path: Path) -> None:
    result = generate(tmp_path, project_slug="Bad Slug", package_name="class", author_email="nobody", description='"')
    for key in ("project_slug", "package_name", "author_email", "description"):
        assert f"error: {key}=" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr
    assert list(tmp_path.iterdir()) == []


def test_answers_that_are_replayed_are_checked_too(tmp_path: Path) -> None:
    """Those of a template that kept the names of packages among its answers are still replayed."""
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"replay_dir: {tmp_path / 'replay'}\n")
    cookiecutter(str(ROOT), no_input=True, output_dir=str(tmp_path / "first"), config_file=str(settings))
    [kept] = (tmp_path / "replay").iterdir()
    answers = json.loads(kept.read_text())
    assert len(kept.read_text()) < 8_000
    assert "aiohttp" not in kept.read_text()

    def replay(name: str, **more: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({**answers, "cookiecutter": {**answers["cookiecutter"], **more}}))
        command = [Path(sys.executable).with_name("cookiecutter"), ROOT, "--replay-file", path]
        command += ["--config-file", settings, "--output-dir", tmp_path / name]
        return subprocess.run([str(part) for part in command], capture_output=True, text=True)

    assert replay("earlier", _installed_names="absl").returncode == 0
    assert tree(tmp_path / "earlier") == tree(tmp_path / "first")
    refused = replay("refused", package_name="torch", author_email="nobody")
    assert refused.returncode != 0
    for key in ("package_name", "author_email"):
        assert f"error: {key}=" in refused.stdout + refused.stderr
    assert not [path for path in (tmp_path / "refused").rglob("*") if path.is_file()]


def test_the_next_commands_are_printed_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they can be pasted in the folder where the project was generated, and elsewhere; not where cruft compares."""
    elsewhere, temporary = tmp_path / "out" / "other", tmp_path / "temporary"
    temporary.mkdir()
    for here, out, place in (
        (tmp_path, tmp_path / "out", "out/my-project"),
        (elsewhere, tmp_path / "out", f"{tmp_path}/out/my-project"),
        (elsewhere, temporary, None),
    ):
        monkeypatch.setenv("PWD", str(here))
        monkeypatch.setenv("TMPDIR", str(temporary))
        printed = generate(out, project_name="My Project").stdout
        assert printed.endswith(f"\n\n  cd {place}\n  make setup\n  make run\n") if place else printed == ""
        shutil.rmtree(out / "my-project")


@pytest.mark.parametrize("text", HARMLESS)
def test_free_text_reads_the_same_in_every_file(render: Render, text: str) -> None:
    project = render(project_slug="harmless", project_name=text, description=text, author_name=text)
    metadata = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert metadata["description"] == metadata["authors"][0]["name"] == text
    citation = yaml.safe_load((project / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["title"] == citation["abstract"] == citation["authors"][0]["name"] == text
    assert text in (project / "README.md").read_text(encoding="utf-8")
    assert text in (project / "LICENSE").read_text(encoding="utf-8")
    check_files(project)


@pytest.mark.parametrize(("option", "choice"), [(option, choice) for option in CHOICES for choice in CHOICES[option]])
def test_every_choice_renders(render: Render, option: str, choice: str) -> None:
    check_files(render(**{option: choice}))


@pytest.mark.parametrize("manager", CHOICES["environment_manager"])
@pytest.mark.parametrize("tracker", CHOICES["tracker"])
def test_only_the_files_of_the_choice_are_there(render: Render, manager: str, tracker: str) -> None:
    project = render(environment_manager=manager, tracker=tracker)
    own = {
        "pip": {f"requirements{name}" for name in (".in", ".txt", "-dev.in", "-dev.txt", "-exclude.txt")},
        "uv": set(),
        "poetry": {"poetry.toml"},
        "conda": {"environment.yml"},
    }
    files = {path.name for path in project.iterdir()}
    assert files & set().union(*own.values()) == own[manager]
    assert {"environment.mk", "LICENSE"} <= files
    assert "variants" not in files
    assert (project / "src/reproml/locks/conda.py").exists() is (manager == "conda")
    said = re.findall("^## The files of (.*)$", (project / "docs/environments.md").read_text(), flags=re.MULTILINE)
    assert [name.lower() for name in said] == [manager]
    tools = tomllib.loads((project / "pyproject.toml").read_text())["tool"]
    assert {"uv", "poetry"} & tools.keys() == {manager} & {"uv", "poetry"}
    if manager == "pip":
        locked = set(re.findall(r"^([a-z0-9-]+)==", (project / "requirements.txt").read_text(), flags=re.MULTILINE))
        assert locked & {"mlflow", "wandb", "tensorboard"} == {tracker} - {"none"}
    make = subprocess.run(["make", "--dry-run", "setup", "lock"], cwd=project, capture_output=True, text=True)
    assert make.returncode == 0, make.stderr
    assert (f"--extra {tracker}" in make.stdout.replace("--extras", "--extra")) is (tracker != "none")


@pytest.mark.parametrize("license", CHOICES["license"])
def test_the_license_is_the_one_chosen(render: Render, license: str) -> None:
    project = render(license=license, author_name="Ada Lovelace")
    text = (project / "LICENSE").read_text()
    marks = {
        "MIT": "MIT License",
        "BSD-3-Clause": "BSD 3-Clause",
        "Apache-2.0": "Apache License",
        "Proprietary": "All rights reserved",
    }
    assert [mark for mark in marks if marks[mark] in text] == [license]
    assert "Ada Lovelace" in text
    expected = "LicenseRef-Proprietary" if license == "Proprietary" else license
    assert tomllib.loads((project / "pyproject.toml").read_text())["project"]["license"] == expected


def test_the_second_hook_run_changes_nothing(render: Render) -> None:
    project = render(package_name="other_name")
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    hook = (ROOT / "hooks" / "post_gen_project.py").read_text().replace("{{ cookiecutter.package_name }}", "other_name")
    subprocess.run([sys.executable, "-c", hook], cwd=project, check=True)
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before


def test_a_folder_that_exists_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "my-project").mkdir()
    (tmp_path / "my-project" / "precious.txt").write_text("mine")
    assert generate(tmp_path).returncode != 0
    assert [path.name for path in (tmp_path / "my-project").iterdir()] == ["precious.txt"]


def check_files(project: Path) -> None:
    """Every file parses, and no mark of the template is left."""
    for path in [path for path in project.rglob("*") if path.is_file()]:
        text = path.read_text(encoding="utf-8")
        assert "cookiecutter" not in text, path
        assert LOGIC[0] not in text or path.suffix == ".j2", path  # those are templates of the project itself
        assert path.suffix == ".j2" or LOGIC[0] not in text, path  # templates of the project itself
        if path.suffix == ".py":
            ast.parse(text)
            assert "package_name" not in text, path
        elif path.suffix in (".yaml", ".yml", ".cff"):
            yaml.safe_load(text)
        elif path.suffix == ".toml":
            tomllib.loads(text)
        elif path.suffix == ".ipynb":
            json.loads(text)
    own = [path for path in TEMPLATE.rglob("*.py") if not {"__pycache__", "variants"} & set(path.parts)]
    assert {path.name for path in own} <= {path.name for path in project.rglob("*.py")}
