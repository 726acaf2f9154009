"""The end of a training on the console: what came out, where it is, and what to do with it."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from ..catalog.entries import is_trial, short
from ..catalog.table import duration
from ..config.schema import Config
from ..evaluation.evaluation import Evaluation
from ..evaluation.write import in_words
from ..names import HISTORY, MODELS
from ..packages import users_package
from ..runs import record
from ..runs.folder import BRING_BACK, last_written_first, run_folders
from ..runs.tables import read_rows
from ..tables import number

log = logging.getLogger(__name__)


@rank_zero_only
def say_summary(config: Config, evaluation: Evaluation, loggers: Sequence[Logger]) -> None:
    """Write the summary of the run that this process has finished to the log.

    Args:
        config: of the run.
        evaluation: of its test.
        loggers: the trackers of the run, which have what they need.
    """
    folder = Path(config.paths.run)
    found = record.read(folder)
    seconds = sum(session["seconds"] or 0 for session in found["sessions"])
    rows = [("finished", f"{folder} in {duration(seconds)}"), ("test", in_words(evaluation))]
    if best := _best_epoch(folder, config):
        rows.append(("best epoch", best))
    rows += [(str(logger.name), place) for logger in loggers if isinstance(place := _address(logger), str)]
    rows += [("next" if not place else "", command) for place, command in enumerate(_next(folder))]
    log.info("\n".join(f"{title:<11} {text}" for title, text in rows))


def _best_epoch(folder: Path, config: Config) -> str | None:
    """Return the epoch with the best value of what a callback watches, or else with the lowest loss of a validation."""
    watching = [each for each in config.callbacks.values() if each.get("monitor")]
    rows = read_rows(folder / HISTORY, BRING_BACK)
    columns = dict.fromkeys(name for row in rows for name in row)
    losses = [name for name in columns if "val" in name and name.replace("/", "_").endswith("_loss")]
    key = watching[0]["monitor"] if watching else next(iter(losses), None)
    values = {int(row["epoch"]): float(row[key]) for row in rows if key and row.get(key)}
    if not values:
        return None
    highest = bool(watching) and watching[0].get("mode") == "max"
    epoch = (max if highest else min)(values, key=lambda each: values[each])
    final = config.training.final_weights
    other = f"; the model is that of epoch {max(values)}" if final == "last" and epoch != max(values) else ""
    return f"{epoch} ({key} {number(values[epoch])}){other}"


def _address(logger: Logger) -> Any:
    return None if getattr(logger, "missed", False) else getattr(logger, "address", None)


def _next(folder: Path) -> list[str]:
    """Return commands about a run; in a sweep, about which a table follows, there are none."""
    if HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
        return []
    package, run = users_package(), short(folder)
    commands = [f"python -m {package} report {run}", f"python -m {package} verify {run}"]
    if other := _run_before(folder):
        commands.append(f"python -m {package} compare {short(other)} {run}")
    return commands


def _run_before(folder: Path) -> Path | None:
    """Return the run that was written last before this one: another one in outputs/, or the pipeline's."""
    runs = [each for each in [*run_folders(), *run_folders(MODELS)] if not is_trial(each)]
    here = folder.resolve()
    return next((each for _, each in last_written_first(runs) if each.resolve() != here), None)
