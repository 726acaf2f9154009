"""Trains briefly and often, and says whether a user's own data and task are exact: the whole of a rehearsal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path

from omegaconf import DictConfig, open_dict, read_write

from ...files import working_folder
from ...runs.digest_cache import reading_everything
from ...training.ready import ready_to_begin
from .report import Rehearsal
from .short import refuse_inexact

_OUTPUTS = Path("outputs")


@reading_everything()
def rehearse(cfg: DictConfig, say: Callable[[str], None]) -> Rehearsal:
    """Prove that data and task of a configuration are exact, or find where they are not.

    Args:
        cfg: the configuration of the real training, as it is composed. Nothing that it names is written to.
        say: is given the lines of the report, one by one.

    Raises:
        ConfigError: the training would be refused, or promises nothing that can be proven.
        DataError: its data are missing or damaged.
        TrainingError: it fails by itself.
    """
    refuse_inexact(cfg)
    ready_to_begin(_alone(cfg))  # before torch is imported, whose libraries read the environment once
    from .trials import Trials

    with _home() as home:
        trials = Trials(cfg, home, say)
        trials.train_first()
        if trials.again():
            trials.other_seed()
            trials.other_workers()
            trials.without_points()
            trials.interrupted()
        return trials.result()


def _alone(cfg: DictConfig) -> DictConfig:
    """Return the configuration without trackers and an earlier run: neither is touched."""
    copy = deepcopy(cfg)
    with read_write(copy), open_dict(copy):
        copy.tracking, copy.resume = {}, None
    return copy


@contextmanager
def _home() -> Iterator[Path]:
    """Yield a folder for all that is written, which is removed."""
    try:
        with working_folder(_OUTPUTS, ".rehearsal-") as folder:
            yield folder
    finally:
        with suppress(OSError):  # it holds runs
            _OUTPUTS.rmdir()
