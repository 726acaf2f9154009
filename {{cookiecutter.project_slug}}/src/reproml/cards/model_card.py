"""MODEL_CARD.md: from the record of the pipeline's run, its test, and what people wrote.

After M. Mitchell et al., "Model cards for model reporting", Conference on Fairness, Accountability, and Transparency
(2019). The metadata at its head is that of the Hugging Face Hub.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from ..arrays.prepare import MANIFEST
from ..arrays.splits import split
from ..arrays.told import read_told
from ..config.own import refuse_own
from ..evaluation.intervals import RESAMPLES
from ..runs.integrity import finished
from ..runs.record import deciding
from ..training.randomness import derive
from . import sections
from . import splits as splits_of
from .hub import model_license, task
from .results import Results, read_results
from .sources import Project, Source, read_project, read_source

MODEL_CARD = Path("MODEL_CARD.md")
_TEMPLATE = Path(__file__).with_name("model_card.md.j2")
_SHOWN_MISTAKES = 5
_MAIN_PACKAGES = ("torch", "lightning", "numpy", "scikit-learn", "hydra-core", "dvc")


def write_model_card(run: Path, test: Path) -> None:
    """Write the card of a finished run.

    Args:
        run: its folder.
        test: where evaluate.py wrote the test of its model.

    Raises:
        CardError: a section that people wrote is damaged.
        ConfigError: data and task are of the user's own.
        RecordError: there is no record, it cannot be read, or the run is not finished.
    """
    record = finished(run)
    config = record["config"]
    refuse_own(config, "a model card")
    processed = Path(config["paths"]["processed"])
    manifest = json.loads((processed / MANIFEST).read_text(encoding="utf-8"))
    results = read_results(test, config["data"]["classes"], derive(config["seed"], "bootstrap"))
    project, source = read_project(), read_source(config["data"]["name"])
    card = sections.render(
        _TEMPLATE,
        _metadata(project, source, config, manifest, results),
        project=project,
        source=source,
        record=record,
        config=config,
        network=deciding(config)["model"],  # which shows no path of this machine
        manifest=manifest,
        splits=_split_counts(config, processed, manifest["official_test_examples"]),
        splits_told=_splits_told(config, manifest),
        results=results,
        weakest=_weakest(results),
        mistakes=results.mistakes[:_SHOWN_MISTAKES],
        resamples=RESAMPLES,
        packages={
            name: version for name, version in record["environment"]["packages"].items() if name in _MAIN_PACKAGES
        },
        run=run.as_posix(),
        test=test.as_posix(),
    )
    ModelCard(card)  # checks the head, which the Hub reads
    sections.write(MODEL_CARD, card)


def _metadata(
    project: Project, source: Source, config: dict[str, Any], manifest: dict[str, Any], results: Results
) -> ModelCardData:
    kind = task(source.task, manifest["input_shape"])
    dataset = source.hub or config["data"]["name"]
    shared: dict[str, Any] = {
        "task_type": kind,
        "dataset_type": dataset,
        "dataset_name": source.title,
        "dataset_split": "test",
    }
    scores = [("accuracy", "Accuracy", results.accuracy), ("f1", "Macro F1", results.f1)]
    return ModelCardData(
        **model_license(project.license),
        library_name="pytorch",
        pipeline_tag=kind,
        tags=[kind, "pytorch", "lightning", "safetensors", "reproducible"],
        datasets=[dataset],
        metrics=[name for name, _, _ in scores],
        model_name=project.name,
        eval_results=[
            EvalResult(
                **shared,
                metric_type=name,
                metric_name=title,
                metric_value=score.value,
                metric_args={"average": "macro"} if name == "f1" else None,
            )
            for name, title, score in scores
        ],
    )


def _splits_told(config: dict[str, Any], manifest: dict[str, Any]) -> str:
    data = config["data"]
    folds = (data["folds"], data["fold"]) if data.get("folds") else None
    return splits_of.told(data.get("split", "stratified"), manifest, f"the seed {config['seed']}", folds)


def _split_counts(config: dict[str, Any], processed: Path, official_test: int) -> dict[str, int]:
    """Return how many examples each split of the run has, before `data.train_examples`; a fold has its own counts."""
    data, targets = config["data"], np.load(processed / "targets.npy")
    groups, given = read_told(processed)
    splits = split(
        targets,
        official_test,
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


def _weakest(results: Results) -> str | None:
    """Return the class that is recognized least often, unless all always are."""
    measured = [result for result in results.per_class if result.recall.value is not None]
    lowest = min(measured, key=lambda result: result.recall.value or 0.0)
    return f"{lowest.name}, with a recall of {lowest.recall}" if lowest.recall.value != 1 else None
