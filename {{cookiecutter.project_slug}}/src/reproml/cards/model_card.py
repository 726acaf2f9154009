"""MODEL_CARD.md: from the record of the pipeline's run, its test, and what people wrote.

After M. Mitchell et al., "Model cards for model reporting", Conference on Fairness, Accountability, and Transparency
(2019). The metadata at its head is that of the Hugging Face Hub.
"""

import json
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np
from huggingface_hub import ModelCard

from ..arrays.prepare import MANIFEST
from ..arrays.splits import split
from ..arrays.told import read_told
from ..config.own import is_own
from ..errors import CardError
from ..evaluation.written import Written, read_evaluation
from ..models.description import read_description
from ..names import EVALUATION, METRICS, MODEL
from ..packages import users_package
from ..runs.completed import CompletedRun
from ..runs.record import deciding
from ..runs.tables import altered_table
from ..tables import Cell, TextTable, in_order, with_interval
from . import sections
from . import splits as splits_of
from .hub import metadata
from .sources import read_project, read_source
from .targets import answer

MODEL_CARD = Path("MODEL_CARD.md")
_TEMPLATE = Path(__file__).with_name("model_card.md.j2")
_LONGEST_TABLE, _BEGINNING = 30, 20  # rows; a table with more has its beginning on the card
_WIDEST_TABLE = 21  # columns: one that names the rows, and 20 others; a table with more is a file only
_LAST_DIGITS = 1e-6  # relative
_MAIN_PACKAGES = ("torch", "lightning", "numpy", "scikit-learn", "hydra-core", "dvc")


def write_model_card(run: Path, test: Path) -> None:
    """Write the card of a finished run.

    Args:
        run: its folder.
        test: where evaluate.py wrote the test of its model.

    Raises:
        CardError: a section that people wrote is damaged, or the test is missing or not the recorded one.
        RecordError: there is no record, it cannot be read, or the run is not finished.
    """
    record = CompletedRun.read(run).record
    config, written = record["config"], _test(run, test, record)
    manifest = None if is_own(config) else _manifest(config)
    project, source = read_project(), read_source(record["data"]["name"])
    card = sections.render(
        _TEMPLATE,
        metadata(
            project,
            source,
            record["data"]["name"],
            {name: metric.value for name, metric in written.metrics.items()},
            written,
        ),
        project=project,
        source=source,
        record=record,
        config=config,
        parts=parts(config),
        manifest=manifest,
        package=users_package(),
        inputs=_inputs(config, manifest) if manifest else None,
        answer=answer(read_description(run / MODEL) or {}),
        splits=_split_counts(config, manifest) if manifest else {},
        splits_told=_splits_told(config, manifest) if manifest else "",
        written=written,
        metrics=_metrics(written),
        has_intervals=any(metric.interval for metric in written.metrics.values()),
        tables=_tables(written),
        packages={
            name: version for name, version in record["environment"]["packages"].items() if name in _MAIN_PACKAGES
        },
        run=run.as_posix(),
    )
    ModelCard(card)  # checks the head, which the Hub reads
    sections.write(MODEL_CARD, card)


def _test(run: Path, test: Path, record: dict[str, Any]) -> Written:
    """Return the test of a run's model.

    Raises:
        CardError: it is missing, not the one in the record, or its files are of different tests.
    """
    written, again = read_evaluation(test), f"python evaluate.py run={run} output={test}"
    if written is None or not (test / METRICS).exists():
        raise CardError(f"{test} lacks {METRICS if written else EVALUATION}: write it with {again}")
    metrics = json.loads((test / METRICS).read_text(encoding="utf-8"))
    recorded = record["metrics"]
    same = metrics.keys() == recorded.keys() and all(  # another machine may write other last digits
        isclose(metrics[name], value, rel_tol=_LAST_DIGITS) for name, value in recorded.items()
    )
    altered = altered_table(test, record) if metrics == recorded else None
    if altered or not same:
        raise CardError(
            f"{test}/{altered or METRICS} is not the one in the record of {run}: write it again with {again}"
        )
    if any(metrics.get(name) != metric.value for name, metric in written.metrics.items()):
        raise CardError(f"{test}/{EVALUATION} and {test}/{METRICS} are of different tests: write both with {again}")
    return written


def _manifest(config: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(config["paths"]["processed"]) / MANIFEST).read_text(encoding="utf-8"))
    return found


def _inputs(config: dict[str, Any], manifest: dict[str, Any]) -> str | None:
    """Return a file with examples as the model takes them, None where the prepared data has none that NumPy reads."""
    names = [name for name in manifest["files"] if name.startswith("inputs") and name.endswith(".npy")]
    return f"{config['paths']['processed']}/{names[0]}" if names else None


def parts(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what was trained, by what it is called: classes with their arguments, which show no path of a machine."""
    shown = deciding(config)
    named = {"Network": shown.get("model"), "Task": shown.get("task")}
    return {name: settings for name, settings in named.items() if settings and "_target_" in settings}


def _metrics(written: Written) -> list[tuple[str, Cell]]:
    """Return the metrics with their intervals, the headline first."""
    names = in_order(written.metrics, written.headline)
    return [(name, with_interval(written.metrics[name].value, written.metrics[name].interval)) for name in names]


def _tables(written: Written) -> list[tuple[TextTable, list[list[Cell]], str]]:
    """Return the tables that a page has room for: each whole or its beginning, and then where the rest is."""
    found = []
    for each in written.tables:
        table = TextTable.of(each.name, each.title, each.rows())
        if len(table.header) <= _WIDEST_TABLE:
            whole = len(table.rows) <= _LONGEST_TABLE
            found.append(
                (table, table.cells(_LONGEST_TABLE if whole else _BEGINNING), "" if whole else each.path.as_posix())
            )
    return found


def _splits_told(config: dict[str, Any], manifest: dict[str, Any]) -> str:
    data = config["data"]
    folds = (data["folds"], data["fold"]) if data.get("folds") else None
    return splits_of.told(data.get("split", "stratified"), manifest, f"the seed {config['seed']}", folds)


def _split_counts(config: dict[str, Any], manifest: dict[str, Any]) -> dict[str, int]:
    """Return how many examples each split of the run has, before `data.train_examples`; a fold has its own counts."""
    data, processed = config["data"], Path(config["paths"]["processed"])
    groups, given = read_told(processed)
    splits = split(
        np.load(processed / "targets.npy"),
        manifest["official_test_examples"],
        data["validation_fraction"],
        data["test_fraction"],
        config["seed"],
        data.get("folds"),
        data.get("fold"),
        strategy=data.get("split", "stratified"),
        groups=groups,
        given=given,
    )
    return {name: len(positions) for name, positions in splits.items()}
