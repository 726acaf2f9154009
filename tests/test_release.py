"""Versions of the model: what is refused, what a release leaves in git and DVC, and what the comparison suggests."""

import json
import re
import shlex
import shutil
import time
from pathlib import Path

import pytest
from conftest import code_blocks, digest, run
from runs import record

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]
COMMIT = "git add --all && git commit --quiet --message Change"


def verified(project: Path) -> None:
    """Write what the command verify leaves of the pipeline's run."""
    weights = record(project / "models")["weights_sha256"]
    verdict = {
        "code": 0,
        "line": "reproduced bit for bit",
        "explanation": [],
        "clean": False,
        "weights_sha256": weights,
    }
    text = json.dumps({**verdict, "ended": "2026-01-31T12:00:00+00:00"})
    (project / "models" / "verification.json").write_text(text)


def release(project: Path, version: str = "") -> tuple[int, str]:
    """Return the exit code of `make release` and what it printed."""
    result = run(f"make release VERSION={version}", project, check=False, PYTHONPATH="src")
    return result.returncode, result.stdout + result.stderr


def tags(project: Path) -> set[str]:
    return set(run("git tag --list", project).stdout.split())


@pytest.fixture(scope="module")
def first(shared_pipeline: Path) -> Path:
    """Return a project whose model has the version 1.0.0, and a repository that it shares with others."""
    verified(shared_pipeline)
    run(
        "git init --quiet --bare --initial-branch main ../shared.git && git remote add origin ../shared.git",
        shared_pipeline,
    )
    code, said = release(shared_pipeline)
    assert code == 0
    assert "the next version should be 1.0.0 (the first version)" in said
    code, said = release(shared_pipeline, "1.0.0")
    assert code == 0, said
    assert "git push origin HEAD v1.0.0 model@v1.0.0" in said
    return shared_pipeline


@pytest.fixture
def project(first: Path, tmp_path: Path) -> Path:
    """Return a copy of the project, beside copies of the repository and of DVC's store."""
    for name in ("shared.git", "my-project-dvc-store"):
        shutil.copytree(first.parent / name, tmp_path / name)
    return Path(shutil.copytree(first, tmp_path / first.name, symlinks=True))


def test_the_registry_knows_versions_and_stages(project: Path, tmp_path: Path) -> None:
    model = digest(project / "models" / "model.safetensors")
    assert tags(project) == {"v1.0.0", "model@v1.0.0"}
    about = run("git tag --list --format='%(contents)' model@v1.0.0", project).stdout
    accuracy = record(project / "models")["metrics"]["accuracy"]
    assert about.startswith("Model 1.0.0: loss ")
    newer = Path(shutil.copytree(project / "models", project / "outputs" / "newer"))
    ended = {
        "command": {**record(newer)["command"], "config": "config"},
        "sessions": [{"ended": "9999-12-31T00:00:00"}],
    }
    (newer / "run.json").unlink()
    (newer / "run.json").write_text(json.dumps({**record(project / "models"), **ended}))
    run("make check", project, PYTHONPATH="src")  # what a release requires still passes, whatever ran since
    assert f"accuracy {accuracy:.6g}" in about
    run("gto assign model --version v1.0.0 --stage production", project)
    assert run("gto assign model --version v1.0.0 --stage prodution", project, check=False).returncode
    assert json.loads(run("gto show --json", project).stdout)["model"]["stage"]["production"] == "v1.0.0"
    run("git push --quiet origin HEAD --tags", project)
    clone = tmp_path / "clone" / "my-project"
    run(f"git clone --quiet '{tmp_path / 'shared.git'}' '{clone}'", tmp_path)
    (clone / ".venv").symlink_to(project / ".venv")
    run(f"dvc remote modify --local local url '{tmp_path / 'my-project-dvc-store'}'", clone)
    for number, choice in enumerate(("--rev v1.0.0", "--stage production")):
        run(f"dvc artifacts get --config .dvc/config.local . model {choice} --out {number}.safetensors", clone)
        assert digest(clone / f"{number}.safetensors") == model
    run("git checkout --quiet v1.0.0 && dvc pull", clone)
    assert json.loads((clone / "models/run.json").read_text()) == record(project / "models")
    assert json.loads((clone / "reports/metrics.json").read_text()) == record(project / "models")["metrics"]


@pytest.mark.parametrize(
    ("plant", "version", "reason"),
    [
        ("true", "v1.1.0", "VERSION=v1.1.0 is not a version"),
        ("true", "1.0.0", "v1.0.0 exists"),
        ("git tag v1.1.0", "1.1.0", "v1.1.0 exists"),
        ("git tag v1.1.0 && git push --quiet origin v1.1.0 && git tag --delete v1.1.0", "1.1.0", "v1.1.0 exists"),
        ("echo more >> README.md", "1.1.0", "1 change is not committed, such as that of README.md"),
        ("touch new", "1.1.0", "such as that of new"),
        ("rm models/verification.json", "1.1.0", "required items of the checklist fail (the result is reproduced)"),
        (f"sed -i '/GB of memory/d' README.md && {COMMIT}", "1.1.0", "fail (hardware requirements are documented)"),
        (f"sed -i 's/^lr: .*/lr: 0.002/' configs/training/default.yaml && {COMMIT}", "1.1.0", "is not up to date"),
        ("rm models/model.safetensors", "1.1.0", "is not up to date"),
        (f"echo '# more' >> src/reproml/errors.py && {COMMIT}", "1.1.0", "is not up to date"),
        # as after an edit during the training, which DVC takes for the code that ran
        (f"echo '# more' >> src/reproml/training/steps.py && dvc commit --quiet --force && {COMMIT}",
         "1.1.0", "fail (the committed code made the model)"),
        (f"git rm --quiet --cached models/metrics.csv && echo /models/metrics.csv >> .gitignore && {COMMIT}",
         "1.1.0", "models/metrics.csv belongs to the version, but is not in git"),
        (f"dvc remote modify local url /dev/null/nowhere && {COMMIT}", "1.1.0", "dvc push says"),
        ("touch '.git/refs/tags/model@v1.1.0.lock'", "1.1.0", "if none runs: rm .git/refs/tags/model@v1.1.0.lock"),
        ("git reset --quiet --hard HEAD~1", "1.1.0", "this commit is version 1.0.0 already"),
        ("git tag --delete model@v1.0.0", "1.0.0", "git tag --delete v1.0.0"),  # half a release, of another commit
        ("git tag --delete v1.0.0", "1.0.0", "git tag --delete model@v1.0.0"),
        ("rm -rf .git", "1.1.0", "there is no commit"),
    ],
)  # fmt: skip
def test_what_is_refused_leaves_no_version(project: Path, plant: str, version: str, reason: str) -> None:
    run(f"git commit --quiet --allow-empty --message More && {plant}", project)
    before = tags(project) if (project / ".git").exists() else set()
    code, said = release(project, version)
    assert code != 0
    assert "not released: " in said
    assert reason in said
    assert not (project / ".git").exists() or tags(project) == before


# A hook of git, which runs when the locks of both tags are there and no tag is.
KILL = """#!/bin/sh
[ "$1" != prepared ] || { killed=%s; kill -9 "$killed"; sleep 1; }
"""


@pytest.mark.parametrize("killed", ["$(ps -o ppid= -p $PPID | tr -d ' ')", "$PPID"], ids=["release", "git"])
def test_a_kill_while_the_tags_are_written_leaves_both_or_none(project: Path, killed: str) -> None:
    hook = project / ".git" / "hooks" / "reference-transaction"
    run("git commit --quiet --allow-empty --message More", project)
    before, both = tags(project), {"v1.1.0", "model@v1.1.0"}
    hook.write_text(KILL % killed)
    hook.chmod(0o755)
    assert release(project, "1.1.0")[0] != 0
    time.sleep(2)  # git may outlive the release that has started it
    hook.unlink()
    assert tags(project) - before in (set(), both)
    code, said = release(project, "1.1.0")
    if killed == "$PPID":  # a git that is killed leaves the locks
        way_out = said.partition("if none runs: ")[2].splitlines()[0]
        assert shlex.split(way_out)[1:] == [".git/refs/tags/v1.1.0.lock", ".git/refs/tags/model@v1.1.0.lock"]
        run(way_out, project)
        code, said = release(project, "1.1.0")
    assert code == 0 or "v1.1.0 exists, and a version is never reused" in said
    assert tags(project) - before == both


@pytest.mark.parametrize("lost", ["v1.0.0", "model@v1.0.0"])
def test_the_same_release_adds_the_tag_that_an_interrupted_one_left_out(project: Path, lost: str) -> None:
    about = run("git cat-file tag model@v1.0.0", project).stdout.partition("tagger")[0]
    run(f"git tag --delete {lost}", project)
    code, said = release(project, "1.0.0")
    assert code == 0, said
    assert f"an earlier release was interrupted before it wrote {lost}: it is complete now" in said
    assert tags(project) == {"v1.0.0", "model@v1.0.0"}
    assert run("git cat-file tag model@v1.0.0", project).stdout.startswith(about)
    assert "v1.0.0" in run("gto show model", project).stdout
    code, said = release(project, "1.0.0")
    assert (code != 0, "v1.0.0 exists" in said) == (True, True)


@pytest.mark.parametrize(
    ("edit", "suggested", "reason"),
    [
        ("sed -i 's/dropout: .*/dropout: 0.5/' configs/model/mlp.yaml", "2.0.0 (major", "the network changed"),
        ("echo '# more' >> train.py", "1.0.1 (patch", "the weights are the same, bit for bit; code: train.py changed"),
    ],
)
def test_the_comparison_suggests_a_version(project: Path, edit: str, suggested: str, reason: str) -> None:
    """What other changes call for, the project's own tests/test_versions.py asks."""
    run(f"{edit} && {COMMIT} && dvc repro && {{ git diff --quiet HEAD || {COMMIT}; }}", project)
    verified(project)
    said = release(project)[1]
    assert suggested in said
    assert reason in said
    number = suggested.split()[0]
    assert release(project, number)[0] == 0
    assert {f"v{number}", f"model@v{number}"} <= tags(project)


def test_the_page_on_versions(project: Path) -> None:
    """Its commands are run as printed, in the next version."""
    first, registry = code_blocks((project / "docs" / "versions.md").read_text())
    run(f"sed -i 's/^seed: 42/seed: 44/' configs/config.yaml && {COMMIT}", project)
    for line in (first + registry).replace("1.0.0", "1.1.0").splitlines():
        command = re.sub(r"\s+#.*", "", line)
        said = run(command, project, PYTHONPATH="src").stdout
        verified(project) if "verify" in command else None
        assert command != "gto show model" or {"v1.0.0", "v1.1.0"} <= set(said.split())
    assert digest(project / "production.safetensors") == digest(project / "models" / "model.safetensors")
