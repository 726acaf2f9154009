"""The commands about finished runs: what they print, what they write, and how they end."""

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reproml import __main__ as commands
from reproml.runs import record
from reproml.verify import baseline

from .conftest import COMMIT, with_values

Called = Callable[..., tuple[int, str]]
ONE, OTHER = Path("outputs/a-run"), Path("outputs/b-run")


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Called:
    """Return a function that runs a command and returns its exit code, and all that it printed."""
    monkeypatch.setattr("signal.signal", lambda *_: None)

    def call(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["reproml", *map(str, arguments)])
        capfd.readouterr()
        code = commands.main()
        return code, "".join(capfd.readouterr())

    return call


@pytest.fixture
def runs(project: Path, short_run: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in the project, with two copies of the short run that name a commit."""
    monkeypatch.chdir(project)
    for folder in (ONE, OTHER):
        shutil.copytree(short_run, folder, ignore=shutil.ignore_patterns("checkpoints"))
        (folder / "changes.patch").unlink(missing_ok=True)
        with_values(folder, git=COMMIT)
    yield
    for folder in (ONE, OTHER):
        shutil.rmtree(folder)


@pytest.mark.usefixtures("runs")
def test_a_difference_of_two_runs_is_the_exit_code(called: Called) -> None:
    assert called("diff", ONE, OTHER) == (0, "the runs are equal, bit for bit\n")
    with_values(OTHER, weights_sha256="f" * 64)
    code, said = called("diff", ONE, OTHER)
    assert (code, said.splitlines()[-1].startswith("weights first at step")) == (1, True)
    with_values(OTHER, status="running")
    code, said = called("diff", ONE, OTHER)
    assert (code, said.strip().endswith(", and unfinished")) == (2, True)
    with_values(OTHER, status="finished")
    (OTHER / "trace.jsonl").write_text("")
    code, said = called("diff", ONE, OTHER)
    assert (code, said.startswith(f"could not be compared: {OTHER}/trace.jsonl is not the file in the record")) == (
        2,
        True,
    )


@pytest.mark.usefixtures("runs")
def test_the_spread_of_runs(called: Called) -> None:
    for folder, value in ((ONE, 0.5), (OTHER, 0.7)):
        config = record.read(folder)["config"]
        with_values(folder, metrics={"score": value}, config={**config, "seed": int(10 * value)})
    code, said = called("spread", ONE, OTHER)
    lines = said.splitlines()
    assert (code, lines[0]) == (0, "2 runs, which differ in: seed")
    [score] = [line.split() for line in lines if line.startswith("test/score")]
    assert score[1:] == ["0.6000", "0.1414", "0.5000", "0.7000"]
    with_values(OTHER, code={})
    assert "warning: the spread is not due to chance alone, because of code" in called("spread", ONE, OTHER)[1]
    code, said = called("spread", ONE, ONE)
    assert (code, f"{ONE}, {ONE} holds one run: name several runs" in said) == (2, True)
    (OTHER / "run.json").unlink()
    (OTHER / ".hydra").mkdir(exist_ok=True)
    code, said = called("spread", "outputs")
    assert (code, f"{OTHER} has no run.json: start this run again" in said) == (2, True)


@pytest.mark.usefixtures("runs")
def test_two_runs_are_shown_side_by_side(called: Called, tmp_path: Path) -> None:
    for folder, value in ((ONE, 0.5), (OTHER, 0.75)):
        with_values(folder, weights_sha256=str(value)[-1] * 64, metrics={"score": value})
    page = tmp_path / "page.html"
    code, said = called("compare", ONE, OTHER, "--output", page)
    assert (code, said.splitlines()[-1]) == (0, str(page))
    text = page.read_text()
    assert "0.5000" in text and "0.7500" in text and ">+0.25<" in text
    assert "<script src" not in text


@pytest.mark.usefixtures("runs")
def test_an_archive_holds_the_run_and_is_the_same_again(called: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path("archives/a-run.crate.zip")
    try:
        assert called("archive", ONE) == (0, f"{path}\n")
        content = path.read_bytes()
        with zipfile.ZipFile(path) as archive:
            described = json.loads(archive.read("ro-crate-metadata.json"))["@graph"]
            files = {name: archive.read(name) for name in archive.namelist()}
        for name in ("model.safetensors", "run.json", "config.yaml", "metrics.csv", "trace.jsonl"):
            assert files[name] == (ONE / name).read_bytes()
            [entity] = [each for each in described if each["@id"] == name]
            assert entity["sha256"] == hashlib.sha256(files[name]).hexdigest()
        [action] = [each for each in described if each["@type"] == "CreateAction"]
        assert {each["@id"] for each in action["result"]} >= {"model.safetensors", "run.json"}
        assert COMMIT["commit"] in str(action["instrument"])
        assert not [name for name, text in files.items() if str(Path.cwd()).encode() in text]
        called("archive", ONE)
        assert path.read_bytes() == content
    finally:
        shutil.rmtree("archives", ignore_errors=True)
    (ONE / "model.safetensors").unlink()
    code, said = called("archive", ONE)
    assert (code, said) == (
        2, f"error: {ONE}/model.safetensors is missing: fetch it from where the run was made, or dvc pull\n"
    )  # fmt: skip
    assert not path.exists()


@pytest.mark.usefixtures("runs")
def test_the_checklist_ends_as_its_required_items_do(called: Called) -> None:
    code, said = called("check", ONE, "--json", "--section", "during training")
    found = json.loads(said)
    assert (code, found["run"], found["score"]) == (0, str(ONE), {"passed": 4, "asked": 4, "percent": 100})
    (ONE / "metrics.csv").unlink()
    code, said = called("check", ONE, "--section", "during training")
    assert code == 1
    assert f"  FAIL            metrics are tracked: {ONE}/metrics.csv is missing" in said.splitlines()
    assert said.strip().endswith("3 of 4 items pass (75 %); required and failing: 1")
    with_values(ONE, status="running")
    code, said = called("check", ONE)
    assert (code, said) == (
        2, f"could not be examined: {ONE} is not finished: python train.py resume={ONE} resumes it\n"
    )  # fmt: skip


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_a_run_is_summed_up_beside_the_baseline_of_a_branch(
    short_run: Path, tmp_path: Path, called: Called, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").touch()
    folder = Path(shutil.copytree(short_run, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints")))
    page = tmp_path / "page.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    code, said = called("summary", "run")
    assert (code, "Nothing to compare: main holds no reports/baseline.json" in said) == (0, True)
    assert page.read_text() == said
    found = record.read(folder)
    (tmp_path / "reports").mkdir()
    name = next(iter(found["metrics"]))
    for change, verdict in (
        ({}, "Compared with main: same bits as the baseline of "),
        (
            {"weights_sha256": "f" * 64},
            "Compared with main: same metrics within tolerance as the baseline of ",
        ),
        (
            {"metrics": {**found["metrics"], name: found["metrics"][name] + 0.25}},
            "Compared with main: drifted from the baseline of ",
        ),
    ):
        (tmp_path / "reports" / "baseline.json").write_text(json.dumps(baseline.made_from({**found, **change})))
        git = "git -c user.name=a -c user.email=a@b.c"
        command = f"git init --quiet --initial-branch main && git add --force reports && {git} commit --quiet -m B"
        subprocess.run(["bash", "-c", command], check=True)
        code, said = called("summary", "run", "--tolerance", "0.1")
        assert (code, verdict in said, "No recorded input changed." in said) == (0, True, True)
    assert f"| {name} | {found['metrics'][name] + 0.25:.6g} | {found['metrics'][name]:.6g} | -0.25 |" in said


def test_a_command_says_in_one_line_what_is_wrong(
    tmp_path: Path, called: Called, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert called("runs") == (
        2, "error: there is no train.py here: run the command in the folder of the project\n"
    )  # fmt: skip
    (tmp_path / "train.py").touch()
    assert called("runs") == (0, "there are no runs yet: python train.py makes one\n")
    for arguments, sentence in (
        (("keep",), "not kept: params.yaml is missing or damaged: git checkout params.yaml"),
        (("release", "1.0"), "not released: VERSION=1.0 is not a version"),
        (("release", "1.0.0"), "not released: there is no commit yet"),
        (("drift",), "could not be compared: there is no reports/baseline.json"),
        (("clean",), "nothing removed: say which runs to remove"),
        (("verify", "last"), "could not be verified: "),
    ):
        code, said = called(*arguments)
        assert (code, said.startswith(sentence), said.count("\n")) == (2, True, 1), said
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    assert "Traceback (most recent call last)" in called("release", "1.0")[1]


def test_an_interruption_is_one_line(tmp_path: Path, called: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").touch()
    monkeypatch.setattr(commands, "resolve", interrupted)
    assert called("runs") == (130, "interrupted\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("verify", "last", "--tolerance", "-1"), "-1 is not a tolerance: give 0 or a positive number"),
        (("verify", "last", "--tolerance", "nan"), "nan is not a tolerance"),
        (("verify", "last", "--tolerance", "much"), "much is not a tolerance"),
        (("verify", "last", "--seeds", "1"), "1 is not a number of seeds: give 2 or more"),
        (("serve", "--port", "65536"), "65536 is out of range: give a number from 0 to 65535"),
        (("runs", "--limit", "0"), "0 is out of range: give a number from 1 to 1000000000"),
    ],
)
def test_an_argument_without_a_meaning_is_refused(
    called: Called, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        called(*arguments)
    assert stopped.value.code == 2
    assert said in capfd.readouterr().err


def test_every_command_has_its_help(called: Called, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        called("--help")
    listed = capfd.readouterr().out
    for name in ("runs", "verify", "diff", "drift", "check", "report", "release", "tune", "sync", "serve", "publish"):
        assert f"\n    {name} " in listed
        with pytest.raises(SystemExit) as stopped:
            called(name, "--help")
        assert stopped.value.code == 0
