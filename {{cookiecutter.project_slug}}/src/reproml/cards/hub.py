"""The words of the Hugging Face Hub for what a card says."""

from collections.abc import Mapping
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from ..evaluation.written import Written
from ..tables import in_order
from .sources import Project, Source

_LICENSES = {"MIT", "BSD-3-Clause", "Apache-2.0"}  # the Hub writes them in lower case
_SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M", 10_000_000: "1M<n<10M"}
_LARGER = "n>10M"
OTHER = "other"  # for a task that it has no word for


def size(examples: int) -> str:
    """Return the class of size of a data set."""
    return next((name for limit, name in _SIZES.items() if examples < limit), _LARGER)


def model_license(spdx: str) -> dict[str, Any]:
    """Return the keys of a model card for one of the licenses that a project can have."""
    if spdx in _LICENSES:
        return {"license": spdx.lower()}
    name = spdx.removeprefix("LicenseRef-").lower()
    return {"license": "other", "license_name": name, "license_link": "LICENSE"}


def data_license(spdx: str | None) -> str:
    """Return the name of a data set's license."""
    return spdx.lower() if spdx else "unknown"


def metadata(
    project: Project,
    source: Source,
    data: str,
    metrics: Mapping[str, float | int],
    written: Written | None,
) -> ModelCardData:
    """Return the head of a model card.

    Args:
        project: that the model is of.
        source: of its data.
        data: the name of its data.
        metrics: of its test, by name.
        written: the test itself, None where it is not here.
    """
    kind, headline = (written.kind, written.headline) if written else (None, None)
    kind, dataset = source.task or kind or OTHER, source.hub or data
    return ModelCardData(
        **model_license(project.license),
        library_name="pytorch",
        pipeline_tag=None if kind == OTHER else kind,
        tags=[*([] if kind == OTHER else [kind]), "pytorch", "lightning", "safetensors", "reproducible"],
        datasets=[dataset],
        metrics=list(metrics),
        model_name=project.name,
        eval_results=[
            EvalResult(
                task_type=kind,
                dataset_type=dataset,
                dataset_name=source.title,
                dataset_split="test",
                metric_type=name,
                metric_name=name,
                metric_value=metrics[name],
            )
            for name in in_order(metrics, headline)
        ]
        or None,
    )
