"""What went wrong, in one sentence for a person."""

import errno
import os
import re
from pathlib import Path

from hydra.errors import HydraException, InstantiationException, MissingConfigException, OverrideParseException
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from .. import secrets
from ..errors import ConfigError, UserError, nearest, unknown_key
from ..packages import own_packages
from .check import keys

# What torch.distributed says in the processes that are left when one ends.
_PEER_GONE = ("Connection closed by peer", "Connection reset by peer", "connectFullMesh")
_TRACEBACK = "the run's log file has the traceback; HYDRA_FULL_ERROR=1 prints it"
_NOT_FOUND = re.compile("cannot be imported|No module named|Error l(oad|ocat)ing")  # by this project, Python or Hydra
# Lightning's callbacks and schedules that follow a metric say it so, at the end of the first epoch.
_NOT_LOGGED = re.compile(
    r"(?:monitor=|conditioned on metric )[`']?(?P<name>.+?)[`')]* (?:which is not available|could not find).*"
    r"(?:returned metrics|metrics are|following): (?P<logged>[^\]]*)"
)
_MACHINERY = Path(__file__).parents[1]


def explain(error: Exception, hint: str = _TRACEBACK) -> str:
    """Return one sentence for a person: what is wrong, where, and how to fix it.

    Args:
        error: that was raised.
        hint: where to look further, if nothing better is known than what the error says.
    """
    said = _explained(error, hint)
    return f"{said}{_where_now(said)}" if _NOT_FOUND.search(said) else said


def _where_now(said: str) -> str:
    """Return where the machinery has what could not be imported, if it has: once it lay in the project's package."""
    packages = own_packages()
    for name in re.findall(r"\b[A-Za-z_]\w*(?:\.\w+)+", said):
        package, *inside = name.split(".")
        if package == _MACHINERY.name or package not in packages:
            continue
        place = packages[package].joinpath(*inside)
        if not place.is_dir() and not place.with_suffix(".py").exists() and (now := _in_machinery(inside)):
            return f"; {name} is {now} now"
    return ""


def _in_machinery(inside: list[str]) -> str | None:
    """Return the room or module of that name, or what a module of that name defines."""
    for path in sorted(_MACHINERY.rglob("*.py")):
        parts = path.relative_to(_MACHINERY.parent).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if inside[-1] == parts[-1]:
            return ".".join(parts)
        text = path.read_text(encoding="utf-8") if inside[-2:-1] == [parts[-1]] else ""
        if re.search(rf"^(class|def) {inside[-1]}\b", text, re.MULTILINE):
            return ".".join([*parts, inside[-1]])
    return None


def _explained(error: Exception, hint: str) -> str:
    cause = error.__cause__
    if refused := refusal(error):  # a worker sends it with a traceback, whose last line names it
        return str(refused).rstrip().rpartition(f".{type(refused).__name__}: ")[2]
    if isinstance(cause, ConfigAttributeError | ConfigKeyError) and cause.parent_node is not None:
        return str(_unknown(cause))
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        if choice == "submitit_slurm":
            return "hydra/launcher=slurm needs the extra slurm, which is not installed: pip install -e '.[slurm]'"
        options = sorted(error.options)
        return (
            f"{group}={choice} does not exist; the nearest is {group}={nearest(choice, options) or options[0]} "
            f"(there are in configs/{group}: {', '.join(options)})"
        )
    if isinstance(error, OverrideParseException):
        return (
            f"the argument {error.override!r} cannot be read; write key=value, "
            "and quote a value that holds spaces, brackets or commas"
        )
    if mark := getattr(error, "problem_mark", None):  # of the YAML parser
        return f"{mark.name}, line {mark.line + 1}, is not valid YAML; fix it there"
    if isinstance(error, InstantiationException) and cause:
        target = str(error).split("'")[1]
        return (
            f"{target} has an invalid configuration: {_first_line(cause)}; see the chosen file of its group in configs/"
        )
    if isinstance(error, HydraException | OmegaConfBaseException):
        return " ".join(secrets.mask(f"{error} {cause or ''}").split())
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({error}): free some space; complete files are intact, and resume=<run> continues"
    if isinstance(error, OSError) and isinstance(error.filename, str | bytes | os.PathLike) and error.strerror:
        return f"{os.fsdecode(error.filename)} cannot be read or written: {error.strerror}; {_fix(error)}"
    if isinstance(error, MemoryError):
        return "out of memory; lower training.batch_size or data.num_workers"
    first_line = _first_line(error)
    if type(error).__name__ == "UncompletedJobError":  # of submitit; it holds what the job has printed
        said = [line for line in str(error).splitlines() if line.startswith("error: ")]
        return f"a run of the sweep failed: {said[-1].removeprefix('error: ') if said else first_line}"
    if missing := _NOT_LOGGED.search(first_line):
        return _not_logged(missing["name"], re.findall("[`']([^`']+)[`']", missing["logged"]))
    if any(sign in first_line for sign in _PEER_GONE):
        return "another process of this run has failed; its message says why"
    if "does not have a deterministic implementation" in first_line:
        operation = first_line.split()[0]
        return (
            f"{operation} has no deterministic implementation in this version of torch; use another operation, "
            "or accept that bits may differ: reproducibility.nondeterministic_operations=warn"
        )
    return f"{type(error).__name__}: {first_line} ({hint})"


def _not_logged(name: str, logged: list[str]) -> str:
    near = nearest(name, logged)
    return (
        f"monitor={name} names no metric that is logged{f'; the nearest is {near}' if near else ''} "
        f"(there are: {', '.join(logged) or 'none'})"
    )


def refusal(error: Exception) -> UserError | None:
    """Return the error that was raised for the user, also inside a class that Hydra was building, or None."""
    return next((each for each in (error, error.__cause__) if isinstance(each, UserError)), None)


def _fix(error: OSError) -> str:
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return "give yourself permission (chmod u+rw), or choose another folder"
    if isinstance(error, FileNotFoundError):
        return "restore it or, if it is a program, install it"
    return "look at what is there instead of a file, and restore the file"


def _unknown(error: ConfigAttributeError | ConfigKeyError) -> ConfigError:
    """Return the error for a key of the command line that is not in the composed configuration."""
    key, root = str(error.full_key or error.key), error.parent_node._get_root()
    return unknown_key(key, [each for each in keys(root) if each.startswith("hydra") == key.startswith("hydra")])


def _first_line(error: BaseException) -> str:
    # masked first, because a secret can have several lines
    return (secrets.mask(str(error)).splitlines() or [""])[0]
