"""What every command shares: secrets are loaded first, and errors end in one sentence and a non-zero exit code."""

import errno
import functools
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from .. import secrets
from ..config import trust
from ..config.check import keys
from ..config.preflight import Check, preflight
from ..errors import ConfigError, UserError, nearest, unknown_key
from ..runs.folder import discard_unbegun, with_recorded_overrides

log = logging.getLogger(__name__)

# What torch.distributed says in the processes that are left when one ends.
_PEER_GONE = ("Connection closed by peer", "Connection reset by peer", "connectFullMesh")
_SHOW_TRACEBACK = os.environ.get("HYDRA_FULL_ERROR") == "1"  # as the user set it

# Hydra copies this store, of which there is only one, at each look into a folder: without the copies --help takes half
# the time.
ConfigStore.__deepcopy__ = lambda self, memo: self  # type: ignore[attr-defined]


def _run_folder() -> str:
    """Return Hydra's folder of this run, relative: no path of this machine gets into what a run writes."""
    if not HydraConfig.initialized() or OmegaConf.is_missing(HydraConfig.get().runtime, "output_dir"):
        return "outputs"  # nothing runs: the configuration is only shown
    return os.path.relpath(HydraConfig.get().runtime.output_dir)


# Two runs of one second need two folders: `outputs/<date>/<time>-${unique:}`.
OmegaConf.register_new_resolver("unique", lambda: uuid4().hex[:6], use_cache=True, replace=True)
OmegaConf.register_new_resolver("run_folder", _run_folder, replace=True)


def run(task: Callable[[DictConfig], None], config: str, check: Check, here: Check | None = None) -> None:
    """Run a task with the configuration that Hydra composes from `configs/CONFIG.yaml` and the command line.

    Exits as `one_sentence` says. A run that `check` or `here` refuses (see `preflight`) leaves no file behind.
    """

    @functools.wraps(task)
    def guarded(cfg: DictConfig) -> None:
        with one_sentence():  # inside as well, because Hydra adds lines of its own to what it sees
            try:
                task(cfg)
            except Exception as error:
                if _refusal(error):
                    discard_unbegun(Path(HydraConfig.get().runtime.output_dir))
                raise

    with one_sentence():
        # paths in configs/ are relative to the project, wherever the command is called
        script = Path(sys.argv[0]).resolve()
        sys.argv[0] = str(script)
        os.chdir(script.parent)
        secrets.load()
        sys.argv[1:] = trust.accept(sys.argv[1:])
        secrets.refuse_in(sys.argv[1:])
        sys.argv[1:] = with_recorded_overrides(sys.argv[1:])
        preflight(sys.argv[1:], config, script.stem, check, here)
        hydra.main(version_base="1.3", config_path="configs", config_name=config)(guarded)()


@contextmanager
def one_sentence() -> Iterator[None]:
    """Print one sentence and exit with 1 when anything fails inside; 130 after Ctrl-C, 143 after SIGTERM.

    The traceback goes to the log file of the run; HYDRA_FULL_ERROR=1 shows it on the console.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands its errors over instead of printing them in its own way
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as stop:
        # Lightning turns both signals into an exit of its own, which says nothing, and 0 for SIGTERM
        if isinstance(stop, KeyboardInterrupt) or isinstance(stop.__context__, KeyboardInterrupt):
            code = 130
        elif type(stop).__name__ == "SIGTERMException":
            code = 143
        else:
            raise
        print("error: interrupted", file=sys.stderr)
        sys.exit(code)
    except Exception as error:
        log.debug("%s", explain(error), exc_info=True)
        if _SHOW_TRACEBACK:
            sys.exit(secrets.mask(traceback.format_exc()))
        sys.exit(f"error: {secrets.mask(explain(error))}")


def explain(error: Exception) -> str:
    """Return one sentence for a person: what is wrong, where, and how to mend it."""
    cause = error.__cause__
    if refusal := _refusal(error):  # a worker sends it with a traceback, whose last line names it
        return str(refusal).rstrip().rpartition(f".{type(refusal).__name__}: ")[2]
    if isinstance(cause, ConfigAttributeError | ConfigKeyError) and cause.parent_node is not None:
        return str(_unknown(cause))
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        if choice == "submitit_slurm":
            return "hydra/launcher=slurm needs the extra slurm, which is not installed: pip install -e '.[slurm]'"
        options = sorted(error.options)
        return (
            f"{group}={choice} does not exist; the nearest is {group}={nearest(choice, options) or options[0]} "
            f"(there are: {', '.join(options)})"
        )
    if isinstance(error, OverrideParseException):
        return (
            f"the argument {error.override!r} cannot be read; write key=value, "
            "and quote a value that holds spaces, brackets or commas"
        )
    if mark := getattr(error, "problem_mark", None):  # of the YAML parser
        return f"{mark.name}, line {mark.line + 1}, is not valid YAML; mend it there"
    if isinstance(error, InstantiationException) and cause:
        target = str(error).split("'")[1]
        return f"{target} refuses its configuration: {_first_line(cause)}; see the chosen file of its group in configs/"
    if isinstance(error, HydraException | OmegaConfBaseException):
        return " ".join(secrets.mask(f"{error} {cause or ''}").split())
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({error}): free some space; what was whole before is whole, and resume=<run> goes on"
    if isinstance(error, MemoryError):
        return "the memory is used up; lower training.batch_size or data.num_workers"
    first_line = _first_line(error)
    if type(error).__name__ == "UncompletedJobError":  # of submitit; it holds what the job has printed
        said = [line for line in str(error).splitlines() if line.startswith("error: ")]
        return f"a run of the sweep has failed: {said[-1].removeprefix('error: ') if said else first_line}"
    if any(sign in first_line for sign in _PEER_GONE):
        return "another process of this run has ended; the message of that one says why"
    if "does not have a deterministic implementation" in first_line:
        operation = first_line.split()[0]
        return (
            f"{operation} has no deterministic implementation in this version of torch; use another operation, "
            "or accept that bits may differ: reproducibility.nondeterministic_operations=warn"
        )
    return f"{type(error).__name__}: {first_line} (the run's log file has the traceback; HYDRA_FULL_ERROR=1 prints it)"


def _refusal(error: Exception) -> UserError | None:
    """Return the error that was raised for the user, also inside a class that Hydra was building, or None."""
    return next((each for each in (error, error.__cause__) if isinstance(each, UserError)), None)


def _unknown(error: ConfigAttributeError | ConfigKeyError) -> ConfigError:
    """Return the error for a key of the command line that is not in the composed configuration."""
    key, root = str(error.full_key or error.key), error.parent_node._get_root()
    return unknown_key(key, [each for each in keys(root) if each.startswith("hydra") == key.startswith("hydra")])


def _first_line(error: BaseException) -> str:
    # masked first, because a secret can have several lines
    return (secrets.mask(str(error)).splitlines() or [""])[0]
