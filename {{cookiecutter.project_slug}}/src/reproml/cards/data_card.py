"""DATA_CARD.md and reports/croissant.json: from the prepared data, data/sources.yaml, and what people wrote.

After T. Gebru et al., "Datasheets for datasets", Communications of the ACM 64 (2021).
"""

import json
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData

from ..arrays.prepare import MANIFEST
from ..config.schema import Data
from ..files import write_json
from . import sections, splits
from .croissant import describe
from .hub import data_license, size, task
from .sources import Source, read_project, read_source

DATA_CARD = Path("DATA_CARD.md")
CROISSANT = Path("reports/croissant.json")
_TEMPLATE = Path(__file__).with_name("data_card.md.j2")


def write_data_card(data: Data, raw: Path, processed: Path) -> None:
    """Write both from data that prepare.py left.

    Args:
        data: the checked configuration.
        raw: the folder of the raw files.
        processed: the folder of the arrays and their manifest.

    Raises:
        CardError: the description is not valid Croissant, or a section that people wrote is damaged.
    """
    manifest = json.loads((processed / MANIFEST).read_text(encoding="utf-8"))
    source, project = read_source(data.name), read_project()
    croissant = describe(data, source, project.version, manifest, raw, processed, CROISSANT.parent)
    card = sections.render(
        _TEMPLATE,
        _metadata(source, manifest),
        project=project,
        source=source,
        data=data,
        manifest=manifest,
        processed=processed.as_posix(),
        splits_told=splits.told(data.split, manifest, "the one seed"),
        croissant=CROISSANT.as_posix(),
    )
    DatasetCard(card)  # checks the head, which the Hub reads
    sections.write(DATA_CARD, card)
    write_json(CROISSANT, croissant)


def _metadata(source: Source, manifest: dict[str, Any]) -> DatasetCardData:
    return DatasetCardData(
        license=data_license(source.license),
        pretty_name=source.title,
        task_categories=[task(source.task, manifest["input_shape"])],
        size_categories=[size(manifest["examples"])],
    )
