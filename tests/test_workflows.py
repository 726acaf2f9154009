"""The workflows of a generated project: no template marks, no finding, and no verb that `make` does not have."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import TEMPLATE, Render

WORKFLOWS = sorted(TEMPLATE.glob(".github/workflows/*.yml"))


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
    result = zizmor(*WORKFLOWS)
    assert result.returncode == 0, result.stdout
    for good, bad in {
        r"@[0-9a-f]{40}": "@v5",
        r"\n +with:\n +persist-credentials: false": "",
        r"permissions: \{\}": "permissions: write-all",
    }.items():  # and it finds something where there is something
        worse = tmp_path / "worse.yml"
        worse.write_text(re.sub(good, bad, WORKFLOWS[0].read_text()))
        assert zizmor(worse).returncode != 0, bad
