"""The cards: facts of the data and of a run, what people wrote, and what is refused before a card is replaced."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import mlcroissant
import pytest

from reproml.cards import croissant, data_card, hub, model_card, sections, splits
from reproml.cards.sources import Source, _author, read_source
from reproml.config.check import check
from reproml.errors import CardError
from reproml.runs import record
from reproml.tables import number

from .conftest import PLAIN, ROOT, composed, with_values

MINE = "<!-- yours: notes -->\nby me\n<!-- /yours -->"


@pytest.fixture
def place(project: Path, short_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a project that holds the data and the run of the short training, as the pipeline would leave them."""
    shutil.copytree(project / "data", tmp_path / "data")
    shutil.copytree(project / "src", tmp_path / "src")
    for name in ("pyproject.toml", "CITATION.cff"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(short_run, tmp_path / "models", ignore=shutil.ignore_patterns("checkpoints"))
    shutil.copytree(short_run / "test", tmp_path / "reports")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def documented() -> str:
    """Write the card of the digits, and return it."""
    places = [f"paths.{kind}=data/{kind}/digits" for kind in ("raw", "processed")]
    data_card.write_data_card(check(composed(*PLAIN, "data=digits", *places)))
    return data_card.DATA_CARD.read_text(encoding="utf-8")


def test_a_card_of_data_has_its_facts_and_is_the_same_again(place: Path) -> None:
    card, described = documented(), data_card.CROISSANT.read_bytes()
    manifest = json.loads((place / "data/processed/digits/manifest.json").read_text())
    raw = next((place / "data/raw/digits").glob("*.*"))
    for fact in (str(manifest["examples"]), raw.name, *(str(count) for count in manifest["class_counts"].values())):
        assert fact in card
    data = mlcroissant.Dataset(jsonld=json.loads(described))
    files = {file.name: file.sha256 for file in data.metadata.distribution}
    assert {name: file["sha256"] for name, file in manifest["files"].items()}.items() <= files.items()
    assert raw.name in files
    assert (documented(), data_card.CROISSANT.read_bytes()) == (card, described)


def test_what_people_write_outlives_a_new_card(place: Path) -> None:
    before = documented()
    [(key, text), *_] = sections._sections(before, "DATA_CARD.md").items()
    data_card.DATA_CARD.write_text(before.replace(text, "Written by hand.\n", 1))
    assert sections._sections(documented(), "DATA_CARD.md")[key] == "Written by hand.\n"
    damaged = documented().replace("<!-- /yours -->", "", 1)
    data_card.DATA_CARD.write_text(damaged)
    with pytest.raises(CardError, match=r"DATA_CARD\.md has a section of yours without its comments"):
        documented()
    assert data_card.DATA_CARD.read_text() == damaged


def test_a_section_is_kept_where_a_new_card_has_no_place_for_it() -> None:
    generated = "# Card\n<!-- yours: notes -->\nnothing yet\n<!-- /yours -->\n"
    assert sections.keep(generated, MINE, "CARD.md") == f"# Card\n{MINE}\n"
    assert sections.keep("# Card\n", MINE, "CARD.md") == f"# Card\n\n{MINE}\n"
    assert sections.keep(generated, "", "CARD.md") == generated
    with pytest.raises(CardError, match=r"CARD\.md has the section 'notes' twice: put both texts into one"):
        sections.keep(generated, f"{MINE}\n{MINE}", "CARD.md")
    for damage in (
        MINE.replace("yours: ", "yours "),
        MINE.replace("/yours", "/ Yours"),
        f"{MINE}\n<!-- yours: more -->",
    ):
        with pytest.raises(CardError, match="without its comments"):
            sections.keep(generated, damage, "CARD.md")


def test_a_model_card_has_the_numbers_of_the_test(place: Path) -> None:
    model_card.write_model_card(Path("models"), Path("reports"))
    card = model_card.MODEL_CARD.read_text(encoding="utf-8")
    found = record.read(Path("models"))
    assert found["model_sha256"] in card
    evaluation = json.loads((place / "reports" / "evaluation.json").read_text())
    for name in evaluation["metrics"]:
        assert f"| {name} | {number(found['metrics'][name])}" in card.replace("**", "")
    model_card.write_model_card(Path("models"), Path("reports"))
    assert model_card.MODEL_CARD.read_text(encoding="utf-8") == card


def test_a_card_is_of_the_recorded_test_alone(place: Path) -> None:
    again = r"with python evaluate\.py run=models output=reports"

    def refused(sentence: str) -> None:
        with pytest.raises(CardError, match=f"{sentence}.*{again}"):
            model_card.write_model_card(Path("models"), Path("reports"))
        assert not model_card.MODEL_CARD.exists()

    path = place / "reports" / "metrics.json"
    metrics = json.loads(path.read_text())
    path.write_text(json.dumps({name: value * 1.01 for name, value in metrics.items()}))
    refused(r"reports/metrics\.json is not the one in the record of models: write it again")
    with_values(place / "models", metrics={name: value * 1.01 for name, value in metrics.items()})
    refused(r"reports/evaluation\.json and reports/metrics\.json are of different tests: write both")
    path.unlink()
    refused(r"reports lacks metrics\.json: write it")
    (place / "reports" / "evaluation.json").unlink()
    refused(r"reports lacks evaluation\.json: write it")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("digits: {titel: Digits}", r"data/sources\.yaml: digits: .*titel.*; fix the entry there"),
        ("digits: {title: [1]}", r"data/sources\.yaml: digits: .*; fix the entry there"),
        ("digits: [1]", r"data/sources\.yaml gives no keys for digits: write it as in digits, or leave it out"),
        ("[1]", r"data/sources\.yaml gives no keys for digits"),
    ],
)
def test_a_wrong_source_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, sentence: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_source("digits") == Source("digits")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/sources.yaml").write_text("digits: {title: Digits, creators: [E. Alpaydin]}\nempty:")
    assert read_source("digits") == Source("Digits", creators=["E. Alpaydin"])
    assert read_source("empty") == Source("empty")
    (tmp_path / "data/sources.yaml").write_text(text)
    with pytest.raises(CardError, match=sentence):
        read_source("digits")


def test_authors_and_licenses_are_written_as_others_read_them() -> None:
    assert [_author("A", "a@b.c"), _author("A"), _author(email="a@b.c")] == ["A (a@b.c)", "A", "a@b.c"]
    assert hub.model_license("Apache-2.0") == {"license": "apache-2.0"}
    own = {"license": "other", "license_name": "proprietary", "license_link": "LICENSE"}
    assert hub.model_license("LicenseRef-Proprietary") == own
    assert (hub.data_license("CC-BY-4.0"), hub.data_license(None)) == ("cc-by-4.0", "unknown")
    assert [hub.size(count) for count in (999, 1000, 10**7)] == ["n<1K", "1K<n<10K", "n>10M"]


@pytest.mark.parametrize(
    ("strategy", "official", "folds", "sentence"),
    [
        ("given", 0, None, "The data comes with its splits"),
        ("stratified", 0, None, "The splits are drawn by the seed 7, with the same share of every class in each."),
        ("group", 0, None, "drawn by the seed 7, with no group in more than one split (there are 9)."),
        ("random", 5, None, "official one of the data. The others are drawn by the seed 7, regardless of the target."),
        ("contiguous", 0, None, "cut from the data in its order: training first, then validation, then test."),
        ("contiguous", 5, (4, 1), "training first, then validation. Cross-validation: the validation is fold 1 of 4, "
         "counted from 0; it is trained on what comes before."),
        ("random", 0, (4, 1), "Cross-validation: the validation is fold 1 of 4, counted from 0."),
    ],
)  # fmt: skip
def test_the_splits_are_told(strategy: str, official: int, folds: Any, sentence: str) -> None:
    manifest = {"official_test_examples": official, "groups": 9}
    assert sentence in splits.told(strategy, manifest, "the seed 7", folds)


def test_data_of_ones_own_is_described_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "birds.csv.gz").write_bytes(b"one")
    digest = hashlib.sha256(b"one").hexdigest()
    files = {str(tmp_path / "birds.csv.gz"): digest}
    source = Source("Birds", license="CC-BY-4.0", creators=["A. Author"], published="2026-01-31")
    described = croissant.describe_own("birds", source, "1.0.0", files, tmp_path / "reports")
    [file] = mlcroissant.Dataset(jsonld=described).metadata.distribution
    assert (file.sha256, file.content_url, file.content_size) == (digest, "../birds.csv.gz", "3 B")
    with pytest.raises(CardError, match=r"is not valid Croissant: .*; fix data/sources\.yaml"):
        croissant.validate({**described, "@type": "sc:Thing"})
