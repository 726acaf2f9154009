"""What `train.py`, `evaluate.py` and `prepare.py` are made of: how they are run, and the names of their steps.

Secrets are loaded first, and errors end in one sentence and a non-zero exit code. A step is imported when it is first
used: most of them need torch, which is loaded only when the configuration is known to be right and what torch reads
from the environment is set.
"""

import functools
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from . import secrets
from .catalog.find import with_named_runs
from .config import trust, usage
from .config.arguments import read
from .config.explain import explain, refusal
from .config.preflight import Check, preflight
from .errors import ConfigError, TrainingError, UserError
from .interrupts import CODE, end, interrupted
from .launch import started_by_lightning
from .logs import log_warnings
from .reply import Reply
from .runs.command import discard_unbegun, refuse_place, with_recorded_overrides
from .training.job import Due, told

if TYPE_CHECKING:
    from .config.check import check
    from .evaluation.measure import evaluate
    from .evaluation.write import in_words, write_evaluation
    from .models.saved import load_into, save_model
    from .report.summary import say_summary
    from .runs.completed import CompletedRun
    from .runs.folder import RunFolder
    from .runs.inputs import refuse_changed
    from .secrets import public
    from .tasks.build import build, description
    from .tasks.data import data_of, prepare, refuse_other_data
    from .tracking.loggers import build_loggers, send
    from .training.determinism import apply, pin_environment
    from .training.final import end_with
    from .training.ready import ready, ready_to_begin
    from .training.restore import restore
    from .training.session import begin
    from .training.trainer import build_tester, build_trainer

__all__ = [
    "CompletedRun",
    "RunFolder",
    "apply",
    "begin",
    "build",
    "build_loggers",
    "build_tester",
    "build_trainer",
    "check",
    "data_of",
    "description",
    "end_with",
    "evaluate",
    "in_words",
    "load_into",
    "one_sentence",
    "pin_environment",
    "prepare",
    "public",
    "ready",
    "ready_to_begin",
    "refuse_changed",
    "refuse_other_data",
    "restore",
    "run",
    "save_model",
    "say_summary",
    "send",
    "write_evaluation",
]

log = logging.getLogger(__name__)

STEPS = {  # the module of each of these names
    "CompletedRun": ".runs.completed",
    "RunFolder": ".runs.folder",
    "apply": ".training.determinism",
    "begin": ".training.session",
    "build": ".tasks.build",
    "build_loggers": ".tracking.loggers",
    "build_tester": ".training.trainer",
    "build_trainer": ".training.trainer",
    "check": ".config.check",
    "data_of": ".tasks.data",
    "description": ".tasks.build",
    "end_with": ".training.final",
    "evaluate": ".evaluation.measure",
    "in_words": ".evaluation.write",
    "load_into": ".models.saved",
    "pin_environment": ".training.determinism",
    "prepare": ".tasks.data",
    "public": ".secrets",
    "ready": ".training.ready",
    "ready_to_begin": ".training.ready",
    "refuse_changed": ".runs.inputs",
    "refuse_other_data": ".tasks.data",
    "restore": ".training.restore",
    "save_model": ".models.saved",
    "say_summary": ".report.summary",
    "send": ".tracking.loggers",
    "write_evaluation": ".evaluation.write",
}

# as the user set it; below, this project sets it for Hydra, and the processes that Lightning starts have it from there
_SHOW_TRACEBACK = os.environ.get("HYDRA_FULL_ERROR") == "1" and not started_by_lightning()


def __getattr__(name: str) -> Any:
    if name not in STEPS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(STEPS[name], __package__), name)


def run(task: Callable[[DictConfig], None], config: str, check: Check, here: Check | None = None) -> None:
    """Run a task with the configuration that Hydra composes from `configs/CONFIG.yaml` and the command line.

    Exits as `one_sentence` says. A run that `check` or `here` refuses (see `preflight`) leaves no file behind.
    """

    reply = Reply.asked()

    @functools.wraps(task)
    def guarded(cfg: DictConfig) -> None:
        log_warnings()
        # inside as well, because Hydra adds lines of its own to what it sees
        with one_sentence(), reply.of_failure(TrainingError):
            try:
                task(cfg)
                reply.name_run(cfg)
            except Exception as error:
                if refusal(error):
                    discard_unbegun(Path(HydraConfig.get().runtime.output_dir))
                raise

    with one_sentence(), reply.of_failure(ConfigError):
        # paths in configs/ are relative to the project, wherever the command is called
        script = Path(sys.argv[0]).resolve()
        sys.argv[0] = str(script)
        os.chdir(script.parent)
        secrets.load()
        sys.argv[1:] = trust.accept(sys.argv[1:])
        secrets.refuse_in(sys.argv[1:])
        sys.argv[1:] = with_named_runs(sys.argv[1:])
        if (given := read(sys.argv[1:])).options.help:
            print(usage.text(given, config, script.stem))
            return
        sys.argv[1:] = with_recorded_overrides(sys.argv[1:])
        reply.refuse_sweep(preflight(sys.argv[1:], config, script.stem, check, here, refuse_place))
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
        if interrupted(stop):
            end(CODE)
        if type(stop).__name__ == "SIGTERMException":
            end(143)
        raise
    except Exception as error:
        log.debug("%s", explain(error), exc_info=True)
        if interrupted(error):
            end(CODE)
        # a worker, or another process of the run, was told to end as well
        if told() >= Due.END and not isinstance(error, UserError):
            end(143)
        if _SHOW_TRACEBACK:
            sys.exit(secrets.mask(traceback.format_exc()))
        sys.exit(f"error: {secrets.mask(explain(error))}")
