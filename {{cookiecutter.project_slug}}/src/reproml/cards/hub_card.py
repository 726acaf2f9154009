"""The card of any finished run on the Hugging Face Hub: how to download and load it, its results, how to repeat it."""

from pathlib import Path

from huggingface_hub import ModelCard

from ..evaluation.written import evaluation_of
from ..models.description import read_description
from ..names import MODEL
from ..packages import users_package
from ..runs.completed import CompletedRun
from ..tables import in_order, with_interval
from . import sections
from .hub import metadata
from .model_card import MODEL_CARD, parts
from .sources import read_project, read_source
from .targets import answer

_TEMPLATE = Path(__file__).with_name("hub_card.md.j2")


def hub_card(run: CompletedRun, repo: str) -> str:
    """Return the card as Markdown, with what people wrote in MODEL_CARD.md. The same run gives the same text.

    Args:
        run: whose folder is uploaded.
        repo: the name of the repository, `OWNER/NAME`.

    Raises:
        CardError: a section that people wrote is damaged, or data/sources.yaml has a wrong entry.
        RecordError: the test of the run is damaged, or not the one in the record.
    """
    record, written = run.record, evaluation_of(run)
    project, source = read_project(), read_source(record["data"]["name"])
    headline, found = (written.headline, written.metrics) if written else (None, {})
    values = record["metrics"]
    card = sections.render(
        _TEMPLATE,
        metadata(project, source, record["data"]["name"], values, written),
        project=project,
        source=source,
        record=record,
        parts=parts(record["config"]),
        answer=answer(read_description(run.folder / MODEL) or {}),
        package=users_package(),
        repo=repo,
        folder=f"outputs/{repo.rpartition('/')[2]}",
        headline=headline,
        higher_is_better=written.higher_is_better if written else None,
        metrics=[
            (name, with_interval(values[name], found[name].interval if name in found else None))
            for name in in_order(values, headline)
        ],
    )
    earlier = MODEL_CARD.read_text(encoding="utf-8") if MODEL_CARD.exists() else ""
    card = sections.keep(card, earlier, str(MODEL_CARD))
    ModelCard(card)  # checks the head, which the Hub reads
    return card
