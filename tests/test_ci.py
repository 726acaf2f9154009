"""The steps of the workflows, run here one after the other as a runner would, in a fresh project.

Those of a change that passes are run by test_first_day.py, in the environment of each tracker.
Only `make setup` is not: it would remake the environment that the tests share. tests/test_environments.py runs it,
and tests/environments.py makes exactly what it gives.
Actions of others are not run either; what they would bring is put in place by hand.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import run

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]

# The conditions that steps have, and what they mean here.
CONDITIONS: dict[str, Callable[[Path], bool]] = {
    "hashFiles('reports/baseline.json') == ''": lambda project: not (project / "reports/baseline.json").exists(),
    "hashFiles('reports/drift.md') != ''": lambda project: (project / "reports/drift.md").exists(),
}

CHECKED = [  # the steps of a change
    "Install the environment manager",
    "Style, types and the Dockerfile",
    "Tests",
    "Check that others can set it up and run it",
    "Train for a few seconds",
    "Show the metrics beside those of main",
]


class Runner:
    """Runs the jobs of a project's workflows, with a program in place of GitHub's `gh` that notes what it is asked.

    Args:
        plain: whether each command starts with the project's own Python, as on a runner, see preloaded.py.
    """

    def __init__(self, project: Path, plain: bool = False) -> None:
        self.project, self.plain = project, plain
        self.summary = project.parent / "summary.md"
        self.asked = project.parent / "asked.txt"
        tools = project.parent / "tools"
        tools.mkdir()
        (tools / "gh").write_text(
            '#!/bin/sh\nprintf "%s\\n" "$*" >> "$ASKED"\n[ "$2" != list ] || echo "$OPEN_ISSUE"\n'
        )
        (tools / "gh").chmod(0o755)
        run("git update-ref refs/remotes/origin/main HEAD", project)
        self.path = tools

    def job(self, workflow: str, name: str, without: tuple[str, ...] = (), **variables: str) -> tuple[list[str], str]:
        """Run a job's steps until one fails; return the names of those that ran, and what the failing one said."""
        parsed: dict[str, Any] = yaml.safe_load((self.project / ".github" / "workflows" / workflow).read_text())
        ran = []
        for step in parsed["jobs"][name]["steps"]:
            command = step.get("run")
            if command is None or command in ("make setup", *without):
                continue
            if "if" in step and not CONDITIONS[step["if"]](self.project):
                continue
            ran.append(step["name"])
            result = self.start(command, **variables)
            if result.returncode:
                return ran, result.stdout + result.stderr
        return ran, ""

    def start(self, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return run(
            f'PATH="{self.path}:$PATH"\n{command}',
            self.project,
            check=False,
            plain=self.plain,
            PYTHONPATH="src",
            GITHUB_STEP_SUMMARY=str(self.summary),
            ASKED=str(self.asked),
            **{"OPEN_ISSUE": "", **variables},
        )


@pytest.fixture
def runner(project: Path) -> Runner:
    return Runner(project)


def test_a_broken_training_fails_the_change(runner: Runner) -> None:
    (runner.project / "configs/experiment/canonical.yaml").open("a").write("  lr: 1.0e+30\n  gradient_clip: null\n")
    run("git commit --quiet --all --message 'Break the training'", runner.project)
    ran, said = runner.job("ci.yml", "check", without=("make lint", "make test"))
    assert ran[-1] == "Train for a few seconds"
    assert "error: " in said
    assert not runner.summary.exists()


def test_what_others_cannot_set_up_fails_the_change(runner: Runner) -> None:
    run("sed -i 's/torch==[0-9.]*/torch/' pyproject.toml", runner.project)
    ran, said = runner.job("ci.yml", "check", without=("make lint", "make test"))
    assert ran[-1] == "Check that others can set it up and run it"
    assert "FAIL            dependencies are pinned: pyproject.toml does not pin the version of torch" in said


def test_the_weekly_jobs_pass_and_post_nothing(runner: Runner) -> None:
    ran, said = runner.job("reproduce.yml", "drift")
    assert not said
    assert ran[-2:] == ["Write a baseline if none is committed", "Train again and compare"]
    ran, said = runner.job("reproduce.yml", "verify")
    assert not said
    assert ran[-1] == "Rerun its run from the record, and compare bit for bit"
    assert runner.job("reproduce.yml", "alert") == ([], "")
    assert not runner.asked.exists()


def test_drift_fails_the_job_and_is_posted_once(runner: Runner) -> None:
    assert runner.start("make baseline").returncode == 0
    (runner.project / "configs/experiment/canonical.yaml").open("a").write("  lr: 0.00003\n")
    ran, said = runner.job("reproduce.yml", "drift")
    assert ran[-1] == "Train again and compare"
    assert "drifted from the baseline of " in said
    for issue, action in {"": "issue create --title The results have drifted", "7": "issue comment 7"}.items():
        ran, said = runner.job("reproduce.yml", "alert", OPEN_ISSUE=issue)
        assert ran == ["Open an issue, or add to the one that is open"]
        assert not said
        assert runner.asked.read_text().splitlines()[-1] == f"{action} --body-file reports/drift.md"
