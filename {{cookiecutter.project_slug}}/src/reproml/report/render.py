"""The report of a run and the comparison of two, as HTML and Markdown: one file each, which needs nothing else."""

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from .. import markdown
from ..evaluation.history import measures, points
from ..files import write_text
from ..names import REPORTS
from ..runs.integrity import EVERYTHING, finished
from ..secrets import mask
from ..verify.divergence import compare as divergence_of
from .collect import Facts, collect
from .curves import Curve, picture

_SECOND = "validation"  # the curve with the second colour
_LARGEST_TABLE = 20  # classes; the confusion matrix of more is a picture


def write_report(folder: Path) -> list[Path]:
    """Write `report.html` and `report.md` into the folder of a finished run, and return their paths.

    Raises:
        RecordError: there is no run, it is not finished, or its record is damaged.
    """
    facts = collect(folder)
    paths = [folder / name for name in REPORTS]
    for path in paths:
        write_text(path, report(facts, path.name))
    return paths


def report(facts: Facts, name: str = REPORTS[0]) -> str:
    """Return the report of a run. It holds no time of its own, so equal facts give equal text.

    Args:
        facts: of the run.
        name: `report.html` or `report.md`.
    """
    pictures = [
        picture(
            measure,
            [Curve(name, points(facts.history, column), int(name == _SECOND)) for name, column in curves.items()],
        )
        for measure, curves in measures(_columns(facts)).items()
    ]
    return (
        _environment(name)
        .get_template(f"{name}.j2")
        .render(
            facts=facts,
            record=facts.record,
            pictures=[item for item in pictures if item],
            as_table=len(facts.classes) <= _LARGEST_TABLE,
        )
    )


def write_comparison(folder: Path, other: Path, output: Path) -> str:
    """Write a page with two finished runs side by side, and return what differed first between them.

    Args:
        folder: of the first run.
        other: folder of the second run.
        output: where the page is written.

    Raises:
        RecordError: one of them is no run, not finished, or its record is damaged.
    """
    for path in (folder, other):
        finished(path, reads=EVERYTHING)  # also the weights and the trail, which collect does not read
    runs = [collect(path, checked=False) for path in (folder, other)]
    first, second = (facts.record for facts in runs)
    divergence = divergence_of(first, second, folder, other)
    pictures = [
        picture(
            measure,
            [
                Curve(f"{name}, {split}", points(facts.history, column), number, split == "train")
                for number, (name, facts) in enumerate(zip(("first", "second"), runs, strict=True))
                for split, column in curves.items()
            ],
        )
        for measure, curves in measures(_columns(*runs)).items()
    ]
    page = (
        _environment("compare.html")
        .get_template("compare.html.j2")
        .render(
            runs=runs,
            divergence=divergence,
            metrics=list(first["metrics"] | second["metrics"]),
            configuration=[item for item in divergence.changes if item.key.startswith("config.")],
            others=[item for item in divergence.changes if not item.key.startswith("config.")],
            pictures=[item for item in pictures if item],
        )
    )
    write_text(output, page)
    return divergence.summary()


def _columns(*runs: Facts) -> list[str]:
    return [column for facts in runs for row in facts.history[:1] for column in row]


def _environment(page: str) -> Environment:
    """Return Jinja with what the templates use. Whatever they print is masked and escaped, in HTML and in Markdown."""
    settings: dict[str, Any] = {
        "loader": FileSystemLoader(Path(__file__).parent / "templates"),
        "undefined": StrictUndefined,
        "trim_blocks": True,
        "lstrip_blocks": True,
        "keep_trailing_newline": True,
    }
    if page.endswith(".md"):
        environment = markdown.environment(**settings)
    else:
        environment = Environment(autoescape=True, finalize=_without_secrets, **settings)
    environment.filters |= {"number": _number, "data_uri": _data_uri}
    return environment


def _without_secrets(value: Any) -> Any:
    return mask(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _number(value: Any) -> str:
    """Return a number for a reader, of four digits; other values as they are."""
    try:
        return f"{float(value):.4g}" if float(value) % 1 else f"{float(value):.0f}"
    except (TypeError, ValueError, OverflowError):
        return str(value)


def _data_uri(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
