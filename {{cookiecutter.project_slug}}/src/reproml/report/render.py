"""The report of a run and the comparison of two, as HTML and Markdown: one file each, which needs nothing else."""

import base64
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from .. import markdown
from ..catalog.table import duration
from ..evaluation.history import measures, points
from ..files import write_text
from ..names import FIGURES, REPORTS, TABLES
from ..runs.completed import CompletedRun
from ..runs.integrity import EVERYTHING
from ..secrets import mask
from ..verify.divergence import compare as divergence_of
from .collect import Facts, collect
from .curves import Curve, pictures
from .judged import judge

_DRAWN = ("learning_curves",)  # figures that the report draws itself, from the history
_SECOND = "validation"  # the curve with the second colour
_LONGEST_TABLE = 100  # rows; of more the report has the first ones
_WIDEST_TABLE = 21  # columns: one that names the rows, and 20 others; a table with more is a picture, or a file


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
    drawings = [
        drawing
        for measure, curves in measures(_columns(facts)).items()
        for drawing in pictures(
            measure,
            [Curve(name, points(facts.history, column), int(name == _SECOND)) for name, column in curves.items()],
        )
    ]
    tables = [table for table in facts.tables if len(table.header) <= _WIDEST_TABLE]
    drawn = {*_DRAWN, *(table.name for table in tables if table.square)}  # which are shaded
    return (
        _environment(name)
        .get_template(f"{name}.j2")
        .render(
            facts=facts,
            record=facts.record,
            pictures=drawings,
            tables=tables,
            figures=[item for item in facts.figures if item.name not in drawn],
            files=[table for table in facts.tables if len(table.header) > _WIDEST_TABLE],
            rows=_LONGEST_TABLE,
            tables_at=f"{facts.results}/{TABLES}",
            figures_at=f"{facts.results}/{FIGURES}",
        )
    )


def write_comparison(folder: Path, other: Path, output: Path) -> str:
    """Write a page with two finished runs side by side, and return what differed first between them.

    Args:
        folder: of the first run.
        other: folder of the second run.
        output: where the page is written.

    Raises:
        RecordError: one of them is not a run, not finished, or its record is damaged.
    """
    for path in (folder, other):
        CompletedRun.read(path, reads=EVERYTHING)  # also the weights and the step trace, which collect does not read
    runs = [collect(path, alone=False) for path in (folder, other)]
    first, second = (facts.record for facts in runs)
    divergence = divergence_of(first, second, folder, other)
    drawings = [
        drawing
        for measure, curves in measures(_columns(*runs)).items()
        for drawing in pictures(
            measure,
            [
                Curve(f"{name}, {split}", points(facts.history, column), number, split == "train")
                for number, (name, facts) in enumerate(zip(("first", "second"), runs, strict=True))
                for split, column in curves.items()
            ],
        )
    ]
    page = (
        _environment("compare.html")
        .get_template("compare.html.j2")
        .render(
            runs=runs,
            divergence=divergence,
            metrics=judge(*runs),
            configuration=[item for item in divergence.changes if item.key.startswith("config.")],
            others=[item for item in divergence.changes if not item.key.startswith("config.")],
            pictures=drawings,
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
    environment.filters |= {"data_uri": _data_uri, "moment": _moment, "duration": duration}
    return environment


def _without_secrets(value: Any) -> Any:
    return mask(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _moment(recorded: str) -> str:
    """Return a recorded time for a reader, as in `28 November 2026, 09:31 UTC`; one that is no time as it is."""
    try:
        found = datetime.fromisoformat(recorded)
    except ValueError:
        return recorded
    return f"{found.day} {found:%B %Y, %H:%M} {found.tzname() or ''}".rstrip()


def _data_uri(picture: Path | bytes) -> str:
    content = picture if isinstance(picture, bytes) else picture.read_bytes()
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
