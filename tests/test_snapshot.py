"""The code that a record names: whatever git skips is in the patch, or is named as left out."""

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import TEMPLATE, run
from reproml.checklist.facts import Facts
from reproml.checklist.provenance import committed, edits, passed_over, unlike_the_record
from reproml.errors import RecordError
from reproml.runs import code, snapshot
from reproml.runs.imported import beside_src, code_now
from reproml.runs.source import check_out

FILES = {
    "train.py": "import package",
    "src/package/__init__.py": "",
    "src/package/data/digits.py": "def read(): return 1",
    "src/package/models/mlp.py": "layers = 2",
    "configs/config.yaml": "seed: 42",
    "params.yaml": "seed: 42",
    ".gitignore": "__pycache__/",
}


def git(command: str, folder: Path = Path()) -> str:
    who = {f"GIT_{role}_{part}": "test@example.com" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    alone = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    allowed = ["-c", "protocol.file.allow=always"]
    result = subprocess.run(["git", *allowed, *command.split()], cwd=folder, env=alone, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text + "\n")


def repository(folder: Path, files: dict[str, str]) -> Path:
    write(folder, files)
    git("init --quiet --initial-branch main", folder)
    git("add --all", folder)
    git("commit --quiet --message First --allow-empty", folder)
    return folder


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a committed project in the current folder, with git as on a machine without settings."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.chdir(repository(tmp_path / "project", FILES))
    code.at_start.cache_clear()
    return tmp_path / "project"


def restored(project: Path, found: dict[str, Any], patch: bytes) -> dict[str, str]:
    """Return the digests of the code that a record gives back, in a folder of its own."""
    (project.parent / "changes.patch").write_bytes(patch)
    with_code = check_out(found, project.parent / "changes.patch", project.parent / "restored")
    return code.deciding_digests(with_code)


def ignore_globally(project: Path) -> None:
    (project.parent / "ignored").write_text("data/\nparams.yaml\n")
    (project.parent / "gitconfig").write_text(f"[core]\n\texcludesFile = {project.parent / 'ignored'}\n")
    os.environ["GIT_CONFIG_GLOBAL"] = str(project.parent / "gitconfig")  # which monkeypatch puts back
    git("rm --quiet --cached src/package/data/digits.py params.yaml")
    git("commit --quiet --message Ignored")


def ignore_outside(project: Path) -> None:
    (project / ".git").rename(project.parent / "moved")
    write(project.parent, {".gitignore": "*"})
    git("init --quiet --initial-branch main", project.parent)
    git("commit --quiet --message Outer --allow-empty", project.parent)


def mark(flag: str) -> Callable[[Path], None]:
    def plant(project: Path) -> None:
        git(f"update-index --{flag} src/package/models/mlp.py")
        write(project, {"src/package/models/mlp.py": "layers = 3"})

    return plant


def same_size_and_time(project: Path) -> None:
    """As left by a tool that restores a file's time, so git looks no further."""
    path = project / "src/package/models/mlp.py"
    git("config core.trustctime false")
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns - 10**10)
    os.utime(path, ns=times)
    git("update-index --refresh")
    path.write_text("layers = 3\n")
    os.utime(path, ns=times)
    assert git("status --porcelain") == ""


def exclude(project: Path) -> None:
    write(project, {".git/info/exclude": "extra.py", "src/package/extra.py": "more = 1"})


HIDDEN = {
    "a global ignore": ignore_globally,
    "an outer repository that ignores the project": ignore_outside,
    "assume-unchanged": mark("assume-unchanged"),
    "skip-worktree": mark("skip-worktree"),
    "an edit that keeps size and time": same_size_and_time,
    "info/exclude": exclude,
}


@pytest.mark.parametrize("plant", HIDDEN.values(), ids=HIDDEN)
def test_what_git_passes_over_is_in_the_patch(project: Path, plant: Callable[[Path], None]) -> None:
    plant(project)
    index = (project / ".git" / "index").read_bytes() if (project / ".git").exists() else b""
    expected = code.deciding_digests()
    found, patch = snapshot.describe()
    assert found
    assert found["dirty"]
    assert found["left_out"] == []
    assert restored(project, found, patch) == expected
    assert not index or (project / ".git" / "index").read_bytes() == index


def with_submodule(project: Path) -> Path:
    """Give the project the submodule src/package/sub, and return its folder."""
    repository(project.parent / "library", {"net.py": "width = 1", "deep/er.py": "depth = 1"})
    git("submodule --quiet add ../library src/package/sub")
    git("commit --quiet --message Submodule")
    return project / "src/package/sub"


def test_a_submodule_is_restored_at_its_commit(project: Path) -> None:
    with_submodule(project)
    expected = code.deciding_digests()
    assert "src/package/sub/deep/er.py" in expected
    found, patch = snapshot.describe()
    assert found
    assert (found["dirty"], found["left_out"], patch) == (False, [], b"")
    assert restored(project, found, patch) == expected


def test_a_submodule_that_is_missing_is_named(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_submodule(project)
    found, _ = snapshot.describe()
    assert found
    git(f"clone --quiet {project} {tmp_path / 'clone'}")
    monkeypatch.chdir(tmp_path / "clone")
    with pytest.raises(RecordError, match=r"the submodule src/package/sub is not checked out .* git submodule update"):
        check_out(found, tmp_path / "none", tmp_path / "restored")


def test_what_no_patch_can_hold_is_named(project: Path) -> None:
    inside = with_submodule(project)
    write(inside, {"net.py": "width = 2", "new.py": ""})
    write(project.parent, {"shared/more.py": "more = 1"})
    (project / "src/package/linked").symlink_to("../../../shared")
    (project / "src/package/inner.py").symlink_to("models/mlp.py")  # git holds what it leads to
    repository(project / "src/package/own", {"a.py": "", "b.py": ""})
    write(project, {".git/info/exclude": "own/\ncredentials.yaml", "src/package/credentials.yaml": "x"})
    found, patch = snapshot.describe()
    assert found
    assert found["dirty"]
    assert {item["path"]: item["reason"] for item in found["left_out"]} == {
        "src/package/sub/net.py": "changed in a submodule",
        "src/package/sub/new.py": "changed in a submodule",
        "src/package/linked/more.py": "behind a link to what git does not hold",
        "src/package/own": "another repository",
        "src/package/credentials.yaml": "named like a secret",
    }
    assert b"inner.py" in patch


@pytest.mark.parametrize("name", ["outputs", "mlruns"])
def test_what_runs_write_may_lie_on_another_disk(project: Path, name: str) -> None:
    """A link to it is no edit of the code, and no other repository."""
    ignored = (TEMPLATE / ".gitignore").read_text()
    write(project, {".gitignore": ignored})
    git("add .gitignore")
    git("commit --quiet --message ignore")
    (project.parent / "disk").mkdir()
    (project / name).symlink_to(project.parent / "disk")
    write(project, {f"{name}/first/run.json": "{}"})
    found, _ = snapshot.describe()
    assert found
    assert not found["dirty"] and not found["left_out"]


def test_code_beside_src_is_in_the_record(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration can name any class that Python finds: the patch holds those of the project, the others are named.

    One without an `__init__.py`, hidden from git, which imports another repository.
    """
    write(project, {".git/info/exclude": "beside", "beside/net.py": "from notours.deep import er"})
    write(
        project.parent / "library",
        {"notours/__init__.py": "", "notours/deep/er.py": "", "notours/deep/__init__.py": ""},
    )
    for folder in (project, project.parent / "library"):
        monkeypatch.syspath_prepend(folder)
    settings = {"model": {"_target_": "beside.net.Net", "part": {"_target_": "package.models.mlp.MLP"}}}
    beside, elsewhere = beside_src({**settings, "trainer": {"_target_": "pytest.Item"}})
    assert beside == {"beside/net.py": hashlib.sha256((project / "beside/net.py").read_bytes()).hexdigest()}
    assert elsewhere == ["notours"]
    assert list(code_now("notours.deep.er")) == ["notours", "notours.deep", "notours.deep.er"]  # Python runs all three
    found, patch = snapshot.describe(beside, elsewhere)
    assert found
    assert found["dirty"]
    assert found["left_out"] == [{"path": "notours", "reason": "a package from outside of the project"}]
    restored(project, found, patch)
    assert (project.parent / "restored/beside/net.py").read_text() == (project / "beside/net.py").read_text()


def test_packages_that_pip_has_put_elsewhere_are_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `pip install --target`, as beside a torch that a machine brings: they are not code of the run."""
    write(tmp_path / "target", {"thirdparty/__init__.py": "", "thirdparty-1.0.dist-info/RECORD": ""})
    write(tmp_path / "clone", {"ownclone/__init__.py": "import __main__"})
    for folder in ("target", "clone"):
        monkeypatch.syspath_prepend(tmp_path / folder)
    monkeypatch.setattr("__main__.__spec__", None)  # as of a script
    settings = {"model": {"_target_": "thirdparty.Net"}, "callbacks": {"_target_": "ownclone.Callback"}}
    assert beside_src(settings) == ({}, ["ownclone"])


def test_what_is_no_code_is_left_alone(project: Path) -> None:
    """A record of a clean commit stays clean beside what tools write, and with the line ends of Windows."""
    write(project, {".gitignore": "__pycache__/\n.DS_Store\n*.crlf"})
    write(project, {".gitattributes": "* text=auto eol=lf"})
    git("add --all")
    git("commit --quiet --message Attributes")
    write(project, {"src/package/__pycache__/a.cpython-311.pyc": "x", "src/.DS_Store": "x"})
    (project / "src/package/models/mlp.py").write_bytes(b"layers = 2\r\n")
    found, patch = snapshot.describe()
    assert found
    assert (found["dirty"], found["left_out"], patch) == (False, [], b"")


def record(**parts: Any) -> dict[str, Any]:
    """Return the parts of a record that tell about its code."""
    found, patch = snapshot.describe()
    Path("models").mkdir(exist_ok=True)
    Path("models/changes.patch").write_bytes(patch)
    sessions = [{"edited": []}]
    return {"git": found, "code": code.code_digests(), "command": {"config": "pipeline"}, "sessions": sessions, **parts}


def facts(project: Path, found: dict[str, Any] | None) -> Facts:
    return Facts(project, Path("models") if found else None, found)


@pytest.mark.parametrize("plant", HIDDEN.values(), ids=HIDDEN)
def test_the_checklist_names_what_git_passes_over(project: Path, plant: Callable[[Path], None]) -> None:
    assert passed_over(facts(project, None)) is None
    plant(project)
    failure = passed_over(facts(project, None))
    assert failure
    assert failure.status == "fail"
    assert "and git status does not show that" in failure.evidence
    run(failure.fix, project)
    assert passed_over(facts(project, None)) is None


def test_the_commit_of_a_release_has_to_be_the_code_that_ran(project: Path) -> None:
    """A file is edited while the pipeline trains, and committed with the result: everything agrees but the code."""
    found = record()
    assert committed(facts(project, found)).status == "pass"
    write(project, {"src/package/models/mlp.py": "layers = 3"})
    git("commit --quiet --all --message Edited")
    finding = committed(facts(project, found))
    assert finding.status == "fail"
    assert finding.evidence.startswith("src/package/models/mlp.py in commit ")
    assert finding.fix == "dvc repro --force"
    assert unlike_the_record(facts(project, found)) is None  # it rightly names its own commit
    assert committed(facts(project, record())).status == "pass"


def test_changes_that_were_committed_after_the_run_are_the_code_that_ran(project: Path) -> None:
    write(project, {"src/package/models/mlp.py": "layers = 3", "src/package/new.py": ""})
    found = record()
    assert found["git"]["dirty"]
    assert unlike_the_record(facts(project, found)) is None
    assert committed(facts(project, found)).status == "fail"
    git("add src")
    git("commit --quiet --message Later")
    assert committed(facts(project, found)).status == "pass"


def test_a_record_whose_patch_gives_other_code_is_told(project: Path) -> None:
    write(project, {"src/package/models/mlp.py": "layers = 3"})
    found = record()
    found["code"]["src/package/models/mlp.py"] = hashlib.sha256(b"another").hexdigest()
    finding = unlike_the_record(facts(project, found))
    assert finding
    assert "src/package/models/mlp.py of models is not the one in commit" in finding.evidence
    assert "with its patch" in finding.evidence


def test_an_edit_during_the_training_is_found(project: Path) -> None:
    code.at_start()
    assert code.edited_since_start() == []
    write(project, {"src/package/models/mlp.py": "layers = 3", "src/package/new.py": "", "notes.txt": ""})
    assert code.edited_since_start() == ["src/package/models/mlp.py", "src/package/new.py"]
    told = edits(facts(project, record(sessions=[{"edited": ["b.py", "a.py"]}, {"edited": ["a.py"]}])))
    assert told == "; a.py, b.py changed while it trained: verify shows whether that had an effect"
    assert edits(facts(project, record())) == ""


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_INDEX_FILE"])
def test_a_hook_of_git_does_not_lead_it_to_the_users_repository(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Git tells hooks where its repository and index are, and would take a checkout elsewhere for those."""
    write(project, {"src/package/models/mlp.py": "layers = 3"})
    expected = code.deciding_digests()
    found, patch = snapshot.describe()
    assert found
    index = project / ".git" / "index"
    before = (git("status --porcelain --branch"), index.read_bytes())
    with monkeypatch.context() as hook:
        hook.setenv(name, str(project / ".git" if name == "GIT_DIR" else index))
        assert snapshot.describe() == (found, patch)
        assert restored(project, found, patch) == expected
    assert (git("status --porcelain --branch"), index.read_bytes()) == before
