"""What every command shares: secrets are loaded first, and errors end in one sentence and a non-zero exit code."""

import functools
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from . import secrets
from .config import trust
from .config.explain import explain, refusal
from .config.preflight import Check, preflight
from .errors import UserError
from .launch import started_by_lightning
from .runs.folder import discard_unbegun, refuse_place, with_recorded_overrides
from .training.job import Due, told

log = logging.getLogger(__name__)

# as the user set it; below, this project sets it for Hydra, and the processes that Lightning starts have it from there
_SHOW_TRACEBACK = os.environ.get("HYDRA_FULL_ERROR") == "1" and not started_by_lightning()


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
                if refusal(error):
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
        preflight(sys.argv[1:], config, script.stem, check, here, refuse_place)
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
        # a worker, or another process of the run, was told to end as well
        if told() >= Due.END and not isinstance(error, UserError):
            print("error: interrupted", file=sys.stderr)
            sys.exit(143)
        if _SHOW_TRACEBACK:
            sys.exit(secrets.mask(traceback.format_exc()))
        sys.exit(f"error: {secrets.mask(explain(error))}")
