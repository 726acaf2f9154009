"""The commands that fix what a check found, each on one line."""

import hashlib
import re
import shlex
from collections.abc import Callable
from pathlib import Path

from ..programs import git
from ..runs.params import LOCK
from .facts import Facts

_COMMIT = "git commit --message 'Bring the project into git'"
COMMIT = f"git add --all && {_COMMIT}"
_SPECIAL, _ESCAPED = re.compile(r"([][.*^$|\\])"), r"\\\1"  # in the patterns of sed
_LOOK_BACK = 100  # commits in which a good version of a file is looked for


def restore(facts: Facts, path: str, good: Callable[[str], bool] = lambda text: True) -> str:
    """Return the command that restores the newest committed version of a file or folder that is good.

    Where there is none, only a person can write it: the command opens an editor. DVC writes its lock by itself.
    """
    if found := _checkout(facts, path, good):
        return found
    return f"rm {LOCK}" if path == LOCK else '"${EDITOR:-vi}" ' + shlex.quote(path)


def substitute(path: str, line: str, new: str) -> str:
    """Return the command that replaces a text of one line in a file."""
    script = f"s|{_SPECIAL.sub(_ESCAPED, line)}|{new}|"
    return f"sed -i.bak {shlex.quote(script)} {shlex.quote(path)} && rm {shlex.quote(path)}.bak"


def train(facts: Facts, *overrides: str) -> str:
    """Return the command that makes the run again, or a first one."""
    if facts.record is None:
        return "make run"
    if facts.of_the_pipeline:
        return "dvc repro --force"
    command = facts.record["command"]
    return shlex.join(["python", command["script"], *command["overrides"], *overrides])


def add(paths: list[str]) -> str:
    """Return the command that brings files into git, ignored ones too."""
    return f"git add --force {shlex.join(paths)} && {_COMMIT}"


def commit_and_train(facts: Facts) -> str:
    """Return the command that commits what is not, where there is such, and makes the run again."""
    changed = git(facts.project, "status", "--porcelain", "--", ".")
    return train(facts) if changed == "" else f"{COMMIT} && {train(facts)}"


def recover(facts: Facts, name: str, *overrides: str) -> str:
    """Return the command that restores a file of the run: from git or DVC if they hold another, else by training."""
    path = (facts.run / name).as_posix() if facts.run else ""
    if path not in facts.outputs or _md5(facts.project / path) == facts.outputs[path]:
        return train(facts, *overrides)
    return _checkout(facts, path) or f"dvc checkout --force {path}"


def of_run(facts: Facts, command: str, *options: str) -> str:
    """Return a command of reproml about the run; where there is none, it trains first."""
    said = shlex.join(["python", "-m", "reproml", command, str(facts.run or "models"), *options])
    return said if facts.run else f"make run && {said}"


def _checkout(facts: Facts, path: str, good: Callable[[str], bool] = lambda text: True) -> str:
    log = git(facts.project, "log", f"--max-count={_LOOK_BACK}", "--format=%h", "--diff-filter=AM", "--", path)
    for commit in (log or "").split():
        text = git(facts.project, "show", f"{commit}:./{path}")
        if text is not None and good(text):
            return f"git checkout {commit} -- {shlex.quote(path)}"
    return ""


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() if path.exists() else ""
