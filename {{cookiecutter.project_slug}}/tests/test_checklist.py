"""The checklist judges facts: what passes, what does not, and the command that it prints then."""

import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from reproml.checklist import after, before, during, sharing
from reproml.checklist.facts import Facts, UnreadableError, section
from reproml.checklist.fixes import restore
from reproml.checklist.item import FAIL, NOT_APPLICABLE, PASS, Check, Finding
from reproml.runs import record

from .conftest import COMMIT, with_values

RUN = Path("outputs/run")
Change = Callable[[Path], object]


@pytest.fixture
def birds(short_run: Path, tmp_path: Path) -> Path:
    """Return a project that holds nothing but a copy of the short run, and what pins Python and one package."""
    shutil.copytree(short_run, tmp_path / RUN, ignore=shutil.ignore_patterns("checkpoints"))
    (tmp_path / RUN / "changes.patch").unlink(missing_ok=True)
    environment = record.read(short_run)["environment"]
    packages = {**environment["packages"], "numpy": "2.0.0"}
    with_values(tmp_path / RUN, git=COMMIT, environment={**environment, "packages": packages, "python": "3.11.7"})
    pinned = ["name = 'birds'", "version = '1.0.0'", "description = ''", "license = 'MIT'", "authors = [{name = 'A'}]"]
    pinned += ["dependencies = ['numpy==2.0.0']", "requires-python = '==3.11.*'"]
    (tmp_path / "pyproject.toml").write_text("\n".join(["[project]", *pinned]))
    return tmp_path


def facts(birds: Path) -> Facts:
    return Facts(birds, RUN, record.read(birds / RUN))


def found(checks: tuple[Check, ...], name: str, birds: Path) -> Finding:
    [check] = [check for check in checks if check.name == name]
    return check.find(facts(birds))


def append(name: str) -> Change:
    """Return a change of a file of the run."""
    return lambda birds: (birds / RUN / name).open("a").write("\n# more\n")


def remove(name: str) -> Change:
    return lambda birds: (birds / RUN / name).unlink()


def set_in_record(**values: object) -> Change:
    return lambda birds: with_values(birds / RUN, **values)


def environment(part: str = "", **values: object) -> Change:
    """Return a change of the recorded environment, or of a part of it."""

    def change(birds: Path) -> None:
        held = record.read(birds / RUN)["environment"]
        with_values(birds / RUN, environment={**held, **({part: {**held[part], **values}} if part else values)})

    return change


LOGGED, SAVED, TRACKED, SYSTEM = (check.name for check in during.CHECKS)


@pytest.mark.parametrize(
    ("name", "change", "evidence"),
    [
        (LOGGED, remove("config.yaml"), f"{RUN}/config.yaml is missing"),
        (LOGGED, append("config.yaml"), "and every other setting"),  # a comment is no setting
        (
            LOGGED,
            lambda birds: (birds / RUN / "config.yaml").write_text("seed: 0"),
            f"{RUN}/config.yaml is not the configuration in the record",
        ),
        (SAVED, remove("model.safetensors"), f"{RUN}/model.safetensors is missing"),
        (SAVED, append("model.safetensors"), f"{RUN}/model.safetensors is not the model in the record"),
        (TRACKED, remove("metrics.csv"), f"{RUN}/metrics.csv is missing"),
        (TRACKED, append("metrics.csv"), f"{RUN}/metrics.csv is not the history in the record"),
        (TRACKED, append("trace.jsonl"), f"{RUN}/trace.jsonl is not the step trace in the record"),
        (SYSTEM, environment("os", release=""), f"the record of {RUN} lacks os.release"),
    ],
)
def test_what_a_run_wrote_down_is_there_and_is_its_own(birds: Path, name: str, change: Change, evidence: str) -> None:
    whole = found(during.CHECKS, name, birds)
    assert (whole.status, whole.fix) == (PASS, "")
    change(birds)
    finding = found(during.CHECKS, name, birds)
    assert evidence in finding.evidence
    if "every other setting" not in evidence:
        assert finding.status == FAIL
        assert finding.fix.startswith("python train.py ")  # no commit and no cache holds the file


def test_a_file_of_a_run_comes_back_from_where_it_is_kept(birds: Path) -> None:
    """Of git, or of DVC, where they have another than the one that is there."""
    (birds / RUN / "metrics.csv").rename(birds / "whole.csv")
    out = {"path": f"{RUN}/metrics.csv", "md5": "d41d8cd98f00b204e9800998ecf8427e"}
    (birds / "dvc.lock").write_text(json.dumps({"stages": {"train": {"outs": [out]}}}))
    assert found(during.CHECKS, TRACKED, birds).fix == f"dvc checkout --force {RUN}/metrics.csv"
    (birds / RUN / "metrics.csv").touch()  # what DVC has is this empty file
    assert found(during.CHECKS, TRACKED, birds).fix.startswith("python train.py ")
    (birds / "dvc.lock").write_text("stages: {train: {outs: [1]}}")
    with pytest.raises(UnreadableError, match=r"dvc\.lock is damaged"):
        found(during.CHECKS, TRACKED, birds)


DERIVED, VERSIONS, PYTHON, CODE, _, HARDWARE = (check.name for check in before.CHECKS)
GPU = {"devices": ["a card"], "cuda": "13.0", "cudnn": 91000, "driver": "570"}


@pytest.mark.parametrize(
    ("name", "change", "evidence"),
    [
        (DERIVED, set_in_record(seeds={"seed": 1}), "names no seed for weights, split, subset"),
        (
            DERIVED,
            set_in_record(reproducibility={"level": "fast", "text": ""}),
            "reproducibility=fast, which guarantees no bits",
        ),
        (VERSIONS, environment("packages", numpy="1.0"), "held 1.0 numpy, and pyproject.toml pins 2.0.0"),
        (PYTHON, environment(python="3.9.1"), "Python 3.9.1 was used, and pyproject.toml requires 3.11"),
        (HARDWARE, environment("cpu", model="", machine=""), "does not name the processor that it was made on"),
    ],
)
def test_what_a_run_stands_on_is_judged_by_its_record(birds: Path, name: str, change: Change, evidence: str) -> None:
    assert found(before.CHECKS, name, birds).status == PASS
    change(birds)
    finding = found(before.CHECKS, name, birds)
    assert (finding.status, evidence in finding.evidence) == (FAIL, True), finding.evidence
    assert "\n" not in finding.fix
    assert "python train.py" in finding.fix


def test_a_build_of_a_version_is_that_version_and_a_gpu_is_named(birds: Path) -> None:
    environment("packages", numpy="2.0.0+cpu")(birds)
    assert found(before.CHECKS, VERSIONS, birds).status == PASS
    config = record.read(birds / RUN)["config"]
    with_values(birds / RUN, config={**config, "trainer": {**config["trainer"], "accelerator": "gpu"}})
    assert "does not name the GPU" in found(before.CHECKS, HARDWARE, birds).evidence
    environment(gpu=GPU)(birds)
    assert found(before.CHECKS, HARDWARE, birds).evidence.endswith("; a card, CUDA 13.0, driver 570")


def test_without_a_run_the_next_one_is_judged(birds: Path) -> None:
    none = Facts(birds, None, None)
    checks = {check.name: check for check in (*before.CHECKS, *during.CHECKS, *after.CHECKS)}
    assert checks[HARDWARE].find(none).status == NOT_APPLICABLE
    code = checks[CODE].find(none)
    assert (code.status, code.pending) == (FAIL, True)
    assert code.fix.startswith("git init --initial-branch main && git add --all && git commit")
    for check in (*during.CHECKS, *after.CHECKS):
        finding = check.find(none)
        assert finding.status == NOT_APPLICABLE or finding.fix.startswith("make run")


def test_code_that_no_commit_names_is_told(birds: Path) -> None:
    with_values(birds / RUN, git=None)
    finding = found(before.CHECKS, CODE, birds)
    assert (finding.pending, finding.evidence) == (True, f"no commit names the code of {RUN}")
    assert finding.fix.startswith("git add --all && git commit ")
    with_values(birds / RUN, git=COMMIT)
    assert "is not in this repository" in found(before.CHECKS, CODE, birds).evidence


_, REPRODUCED, RESULTS, ARCHIVED, REPORTED = (check.name for check in after.CHECKS)


def test_a_verdict_counts_as_what_it_says(birds: Path) -> None:
    finding = found(after.CHECKS, REPRODUCED, birds)
    assert (finding.status, finding.pending, finding.fix) == (FAIL, True, f"python -m reproml verify {RUN}")
    weights = record.read(birds / RUN)["weights_sha256"]
    verdict = {"line": "as it is", "explanation": [], "clean": True, "weights_sha256": weights}
    for code, status in ((0, PASS), (1, FAIL)):
        noted = {**verdict, "code": code, "ended": "2026-01-31T12:00:00+00:00"}
        (birds / RUN / "verification.json").write_text(json.dumps(noted))
        finding = found(after.CHECKS, REPRODUCED, birds)
        assert (finding.status, finding.pending, "as it is" in finding.evidence) == (status, False, True)
        assert found(sharing.CHECKS, "it works in a clean environment", birds).status == status


def test_an_archive_counts_where_it_holds_this_model(birds: Path) -> None:
    def archived() -> str:
        return found(after.CHECKS, ARCHIVED, birds).status

    assert archived() == FAIL
    (birds / "archives").mkdir()
    path, run = birds / "archives" / "run.crate.zip", birds / RUN
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(run / "run.json", "run.json")
        archive.writestr("model.safetensors", b"of another run")
    assert archived() == FAIL
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(run / "run.json", "run.json")
        archive.write(run / "model.safetensors", "model.safetensors")
    assert archived() == PASS
    path.write_bytes(path.read_bytes()[:-30])
    assert archived() == FAIL
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("run.json", "[]")
    assert archived() == FAIL


def test_a_report_counts_where_it_is_about_these_weights(birds: Path) -> None:
    for name in ("report.html", "report.md"):
        assert f"{RUN}/{name} is missing" in found(after.CHECKS, REPORTED, birds).evidence
        (birds / RUN / name).write_text("about others")
        assert f"{RUN}/{name} is about other weights" in found(after.CHECKS, REPORTED, birds).evidence
        (birds / RUN / name).write_text(record.read(birds / RUN)["weights_sha256"])
    assert found(after.CHECKS, REPORTED, birds).status == PASS


def test_results_count_where_they_are_those_of_the_record(birds: Path) -> None:
    def results() -> str:
        return found(after.CHECKS, RESULTS, birds).evidence

    test = birds / RUN / "test"
    (birds / "MODEL_CARD.md").write_text("A card.")
    assert f"{RUN}/test/metrics.json is as recorded: " in results()
    (birds / "MODEL_CARD.md").write_text(" \n")
    assert results() == "MODEL_CARD.md is empty"
    evaluation = (test / "evaluation.json").read_text()
    (test / "evaluation.json").write_text("{")
    assert results() == f"{RUN}/test/evaluation.json is damaged"
    (test / "evaluation.json").unlink()
    assert results() == f"{RUN}/test/evaluation.json is missing"
    (test / "evaluation.json").write_text(evaluation)
    (birds / "MODEL_CARD.md").write_text("A card.")
    table = next((test / "tables").glob("*.csv"))
    rows = table.read_text()
    table.write_text(rows + rows.splitlines()[-1] + "\n")
    assert results() == f"{RUN}/test/tables/{table.name} is not the one in the record of {RUN}"
    table.write_text(rows)
    figure = next((test / "figures").glob("*.png"))
    figure.unlink()
    assert results() == f"{RUN}/test/figures/{figure.name} is missing"
    metrics = json.loads((test / "metrics.json").read_text())
    (test / "metrics.json").write_text(json.dumps({**metrics, "loss": 0.0}))
    assert results() == f"{RUN}/test/metrics.json is not the one in the record of {RUN}"
    (test / "metrics.json").write_text("{")
    assert results() == f"{RUN}/test/metrics.json is not the one in the record of {RUN}"
    (test / "metrics.json").unlink()
    assert results() == f"{RUN}/test/metrics.json is missing"


@pytest.mark.parametrize(
    ("dockerfile", "loose"),
    [
        ("FROM python:3.11.7-slim\n", []),
        ("FROM --platform=linux/amd64 python:3.11.7 AS base\nFROM base\n", []),
        ("ARG BASE=python:3.11.7\nFROM ${BASE} AS one\nFROM one AS two\n", []),
        (f"FROM python@sha256:{'0' * 64}\n", []),
        (f"FROM python:3.11@sha256:{'0' * 64}\n", []),
        ("FROM python\n", ["python"]),
        ("FROM python:latest\n", ["python:latest"]),
        ("ARG BASE=python:latest\nFROM ${BASE}\nFROM debian:12\n", ["python:latest"]),
        ("FROM python@sha256:0\n", ["python@sha256:0"]),
        ("RUN true\n", ["no image"]),
    ],
)
def test_an_image_has_a_tag_that_stays(dockerfile: str, loose: list[str]) -> None:
    assert sharing._loose_images(dockerfile) == loose


README = """# Birds
## Installation
```bash
make setup && make lock
```
## Usage
```bash
python train.py  # then make nothing
```
## Requirements
4 GB of memory; no GPU. Python 3.11.
"""


@pytest.mark.parametrize(
    ("old", "new", "evidence"),
    [
        ("## Usage", "## Using it", "has no commands under a heading Usage"),
        ("make setup && make lock", "make prepare", "says make prepare, which is not a target"),
        ("&& make lock", "&& make locks", "says make locks, which is not a target"),
        ("python train.py", "python training.py", "says python training.py, which is not there"),
    ],
)
def test_a_readme_has_commands_that_can_be_run(birds: Path, old: str, new: str, evidence: str) -> None:
    (birds / "Makefile").write_text("BIN := .venv\nsetup lock: train.py\n\ttrue\n")
    (birds / "train.py").touch()
    (birds / "README.md").write_text(README)
    name = "the README says how to set up and run"
    assert found(sharing.CHECKS, name, birds).status == PASS
    assert old in README
    (birds / "README.md").write_text(README.replace(old, new))
    finding = found(sharing.CHECKS, name, birds)
    assert (finding.status, evidence in finding.evidence) == (FAIL, True), finding.evidence
    assert finding.fix == '"${EDITOR:-vi}" README.md'  # no commit holds a good one


def test_a_readme_names_python_and_what_it_needs(birds: Path) -> None:
    (birds / "README.md").write_text(README)
    python, hardware = "the Python version is documented", "hardware requirements are documented"
    for name in (python, hardware):
        assert found(sharing.CHECKS, name, birds).status == PASS
    (birds / "README.md").write_text(README.replace("3.11", "3.1").replace("4 GB of memory", "some memory"))
    for name in (python, hardware):
        assert found(sharing.CHECKS, name, birds).status == FAIL
    pyproject = (birds / "pyproject.toml").read_text()
    (birds / "pyproject.toml").write_text(pyproject.replace("'==3.11.*'", '">=3.11"'))
    finding = found(sharing.CHECKS, python, birds)
    assert "does not pin the version of Python: >=3.11" in finding.evidence
    subprocess.run(["bash", "-c", finding.fix], cwd=birds, check=True)
    assert "pin the version" not in found(sharing.CHECKS, python, birds).evidence


def test_a_package_without_a_version_is_pinned_by_the_printed_command(birds: Path) -> None:
    name = "dependencies are pinned"
    pyproject = (birds / "pyproject.toml").read_text()
    (birds / "pyproject.toml").write_text(pyproject.replace("numpy==2.0.0", "numpy>=2.0"))
    finding = found(sharing.CHECKS, name, birds)
    assert finding.evidence == "pyproject.toml does not pin the version of numpy>=2.0"
    command, _, locking = finding.fix.rpartition(" && ")
    assert locking == "make lock"
    subprocess.run(["bash", "-c", command], cwd=birds, check=True)
    finding = found(sharing.CHECKS, name, birds)
    assert finding.evidence == "the lock does not agree with pyproject.toml: there is none"
    version = facts(birds).pyproject["project"]["dependencies"][0].removeprefix("numpy==")
    (birds / "requirements.in").write_text(f"numpy=={version}\n")
    (birds / "requirements.txt").write_text(f"numpy=={version}\n")
    for development in ("in", "txt"):
        (birds / f"requirements-dev.{development}").touch()
    assert found(sharing.CHECKS, name, birds).status == PASS
    (birds / "requirements.txt").write_text("numpy==0.1\n")
    assert f"requirements.txt holds numpy 0.1 instead of {version}" in found(sharing.CHECKS, name, birds).evidence


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "is missing or cannot be read"),
        (b"\xff", "is not a text in UTF-8"),
        (b"[project", "is not valid TOML"),
        (b"[project]\nname = 'birds'", "has no project.version"),
        (b"project = 1", "has no project.name"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(birds: Path, content: bytes | None, reason: str) -> None:
    path = birds / "pyproject.toml"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(UnreadableError, match=f"pyproject.toml {reason}") as error:
        facts(birds).pyproject  # noqa: B018
    assert error.value.path == "pyproject.toml"


def test_a_section_ends_where_another_of_its_level_begins() -> None:
    text = "# Card\n## Source\nfrom a lake\n### Details\nmore\n## Collection\nby hand\n"
    assert section(text, "Source").split() == ["from", "a", "lake", "###", "Details", "more"]
    assert section(text, "Origin", "Collection").strip() == "by hand"
    assert section(text, "Lake") == ""


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_the_newest_good_version_of_a_file_is_restored(birds: Path) -> None:
    def git(*arguments: str) -> str:
        name = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
        return subprocess.run(["git", *name, *arguments], cwd=birds, check=True, capture_output=True, text=True).stdout

    git("init", "--quiet")
    commits = []
    for text in ("good, and old", "good", "bad"):
        (birds / "README.md").write_text(text)
        git("add", "README.md")
        git("commit", "--quiet", "--message", text)
        commits.append(git("rev-parse", "--short", "HEAD").strip())
    fix = restore(facts(birds), "README.md", lambda text: text.startswith("good"))
    assert fix == f"git checkout {commits[1]} -- README.md"
    assert restore(facts(birds), "README.md") == f"git checkout {commits[2]} -- README.md"
    assert restore(facts(birds), "my notes.md") == "\"${EDITOR:-vi}\" 'my notes.md'"
    assert restore(facts(birds), "dvc.lock") == "rm dvc.lock"


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_what_git_does_not_hold_is_told(birds: Path) -> None:
    def judged(name: str) -> tuple[str, str]:
        finding = found(sharing.CHECKS, name, birds)
        return finding.evidence, finding.fix

    def run(command: str) -> None:
        who = "export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b.c GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b.c; "
        subprocess.run(["bash", "-c", who + command], cwd=birds, check=True, capture_output=True)

    version, lock, docker = (
        "the code is under version control", "the lock of the environment is included", "there is a Dockerfile",
    )  # fmt: skip
    (birds / "src").mkdir()  # else the code that is installed would be the project's
    evidence, fix = judged(version)
    assert evidence == "there is no git repository"
    run("git init --quiet --initial-branch main")
    assert judged(version)[0] == "nothing is committed yet"
    assert judged(lock)[0].startswith("there is none of requirements.txt, ")
    (birds / "requirements.txt").touch()
    (birds / "Dockerfile").write_text("FROM debian:12\n")
    for name, file in ((lock, "requirements.txt"), (docker, "Dockerfile")):
        evidence, fix = judged(name)
        assert (evidence, fix.startswith(f"git add --force {file} && git commit")) == (
            f"git does not track {file}",
            True,
        )
    run("git add requirements.txt Dockerfile && git commit --quiet --message one")
    for name in (lock, docker):
        assert judged(name)[1] == ""
    evidence, fix = judged(version)
    assert "changes are not committed, such as that of " in evidence
    run(fix)
    assert judged(version)[0].endswith("and nothing differs from it; no remote yet")
    run("git remote add origin nowhere")
    assert judged(version)[0].endswith("; remote: origin")
