"""Tab completes commands, options and runs of `python -m <package>`, in the shells themselves."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reproml.__main__ import main


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a project with one run."""
    run = tmp_path / "outputs" / "2026-01-31" / "12-00-00-abc123"
    run.mkdir(parents=True)
    for path in (run / "run.json", tmp_path / "train.py"):
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(shell: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """Write what the command prints for a shell into a file."""
    monkeypatch.setattr(sys, "argv", ["reproml", "completion", shell])
    assert main("reproml") == 0
    path = place / f"completion.{shell}"
    path.write_text(capsys.readouterr().out)
    return path


def test_bash_completes(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    script = written("bash", place, monkeypatch, capsys)

    def completed(*words: str) -> set[str]:
        line = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _reproml_python; echo "${COMPREPLY[@]}"'
        command = ["bash", "-c", line, "bash", str(script), "python", "-m", *words]
        return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())

    assert completed("reproml", "rep") == {"report"}
    assert completed("reproml", "report", "2026") == {"2026-01-31/12-00-00-abc123"}
    assert {"last", "best", "models", "outputs"} <= completed("reproml", "report", "")
    assert "--clean" in completed("reproml", "verify", "--")
    assert {"bash", "zsh"} <= completed("reproml", "completion", "")
    assert completed("another", "rep") == set()


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pexpect = pytest.importorskip("pexpect")
    script = written("zsh", place, monkeypatch, capsys)
    with pexpect.spawn("zsh", ["-f", "-i"], encoding="utf-8", dimensions=(40, 120), timeout=20) as shell:
        shell.sendline(f"PS1='%% '; autoload -Uz compinit && compinit -u -D && source {script} && print LO''ADED")
        shell.expect("LOADED\r\n")
        for typed, shown in (
            ("reproml rep\t", "rep.*ort"),
            ("reproml report 2026\t", "2026.*-01-31/12-00-00-abc123"),
            ("reproml verify --\t", "--clean +-- build a fresh environment"),
        ):
            shell.send(f"python -m {typed}")
            shell.expect(shown)
            shell.send("\x15")
