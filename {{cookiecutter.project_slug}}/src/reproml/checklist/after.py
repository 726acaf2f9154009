"""After training: is the result verified, documented, archived and reported?"""

import hashlib
import json
import zlib
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from ..errors import RecordError
from ..evaluation.written import read_evaluation
from ..names import EVALUATION, METRICS, MODEL, RECORD, TEST
from ..runs.code import code_digests, deciding_code
from ..runs.tables import altered_table
from ..tables import in_order
from .facts import Facts
from .fixes import of_run, restore, train
from .item import Check, Finding, failed, not_done, passed
from .provenance import committed

_REPORTS = ("report.html", "report.md")


def _reproduced(facts: Facts) -> Finding:
    found = facts.verification
    if found is None:
        return not_done("no verification yet" if facts.run else "no run yet", of_run(facts, "verify"))
    if found["code"]:
        return failed(f"the verification of {found['ended']} says: {found['line']}", of_run(facts, "verify"))
    return passed(f"{found['ended']}: {found['line']}")


def _results(facts: Facts) -> Finding:
    if facts.record is None or facts.run is None:
        return not_done("no run yet", train(facts))
    place = Path("reports") if facts.of_the_pipeline else facts.run / TEST
    test = f"python evaluate.py run={facts.run} output={place}"
    if deciding_code(facts.record["code"]) != deciding_code(code_digests(facts.project)):
        test = train(facts)  # the code of today could compute other metrics than the record has
    metrics = facts.project / place / METRICS
    if not metrics.exists():
        return not_done(f"{place}/{METRICS} is missing", test)
    if _json(metrics) != facts.record["metrics"]:
        return failed(f"{place}/{METRICS} is not the one in the record of {facts.run}", test)
    if name := altered_table(facts.project / place, facts.record):
        return failed(f"{place}/{name} is not the one in the record of {facts.run}", test)
    try:
        written = read_evaluation(facts.project / place)
    except RecordError:
        return failed(f"{place}/{EVALUATION} is damaged", test)
    if written is None:
        return not_done(f"{place}/{EVALUATION} is missing", test)
    if missing := [path for path in written.files() if not path.exists()]:
        return failed(f"{missing[0].relative_to(facts.project)} is missing", test)
    names = in_order(facts.record["metrics"], written.headline)
    shown = ", ".join(f"{name} {facts.record['metrics'][name]:.6g}" for name in names) or "no metric"
    card = facts.text("MODEL_CARD.md")
    if not card.strip():
        return failed("MODEL_CARD.md is empty", restore(facts, "MODEL_CARD.md", lambda text: bool(text.strip())))
    about = facts.record["model_sha256"] in card
    if facts.of_the_pipeline and not about:
        return failed(
            "MODEL_CARD.md is about another model",
            "dvc repro",
        )
    told = "describes this model" if about else "is the pipeline's"
    return passed(f"{place}/{METRICS} is as recorded: {shown}; MODEL_CARD.md {told}")


def _archived(facts: Facts) -> Finding:
    if facts.record is None or facts.run is None:
        return not_done("no run yet", of_run(facts, "archive"))
    for path in sorted((facts.project / "archives").glob("*.crate.zip")):
        if _holds(path, facts.record):
            return passed(f"{path.relative_to(facts.project)} holds the model and its record")
    return not_done(f"no archive in archives/ holds the model and the record of {facts.run}", of_run(facts, "archive"))


def _holds(path: Path, record: dict[str, Any]) -> bool:
    """Whether an archive holds the very model and record of a run."""
    try:
        with ZipFile(path) as archive:
            if json.loads(archive.read(RECORD)).get("weights_sha256") != record["weights_sha256"]:
                return False
            digest = hashlib.sha256()
            with archive.open(MODEL) as stream:
                while part := stream.read(1_000_000):
                    digest.update(part)
            return digest.hexdigest() == record["model_sha256"]
    except (BadZipFile, zlib.error, EOFError, RuntimeError, KeyError, ValueError, OSError, AttributeError):
        return False


def _reported(facts: Facts) -> Finding:
    if facts.record is None or facts.run is None:
        return not_done("no run yet", of_run(facts, "report"))
    for name in _REPORTS:
        path = facts.run / name
        if not (facts.project / path).exists():
            return not_done(f"{path} is missing", of_run(facts, "report"))
        if facts.record["weights_sha256"] not in facts.text(path.as_posix()):
            return failed(f"{path} is about other weights", of_run(facts, "report"))
    return passed(f"{facts.run}/{_REPORTS[0]} and {_REPORTS[1]}, about these weights")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None


_SECTION = "after training"
ARCHIVED, REPORTED = "model and metadata are archived", "there is a report"
CHECKS = (
    Check(_SECTION, "the committed code made the model", committed),
    Check(_SECTION, "the result is reproduced", _reproduced),
    Check(_SECTION, "the results are documented", _results),
    Check(_SECTION, ARCHIVED, _archived, required=False),
    Check(_SECTION, REPORTED, _reported, required=False),
)
