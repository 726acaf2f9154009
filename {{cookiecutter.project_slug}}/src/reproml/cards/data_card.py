"""DATA_CARD.md and reports/croissant.json: from the prepared data, data/sources.yaml, and what people wrote.

After T. Gebru et al., "Datasheets for datasets", Communications of the ACM 64 (2021).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData

from ..arrays.prepare import MANIFEST
from ..config.own import name_of
from ..config.schema import Config, Data, OwnConfig
from ..files import write_json
from ..models.interface import Interface
from ..packages import users_package
from ..runs.named import named_files
from . import sections, splits
from .croissant import describe, describe_own
from .hub import OTHER, data_license, size
from .sources import read_project, read_source
from .targets import answer, distribution

DATA_CARD = Path("DATA_CARD.md")
CROISSANT = Path("reports/croissant.json")
_TEMPLATE = Path(__file__).with_name("data_card.md.j2")


def write_data_card(config: Config) -> None:
    """Write both: from data that prepare.py left, or of a user's own class from the files that its arguments name.

    Args:
        config: the checked configuration.

    Raises:
        CardError: the description is not valid Croissant, or a section that people wrote is damaged.
    """
    if isinstance(config, OwnConfig):
        card, croissant = _of_own(config)
    else:
        card, croissant = _of_arrays(config.data, Path(config.paths.raw), Path(config.paths.processed))
    DatasetCard(card)  # checks the head, which the Hub reads
    sections.write(DATA_CARD, card)
    write_json(CROISSANT, croissant)


def _of_arrays(data: Data, raw: Path, processed: Path) -> tuple[str, dict[str, Any]]:
    """Return the card and the description of prepared arrays."""
    manifest = json.loads((processed / MANIFEST).read_text(encoding="utf-8"))
    source, project = read_source(data.name), read_project()
    # the manifest knows the inputs, and the settings what the targets are
    interface = Interface.of({**manifest, **asdict(data)})
    targets = answer(interface.described())
    quantity = {name: value for name, value in targets.items() if isinstance(value, str)}
    metadata = DatasetCardData(
        license=data_license(source.license),
        pretty_name=source.title,
        task_categories=[source.task or interface.kind or OTHER],
        size_categories=[size(manifest["examples"])],
    )
    card = _rendered(
        metadata,
        project=project,
        source=source,
        files=data.files,
        reader=data._target_,
        manifest=manifest,
        processed=processed.as_posix(),
        quantity=quantity,
        distribution=distribution(manifest, processed),
        splits_told=splits.told(data.split, manifest, "the seed"),
    )
    return card, describe(data, source, project.version, manifest, targets, raw, processed, CROISSANT.parent)


def _of_own(config: OwnConfig) -> tuple[str, dict[str, Any]]:
    """Return the card and the description of data that only a class of the user's own can read."""
    name = name_of(config)
    source, project = read_source(name), read_project()
    found = named_files({"data": config.data}, but=[Path(config.paths.run), *map(Path, config.inputs.values())])
    metadata = DatasetCardData(
        license=data_license(source.license),
        pretty_name=source.title,
        task_categories=[source.task] if source.task else None,
    )
    card = _rendered(
        metadata, project=project, source=source, files=found, reader=config.data["_target_"], manifest=None
    )
    single = {path: digest for path, digest in found.items() if Path(path).is_file()}
    return card, describe_own(name, source, project.version, single, CROISSANT.parent)


def _rendered(metadata: DatasetCardData, files: Mapping[str, str], **facts: Any) -> str:
    facts |= {"files": files, "digest": _digest(files), "package": users_package(), "croissant": CROISSANT.as_posix()}
    return sections.render(_TEMPLATE, metadata, **facts)


def _digest(files: Mapping[str, str]) -> str:
    """Return one SHA-256 of all files, by their own: of several that of the list that sha256sum prints of them."""
    if len(files) == 1:
        return next(iter(files.values()))
    listed = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))
    return hashlib.sha256(listed.encode()).hexdigest()
