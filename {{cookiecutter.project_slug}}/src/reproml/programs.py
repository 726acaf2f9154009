"""Other programs: git and DVC, asked in a folder, and trainings. They are started without a shell."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .errors import UserError

_PATIENCE = 60.0  # seconds that a program has to end after it was told to


class ProgramError(UserError):
    """Git or DVC refuses what a command needs."""


def waited_for(command: Sequence[str], **named: Any) -> subprocess.CompletedProcess[str]:
    """Run a program that may take long, and return what it printed. It does not outlive an interruption of this one.

    Args:
        command: the program and its arguments.
        named: other arguments of `subprocess.Popen`.
    """
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **named)
    try:
        output, errors = process.communicate()
    except BaseException:  # Ctrl-C, or SIGTERM
        stop(process)
        raise
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def followed(command: Sequence[str], show: Callable[[str], object], **named: Any) -> int:
    """Run a program, show each line that it prints when it comes, and return its exit code.

    It reads nothing, and does not outlive an interruption of this one.

    Args:
        command: the program and its arguments.
        show: gets a line with its end.
        named: other arguments of `subprocess.Popen`.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        **named,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            show(line)
        return process.wait()
    except BaseException:  # Ctrl-C, or SIGTERM
        stop(process)
        raise


def stop(process: subprocess.Popen[Any]) -> None:
    """End a program: it is told to, and killed where it does not. A training tells its other processes."""
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints in a folder, or None where it fails or is not installed."""
    try:
        result = subprocess.run(["git", *arguments], cwd=folder, capture_output=True)
    except FileNotFoundError:
        return None
    return os.fsdecode(result.stdout).strip("\n") if result.returncode == 0 else None


def tell_git(folder: Path, text: str, *arguments: str) -> str:
    """Run git in a folder with a text as its input, and return what it prints.

    Raises:
        ProgramError: git fails; the error holds what it says.
    """
    result = subprocess.run(["git", *arguments], cwd=folder, input=text.encode(), capture_output=True)
    if result.returncode:
        raise ProgramError(" ".join(os.fsdecode(result.stderr).split()) or f"git {arguments[0]} fails")
    return os.fsdecode(result.stdout).strip("\n")


def dvc(folder: Path, *arguments: str) -> str:
    """Return what DVC prints in a folder.

    Raises:
        ProgramError: DVC fails; the error holds the last line that it printed.
    """
    command = [sys.executable, "-m", "dvc", *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if result.returncode:
        said = [line for line in result.stderr.splitlines() if line.startswith("ERROR")] or ["ERROR: it failed"]
        raise ProgramError(f"dvc {arguments[0]} says: {said[-1].removeprefix('ERROR: ')}")
    return result.stdout
