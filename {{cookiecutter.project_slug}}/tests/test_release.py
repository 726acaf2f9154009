"""A release of a model: two tags that are written together, and what is refused before either."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reproml.checklist.item import FAIL, PASS, Item
from reproml.release import publish, tags
from reproml.release.publish import release
from reproml.release.suggestion import Suggestion, suggest
from reproml.release.version import PATCH, ReleaseError, Version, model_tag, released

from .conftest import COMMIT, with_values

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
ONE = Version(1, 0, 0)
Git = Callable[..., str]
STATUS = "{}"  # what DVC says where nothing has changed


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """Return a function that runs git in the project."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@example.com")
    (tmp_path / "birds").mkdir()

    def run(*arguments: str) -> str:
        command = ["git", *arguments]
        found = subprocess.run(command, cwd=tmp_path / "birds", check=True, capture_output=True, text=True)
        return found.stdout.strip()

    run("init", "--quiet", "--initial-branch", "main")
    return run


@pytest.fixture
def birds(git: Git, short_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project whose pipeline has run and is committed, where DVC and the checklist have nothing to say."""
    folder = tmp_path / "birds"
    shutil.copytree(short_run, folder / "models", ignore=shutil.ignore_patterns("checkpoints"))
    with_values(folder / "models", git=COMMIT)
    (folder / "models" / "changes.patch").unlink(missing_ok=True)
    (folder / "reports").mkdir()
    for name in ("dvc.lock", "params.yaml", "reports/metrics.json"):
        (folder / name).touch()
    git("add", "--all", "--force")
    git("commit", "--quiet", "--message", "Run")
    monkeypatch.setattr(publish, "dvc", lambda folder, *arguments: STATUS)
    monkeypatch.setattr(publish, "examine", lambda folder, run: [])
    return folder


def test_a_suggestion_says_why() -> None:
    assert str(Suggestion(ONE, "", ["the first version"])) == "1.0.0 (the first version)"
    assert str(Suggestion(ONE, PATCH, ["a", "b", "c", "d"])) == "1.0.0 (patch; a; b; c)"


def test_a_release_writes_both_tags_and_never_again(birds: Path, git: Git) -> None:
    assert str(suggest(birds, Path("models"))) == "1.0.0 (the first version)"
    lines = release(birds, ONE)
    assert git("tag", "--list").split() == ["model@v1.0.0", "v1.0.0"]
    assert lines[1] == "tags: v1.0.0, model@v1.0.0"
    assert git("cat-file", "-t", "v1.0.0") == git("cat-file", "-t", "model@v1.0.0") == "tag"
    assert git("rev-parse", "v1.0.0^{commit}") == git("rev-parse", "HEAD")
    assert lines[0] == git("for-each-ref", "--format=%(contents:subject)", "refs/tags/v1.0.0")
    assert released(birds) == [ONE]
    with pytest.raises(ReleaseError, match=r"v1\.0\.0 exists, and a version is never reused: choose the next one"):
        release(birds, ONE)
    with pytest.raises(ReleaseError, match=r"this commit is version 1\.0\.0 already: change something"):
        release(birds, Version(1, 0, 1))
    git("commit", "--quiet", "--allow-empty", "--message", "More")
    release(birds, Version(1, 10, 0))
    git("commit", "--quiet", "--allow-empty", "--message", "More")
    release(birds, Version(1, 9, 0))
    assert released(birds) == [ONE, Version(1, 9, 0), Version(1, 10, 0)]  # by number


@pytest.mark.parametrize("lost", ["v1.0.0", "model@v1.0.0"])
def test_half_a_release_is_completed_by_the_same_one_alone(birds: Path, git: Git, lost: str) -> None:
    release(birds, ONE)
    git("tag", "--delete", lost)
    kept = next(iter({"v1.0.0", "model@v1.0.0"} - {lost}))
    assert f"an earlier release was interrupted before it wrote {lost}: it is complete now" in release(birds, ONE)
    assert git("tag", "--list").split() == ["model@v1.0.0", "v1.0.0"]
    git("tag", "--delete", lost)
    git("commit", "--quiet", "--allow-empty", "--message", "More")
    with pytest.raises(ReleaseError, match=f"{kept} exists without {lost}, .* git tag --delete {kept}"):
        release(birds, ONE)
    assert git("tag", "--list").split() == [kept]


def test_a_tag_that_others_have_is_not_reused(birds: Path, git: Git, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", "--bare", tmp_path / "shared.git"], check=True)
    git("remote", "add", "origin", str(tmp_path / "shared.git"))
    git("tag", "v1.0.0")
    git("push", "--quiet", "origin", "v1.0.0")
    git("tag", "--delete", "v1.0.0")
    with pytest.raises(ReleaseError, match=r"v1\.0\.0 exists, and a version is never reused"):
        release(birds, ONE)
    assert "share it: git push origin HEAD v2.0.0 model@v2.0.0" in release(birds, Version(2, 0, 0))


def test_what_is_not_committed_or_not_right_is_not_released(
    birds: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(sentence: str) -> None:
        with pytest.raises(ReleaseError, match=sentence):
            release(birds, ONE)
        assert git("tag", "--list") == ""

    (birds / "dvc.lock").write_text("changed")
    refused(r"^1 change is not committed, such as that of dvc\.lock: commit it first$")
    (birds / "new").touch()
    refused(r"^2 changes are not committed, such as that of dvc\.lock: commit them first$")
    (birds / "new").unlink()
    git("rm", "--quiet", "--cached", "--force", "dvc.lock")
    (birds / ".git" / "info" / "exclude").write_text("dvc.lock")
    git("commit", "--quiet", "--message", "Forget it")
    refused(r"dvc\.lock belongs to the version, but is not in git: dvc repro, and git add --force dvc\.lock")
    git("add", "--force", "dvc.lock")
    git("commit", "--quiet", "--message", "Keep it")
    monkeypatch.setattr(publish, "dvc", lambda folder, *arguments: '{"train": ["changed deps"]}')
    refused("the pipeline is not up to date: dvc repro, commit, verify")
    monkeypatch.setattr(publish, "dvc", lambda folder, *arguments: STATUS)
    items = [
        Item("after training", "the result is reproduced", FAIL, "", "", True),
        Item("after training", "there is a report", FAIL, "", "", False),
        Item("after training", "the results are documented", PASS, "", "", True),
    ]
    monkeypatch.setattr(publish, "examine", lambda folder, run: items)
    refused(r"required items of the checklist fail \(the result is reproduced\): python -m reproml check models")


def test_a_project_without_a_commit_has_no_version(git: Git, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="there is no commit yet: commit the project first"):
        release(tmp_path / "birds", ONE)


def test_a_project_in_a_folder_of_a_repository_has_tags_of_its_own(birds: Path, git: Git) -> None:
    inner = birds / "birds"
    inner.mkdir()
    assert (model_tag(inner, ONE), model_tag(birds, ONE)) == ("birds=model@v1.0.0", "model@v1.0.0")
    git("tag", "birds=model@v1.0.0")
    git("tag", "model@v2.0.0")
    git("tag", "model@v2.0")  # somebody else's
    assert (released(inner), released(birds)) == ([ONE], [Version(2, 0, 0)])


def test_a_name_that_gto_does_not_read_is_refused(birds: Path) -> None:
    with pytest.raises(ReleaseError, match=r"GTO refuses .*: give the folder of the project another name"):
        tags.missing(birds, ["v1.0.0", "my birds=model@v1.0.0"], lambda: "")


def test_a_lock_that_a_killed_git_left_comes_with_its_command(birds: Path, git: Git) -> None:
    lock = birds / ".git" / "refs" / "tags" / "model@v1.0.0.lock"
    lock.touch()
    with pytest.raises(
        ReleaseError, match=r"git cannot write v1\.0\.0 and model@v1\.0\.0: .* rm \.git/refs/tags/model"
    ):
        release(birds, ONE)
    assert git("tag", "--list") == ""
    lock.unlink()
    release(birds, ONE)
    assert len(git("tag", "--list").split()) == 2
