"""During training: what the run wrote down about itself."""

from pathlib import Path
from typing import Any

from ..config.own import is_own
from ..models.description import read_description
from ..models.interface import Interface
from ..names import CONFIG, HISTORY, MODEL, RECORD, TRACE
from ..runs.folder import BRING_BACK
from ..runs.integrity import altered
from ..runs.tables import read_rows
from .facts import Facts
from .fixes import recover, train
from .item import Check, Finding, failed, passed

_NO_RUN = "no run is finished yet"


def _hyperparameters(facts: Facts) -> Finding:
    if facts.record is None or facts.run is None:
        return failed(_NO_RUN, train(facts))
    path = facts.run / CONFIG
    if not (facts.project / path).exists():
        return failed(f"{path} is missing", recover(facts, CONFIG))
    if altered(facts.project / facts.run, CONFIG, facts.record):
        return failed(f"{path} is not the configuration in the record", recover(facts, CONFIG))
    training = facts.record["config"]["training"]
    if is_own(facts.record["config"]):
        return passed(f"{path} and the record: epochs={training['epochs']}, the arguments of the task, and all others")
    return passed(f"{path} and the record: lr={training['lr']}, epochs={training['epochs']}, and every other setting")


def _checkpoint(facts: Facts) -> Finding:
    if facts.record is None or facts.run is None:
        return failed(_NO_RUN, train(facts))
    path = facts.run / MODEL
    if spoiled := _spoiled(facts, path, facts.record, "model"):
        return spoiled
    description = read_description(facts.project / path)
    if description is None:
        return failed(f"{path} does not describe its network", train(facts))
    if "model" not in description:
        return passed(f"{path} holds the weights of {description['task']['_target_'].rpartition('.')[2]}")
    shape = " x ".join(map(str, description["input_shape"]))
    network = description["model"]["_target_"].rpartition(".")[2]
    return passed(f"{path} holds the weights of {network}, input {shape}, {Interface.of(description).outputs} outputs")


def _metrics(facts: Facts) -> Finding:
    if facts.record is None or facts.run is None:
        return failed(_NO_RUN, train(facts))
    path = facts.run / HISTORY
    if spoiled := _spoiled(facts, path, facts.record, "history"):
        return spoiled
    if altered(facts.project / facts.run, TRACE, facts.record):
        trace = facts.run / TRACE
        return failed(f"{trace} is not the step trace in the record", recover(facts, trace.name))
    rows = read_rows(facts.project / path, BRING_BACK)
    if not rows:
        return failed(f"{path} holds no epoch", train(facts))
    trackers = ", ".join(facts.record["config"].get("tracking") or {}) or "none"
    return passed(f"{path} has {len(rows)} rows of {', '.join(rows[0])}; trackers: {trackers}")


def _spoiled(facts: Facts, path: Path, record: dict[str, Any], what: str) -> Finding | None:
    """Return the failure where a file of the run is missing, or not the one in the record."""
    if not (facts.project / path).exists():
        return failed(f"{path} is missing", recover(facts, path.name))
    if altered(facts.project / path.parent, path.name, record):
        return failed(f"{path} is not the {what} in the record", recover(facts, path.name))
    return None


def _system(facts: Facts) -> Finding:
    if facts.record is None:
        return failed(_NO_RUN, train(facts))
    environment = facts.record["environment"]
    parts = {"python": environment["python"], **{f"os.{key}": environment["os"][key] for key in ("system", "release")}}
    if missing := [name for name, value in parts.items() if not value]:
        return failed(f"the record of {facts.run} lacks {', '.join(missing)}", recover(facts, RECORD))
    system = environment["os"]
    return passed(
        f"{system['system']} {system['release']}, Python {environment['python']}, "
        f"{environment['torch']['threads']} threads, {len(environment['packages'])} packages"
    )


_SECTION = "during training"
CHECKS = (
    Check(_SECTION, "hyperparameters are logged", _hyperparameters),
    Check(_SECTION, "the model is saved with metadata", _checkpoint),
    Check(_SECTION, "metrics are tracked", _metrics),
    Check(_SECTION, "the system is logged", _system),
)
