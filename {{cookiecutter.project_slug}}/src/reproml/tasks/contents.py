"""What the data of a run hold: shapes, types, counts and ranges of each split, and some examples."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from lightning.pytorch.utilities.model_helpers import is_overridden

from ..config.own import name_of
from ..config.schema import Config, OwnConfig
from ..evaluation.stored import counted
from ..tables import aligned, number
from .build import build_arrays, build_own

_SAMPLE = 2000  # training examples whose inputs are looked at
_SHADES = " .:-=+*#%@"  # from the smallest value of a picture to its largest
_WIDEST = 32  # pixels of a picture that is drawn
_LOADERS = {"train": "train_dataloader", "validation": "val_dataloader", "test": "test_dataloader"}
_STAGES = {"train": "fit", "validation": "fit", "test": "test"}


def contents(config: Config) -> dict[str, Any]:
    """Return what the data of a configuration hold, in plain types, and prepare them first where they are not.

    Of prepared arrays all targets and a sample of the inputs are read; of a user's own data the first batch of each
    loader.

    Raises:
        ConfigError: a class of the user's own returns something else.
        DataError: they cannot be prepared or read.
    """
    if isinstance(config, OwnConfig):
        return {"data": name_of(config), "loaders": _loaders(build_own(config))}
    arrays = build_arrays(config)
    inputs, targets = arrays.dataset.inputs, np.asarray(arrays.dataset.targets.open())
    train = arrays.splits["train"]
    # of a stream the first shards: to reach into all of them takes as long as an epoch
    sampled = train[:_SAMPLE] if config.data.storage == "arrow" else train[:: max(1, len(train) // _SAMPLE)]
    sample = np.asarray(inputs.rows(np.sort(sampled)))
    shown = inputs.rows(np.sort(train[:3]))
    return {
        "data": config.data.name,
        "inputs": {
            "shape": list(sample.shape[1:]),
            "dtype": str(sample.dtype),
            **_range(sample),
            "missing": float(np.isnan(sample).mean()) if sample.dtype.kind == "f" else 0.0,
        },
        "targets": {"dtype": str(targets.dtype), "kind": arrays.interface.are},
        "splits": {
            name: {"examples": len(part), **(counted(part, arrays.interface) or _range(part))}
            for name, part in ((name, targets[positions]) for name, positions in arrays.splits.items())
        },
        "examples": [
            {"input": example.tolist(), "target": arrays.interface.shown(target)}
            for example, target in zip(shown, targets[np.sort(train[:3])].tolist(), strict=True)
        ],
        "features": list(arrays.interface.features or []),
    }


def lines(found: dict[str, Any]) -> list[str]:
    """Return the same for people."""
    if "loaders" in found:
        return [f"data {found['data']}", *_lines_of_loaders(found["loaders"])]
    about, targets = found["inputs"], found["targets"]
    missing = f", {100 * about['missing']:.1f} % missing" if about["missing"] else ""
    return [
        f"data {found['data']}",
        f"inputs  {about['dtype']} {tuple(about['shape'])}, from {number(about.get('smallest'))} to "
        f"{number(about.get('largest'))}, mean {number(about.get('mean'))}{missing}",
        f"targets {targets['dtype']}, {targets['kind']}",
        "",
        *_table_of_splits(found["splits"]),
        "",
        *_lines_of_examples(found["examples"], found["features"]),
    ]


def _range(values: np.ndarray) -> dict[str, Any]:
    """Return the range and the mean of numbers, of those that are finite; nothing where none is."""
    found = values[np.isfinite(values)]
    if not found.size:
        return {}
    return {"smallest": found.min().item(), "largest": found.max().item(), "mean": float(found.mean(dtype=np.float64))}


def _table_of_splits(splits: dict[str, Any]) -> list[str]:
    """Return a table with a column for each split: the examples, and what is counted, or the range of the targets."""
    names = list(splits)
    rows = [["split", *names], ["examples", *(str(splits[name]["examples"]) for name in names)]]
    counts = [key for key, value in splits[names[0]].items() if isinstance(value, dict)]
    for key in counts:
        for each in splits[names[0]][key]:
            rows.append([f"  {each}", *(str(splits[name][key][each]) for name in names)])
    for key in () if counts else ("smallest", "mean", "largest"):
        rows.append([f"  {key}", *(number(splits[name].get(key)) for name in names)])
    return aligned(rows, set(range(1, len(names) + 1)))


def _lines_of_examples(examples: list[dict[str, Any]], features: list[str]) -> list[str]:
    found = ["the first training examples:"]
    pictures = [np.asarray(each["input"]) for each in examples]
    if all(each.ndim == 3 and len(each) == 1 and each.shape[2] <= _WIDEST for each in pictures):
        drawn = [
            [f"target {each['target']}", *_drawn(picture[0])] for each, picture in zip(examples, pictures, strict=True)
        ]
        return [*found, *aligned(list(zip(*drawn, strict=True)))]
    for each, picture in zip(examples, pictures, strict=True):
        values = picture.reshape(-1)[:6]
        names = features[: len(values)] if features and picture.ndim == 1 else [""] * len(values)
        shown = ", ".join(f"{name} {number(value)}".strip() for name, value in zip(names, values.tolist(), strict=True))
        more = f", ... ({picture.size} numbers)" if picture.size > len(values) else ""
        found.append(f"  target {number(each['target'])}: {shown}{more}")
    return found


def _drawn(picture: np.ndarray) -> list[str]:
    """Return a grey picture (height, width) as text, two characters a pixel."""
    low, high = float(picture.min()), float(picture.max())
    shades = ((picture - low) / ((high - low) or 1) * (len(_SHADES) - 1)).round().astype(int)
    return ["".join(2 * _SHADES[value] for value in row) for row in shades]


def _loaders(data: LightningDataModule) -> dict[str, Any]:
    """Return for each loader that a module has how long it is, and the structure of its first batch."""
    found: dict[str, Any] = {}
    for split, method in _LOADERS.items():
        if not is_overridden(method, data, LightningDataModule):
            continue
        data.setup(_STAGES[split])
        loader = getattr(data, method)()
        found[split] = {
            "batches": _length(loader),
            "examples": _length(getattr(loader, "dataset", None)),
            "batch": [{"part": part or "batch", **about} for part, about in _parts(next(iter(loader), None))],
        }
    return found


def _length(value: Any) -> int | None:
    try:
        return len(value)
    except TypeError:  # a stream
        return None


def _parts(batch: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the parts of a batch with their place in it, as in `[0]` and `['image']`."""
    if isinstance(batch, dict):
        for key, item in batch.items():
            yield from _parts(item, f"{place}[{key!r}]")
    elif isinstance(batch, list | tuple) and any(
        isinstance(item, torch.Tensor | dict | list | tuple) for item in batch
    ):
        for position, item in enumerate(batch):
            yield from _parts(item, f"{place}[{position}]")
    elif isinstance(batch, torch.Tensor):
        numbers = batch.detach().cpu()
        plain = (
            {}
            if numbers.is_complex()
            else _range((numbers.double() if numbers.is_floating_point() else numbers).numpy())
        )
        yield place, {"type": str(batch.dtype).removeprefix("torch."), "shape": list(batch.shape), **plain}
    else:
        yield place, {"type": type(batch).__name__, "value": f"{batch!r:.60}"}


def _lines_of_loaders(loaders: dict[str, Any]) -> list[str]:
    found = []
    for split, about in loaders.items():
        examples = "a stream" if about["examples"] is None else f"{about['examples']} examples"
        batches = "of unknown length" if about["batches"] is None else f"{about['batches']} batches"
        found += ["", f"{split}: {examples}, {batches}; the first batch:"]
        rows = [["  part", "type", "shape", "smallest", "largest", "mean"]]
        for part in about["batch"]:
            shape = str(tuple(part["shape"])) if "shape" in part else part.get("value", "")
            numbers = [number(part.get(key)) for key in ("smallest", "largest", "mean")]
            rows.append([f"  {part['part']}", part["type"], shape, *numbers])
        found += aligned(rows, {3, 4, 5})
    return found
