"""Model card, data card and Croissant: outputs of the pipeline, filled from the record, with what people wrote."""

import csv
import gzip
import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import CHOICES, TEMPLATE, THIS_PYTHON, Render, digest, run
from runs import script

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]
CARDS = ("MODEL_CARD.md", "DATA_CARD.md", "reports/croissant.json")


def stages_run(project: Path, command: str = "dvc repro") -> set[str]:
    return set(re.findall(r"Running stage '(\w+)'", run(command, project).stdout))


def contents(project: Path) -> dict[str, bytes]:
    return {name: (project / name).read_bytes() for name in CARDS}


def python(project: Path, code: str, *arguments: str) -> Any:
    """Run code with the project's package and return the JSON that it prints last."""
    return json.loads(script(project, code, *arguments).splitlines()[-1])


@pytest.fixture(scope="module")
def documented(shared_pipeline: Path) -> Path:
    """Return a project whose pipeline has run on the digits, committed."""
    return shared_pipeline


@pytest.fixture(scope="module")
def tabular(tmp_path_factory: pytest.TempPathFactory, documented: Path) -> Path:
    """Return a copy of it whose pipeline has run on the table of breast cancer."""
    project = tmp_path_factory.mktemp("tabular") / "my-project"
    run(f"git clone --quiet '{documented}' '{project}'", documented)
    (project / ".venv").symlink_to((documented / ".venv").resolve())
    run("sed -i 's/data: digits/data: breast_cancer/' configs/config.yaml && python configure.py && dvc repro", project)
    return project


@pytest.fixture(scope="module")
def quantity(tmp_path_factory: pytest.TempPathFactory, documented: Path) -> Path:
    """Return a copy of it whose pipeline has run, for two epochs, on diabetes: a quantity for each patient."""
    project = tmp_path_factory.mktemp("quantity") / "my-project"
    run(f"git clone --quiet '{documented}' '{project}'", documented)
    (project / ".venv").symlink_to((documented / ".venv").resolve())
    (project / "models/metrics.csv").unlink()  # of another run
    run("sed -i 's/task: classification/task: regression/;s/data: digits/data: diabetes/' configs/config.yaml", project)
    for command in (
        "configure.py",
        "prepare.py -cn pipeline",
        "document.py data",
        "train.py -cn pipeline training.epochs=2",
        "evaluate.py run=models output=reports",
        "document.py model",
    ):
        run(f"python {command}", project)
    return project


def test_nothing_runs_the_second_time_and_the_bytes_stay(documented: Path) -> None:
    before = contents(documented)
    assert stages_run(documented) == set()
    run("python document.py data && python document.py model", documented)
    assert contents(documented) == before
    assert run("git status --porcelain", documented).stdout == ""


def test_the_files_that_come_with_the_project_are_those_of_its_first_run(project: Path) -> None:
    shipped = {name: (project / name).read_text() for name in CARDS}
    run("dvc repro prepare && python document.py data", project)
    assert {name: (project / name).read_text() for name in CARDS} == shipped
    sections = re.compile(r"<!-- yours: .*?<!-- /yours -->", re.DOTALL)
    template = (TEMPLATE / "src/reproml/cards/model_card.md.j2").read_text()
    assert sections.findall(shipped["MODEL_CARD.md"]) == sections.findall(template)


def test_no_path_and_no_date_of_this_machine(documented: Path) -> None:
    record = json.loads((documented / "models/run.json").read_text())
    for name, content in contents(documented).items():
        assert str(documented).encode() not in content, name
        assert record["sessions"][0]["started"][:10].encode() not in content, name
    run("pre-commit run secrets --files " + " ".join(CARDS), documented)


def test_what_people_write_is_kept(documented: Path) -> None:
    card = documented / "MODEL_CARD.md"
    text = card.read_text().replace(
        "- Primary use: *to be written*", "- Primary use: meters | {{ braces }} \\1\n\n### More\n\nÄ"
    )
    text = text.replace("<!-- yours: notes -->\n", "<!-- yours: notes -->\nAsk us.\n")
    card.write_text(text + "\n<!-- yours: mine -->\nA section of my own.\n<!-- /yours -->\n")
    written = card.read_bytes()
    assert stages_run(documented) == {"document_model"}
    assert card.read_bytes() == written
    assert stages_run(documented) == set()  # it has come to rest
    card.write_text(card.read_text().replace("| accuracy |", "| accuracy, as I wish |"))
    assert stages_run(documented) == {"document_model"}
    assert card.read_bytes() == written  # what is measured cannot be edited
    data = documented / "DATA_CARD.md"
    data.write_text(data.read_text().replace("*To be written: who or what", "Left-handed writers. *Who or what"))
    written = data.read_bytes()
    assert stages_run(documented) == {"document_data"}
    assert data.read_bytes() == written
    run("git checkout --quiet . && dvc checkout --quiet", documented)


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (("<!-- /yours -->", ""), "without its comments"),
        (("\n## Details", "\n<!--yours: notes-->\nmine\n<!--/yours-->\n\n## Details"), "without its comments"),
        (("<!-- yours: ethics -->", ""), "without its comments"),
        (("yours: ethics", "yours: limitations"), "the section 'limitations' twice"),
    ],
)
def test_a_damaged_section_is_refused_and_kept(documented: Path, edit: tuple[str, str], sentence: str) -> None:
    card = documented / "MODEL_CARD.md"
    before = card.read_text()
    card.write_text(before.replace(*edit, 1))
    damaged = card.read_bytes()
    refused = run("python document.py model", documented, check=False)
    left = card.read_bytes()
    card.write_text(before)
    assert refused.returncode == 1
    assert sentence in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert left == damaged


def test_the_metadata_is_what_the_hub_reads(documented: Path, tabular: Path, quantity: Path) -> None:
    code = """
import json
from huggingface_hub import DatasetCard, ModelCard
model, data = ModelCard.load("MODEL_CARD.md"), DatasetCard.load("DATA_CARD.md")
again = ModelCard(f"---\\n{model.data.to_yaml()}\\n---\\n")
assert again.data.to_dict() == model.data.to_dict()
keys = ("task_type", "dataset_type", "dataset_split", "metric_type", "metric_value")
results = [[getattr(result, key) for key in keys] for result in model.data.eval_results]
print(json.dumps([model.data.to_dict(), results, data.data.to_dict()]))
"""
    for project, name, task, headline, others in (
        (documented, "digits", "image-classification", "accuracy", ("loss", "f1")),
        (tabular, "breast_cancer", "tabular-classification", "accuracy", ("loss", "f1")),
        (quantity, "diabetes", "tabular-regression", "mae", ("loss", "rmse", "r2")),
    ):
        model, results, data = python(project, code)
        metrics = json.loads((project / "reports/metrics.json").read_text())
        assert results == [[task, name, "test", key, metrics[key]] for key in (headline, *others)]
        assert model["license"] == "mit"
        assert model["library_name"] == "pytorch"
        assert model["pipeline_tag"] == task
        assert {task, "lightning"} <= set(model["tags"])
        assert model["datasets"] == [name]
        assert sorted(model["metrics"]) == sorted((headline, *others))
        license = "unknown" if project == quantity else "cc-by-4.0"
        assert (data["license"], data["task_categories"]) == (license, [task])


def test_each_license_has_its_name_on_the_hub(render: Render, documented: Path) -> None:
    expected = {
        "MIT": {"license": "mit"},
        "BSD-3-Clause": {"license": "bsd-3-clause"},
        "Apache-2.0": {"license": "apache-2.0"},
        "Proprietary": {"license": "other", "license_name": "proprietary", "license_link": "LICENSE"},
    }
    assert list(expected) == CHOICES["license"]
    code = """
import json, os, sys
from reproml.cards.hub import model_license
from reproml.cards.sources import read_project
found = []
for folder in sys.argv[1:]:
    os.chdir(folder)
    found.append(model_license(read_project().license))
print(json.dumps(found))
"""
    projects = [render(python_version=THIS_PYTHON, license=answer) for answer in expected]
    assert python(documented, code, *map(str, projects)) == [*expected.values()]


def test_the_intervals_are_those_of_the_libraries(documented: Path, tabular: Path) -> None:
    """Wilson's from another library's formula, F1 from scikit-learn; the bootstrap from a plain loop."""
    code = """
import csv, json
import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import f1_score
from reproml.evaluation.written import read_evaluation
from pathlib import Path
written = read_evaluation(Path("reports"))
rows, per_class = written.predicted(), written.table("per_class")
classes = [row["class"] for row in per_class]
actual = np.array([classes.index(row["actual"]) for row in rows])
predicted = np.array([classes.index(row["predicted"]) for row in rows])
def interval(mask, hits):
    n = int(mask.sum())
    return tuple(binomtest(int((hits & mask).sum()), n).proportion_ci(method="wilson")) if n else None
def told(row, name):
    return (float(row[f"{name}_low"]), float(row[f"{name}_high"])) if row[f"{name}_low"] else None
right = actual == predicted
assert written.metrics["accuracy"].interval == interval(np.ones_like(right), right)
for index, row in enumerate(per_class):
    assert told(row, "recall") == interval(actual == index, right)
    assert told(row, "precision") == interval(predicted == index, right)
generator, macro = np.random.default_rng(0), []
average = dict(average="macro", labels=range(len(classes)), zero_division=0)
for _ in range(2000):
    drawn = generator.integers(0, len(rows), len(rows))
    macro.append(f1_score(actual[drawn], predicted[drawn], **average))
expected = np.quantile(macro, [0.025, 0.975])
assert np.allclose(written.metrics["f1"].interval, expected, atol=0.01), (written.metrics["f1"].interval, expected)
def shown(value, ends):
    return f"{value:.4f}" + (f" ({ends[0]:.4f} to {ends[1]:.4f})" if ends else "")
accuracy = written.metrics["accuracy"]
recalls = [shown(float(row["recall"]), told(row, "recall")) for row in per_class]
print(json.dumps([shown(accuracy.value, accuracy.interval), recalls]))
"""
    for project in (documented, tabular):
        accuracy, recalls = python(project, code)
        card = (project / "MODEL_CARD.md").read_text()
        assert f"| accuracy | {accuracy} |" in card
        assert all(f"| {recall} |" in card for recall in recalls)


def test_the_numbers_are_those_of_the_test(documented: Path) -> None:
    card = (documented / "MODEL_CARD.md").read_text()
    record = json.loads((documented / "models/run.json").read_text())
    with (documented / "reports/tables/per_class.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        shown = [rf"{float(row[key]):.4f}[^|]*" for key in ("precision", "recall", "f1")]
        assert re.search(r" \| ".join([rf"^\| {row['class']}", *shown, rf"{row['examples']} \|$"]), card, re.MULTILINE)
    with (documented / "reports/tables/mistakes.csv").open() as file:
        for row in csv.DictReader(file):
            assert f"| {row['actual']} | {row['predicted']} | {row['examples']} |" in card
    assert f"| f1 | {record['metrics']['f1']:.4f} (" in card
    for figure in re.findall(r"\]\((reports/[^)]+)\)", card):
        assert (documented / figure).exists(), figure
    assert "(reports/figures/confusion_matrix.png)" in card
    for fact in (record["git"]["commit"], record["model_sha256"], record["environment"]["packages"]["torch"]):
        assert fact in card
    assert record["environment"]["cpu"]["capability"] in card
    command = [line for line in card.splitlines() if line.startswith("python -m")][-1]
    assert command == "python -m reproml verify models"
    assert "reproduced bit for bit" in run(command, documented, PYTHONPATH="src").stdout


def test_how_to_use_runs_as_printed(documented: Path, tabular: Path, quantity: Path) -> None:
    for project in (documented, tabular, quantity):
        for name, count in (("MODEL_CARD.md", 2), ("DATA_CARD.md", 2)):
            section = (project / name).read_text().partition("## How to use\n")[2].partition("\n## ")[0]
            blocks = re.findall(r"^```(python|bash)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
            assert len(blocks) == count
            for language, code in blocks:
                said = script(project, code) if language == "python" else run(code, project, PYTHONPATH="src").stdout
                assert name == "DATA_CARD.md" or language == "bash" or said.count("'predicted':") == 3
        rows = (project / "predictions.csv").read_text().splitlines()
        (project / "predictions.csv").unlink()
        assert len(rows) == 1 + json.loads((project / "data/processed/pipeline/manifest.json").read_text())["examples"]


def test_each_card_has_one_digest_and_it_can_be_checked(documented: Path) -> None:
    model, data = ((documented / name).read_text() for name in CARDS[:2])
    assert re.findall(r"\b[0-9a-f]{64}\b", model) == [digest(documented / "models/model.safetensors")]
    raw = gzip.decompress((documented / "data/raw/pipeline/digits.csv.gz").read_bytes())
    assert re.findall(r"\b[0-9a-f]{64}\b", data) == [hashlib.sha256(raw).hexdigest()]
    files = {"b.csv": "b" * 64, "a.csv": "a" * 64}
    several = python(
        documented, f"import json\nfrom reproml.cards import data_card as d\nprint(json.dumps(d._digest({files})))"
    )
    listed = run(f"printf '{'a' * 64}  a.csv\n{'b' * 64}  b.csv\n' | sha256sum", documented).stdout
    assert several == listed.split()[0]


def test_another_seed_gives_other_numbers(documented: Path) -> None:
    before = contents(documented)
    run("sed -i 's/^seed: 42/seed: 43/' configs/config.yaml", documented)
    assert stages_run(documented) == {"configure", "train", "evaluate", "document_model"}
    after = contents(documented)
    run("git checkout --quiet . && dvc checkout --quiet", documented)
    assert after["MODEL_CARD.md"] != before["MODEL_CARD.md"]
    assert b"drawn by the seed 43" in after["MODEL_CARD.md"]
    assert {name: after[name] for name in CARDS[1:]} == {name: before[name] for name in CARDS[1:]}


def test_the_cards_of_a_table(tabular: Path) -> None:
    data, model = (tabular / "DATA_CARD.md").read_text(), (tabular / "MODEL_CARD.md").read_text()
    assert "| malignant | 212 | 37.3 % |" in data
    assert "569 examples. An input has 30 values of type float32." in data
    assert re.search(r"^\| malignant \| [01]\.\d{4} \(", model, re.MULTILINE)
    assert "Not made for decisions about patients." in model
    assert stages_run(tabular) == set()


def test_the_cards_of_a_quantity(quantity: Path) -> None:
    data, model = (quantity / "DATA_CARD.md").read_text(), (quantity / "MODEL_CARD.md").read_text()
    assert "- Target: disease\\_progression" in data
    assert "| least | 25.00 |" in data and "| median | 140.5 |" in data and "| most | 346.0 |" in data
    assert "class" not in data.partition("## Content")[2].partition("## Known gaps")[0]
    assert "- Output, target: disease\\_progression" in model
    assert "The headline metric is mae: lower is better." in model
    for name in ("mae", "rmse", "r2"):
        assert re.search(rf"^\| {name} \| -?[\d.]+ \(-?[\d.]+ to -?[\d.]+\) \|$", model, re.MULTILINE), name
    for figure in re.findall(r"\]\((reports/[^)]+)\)", model):
        assert (quantity / figure).exists(), figure
    assert "[Predicted against actual](reports/figures/predicted_against_actual.png)" in model


def test_the_description_for_machines_is_valid_and_names_the_files(
    documented: Path, tabular: Path, quantity: Path
) -> None:
    """The library reads it, finds each file by its address and checksum, and its tables by their names."""
    code = """
import hashlib, json
from pathlib import Path
import mlcroissant as mlc
read = mlc.Dataset(jsonld=json.loads(Path("reports/croissant.json").read_text()))
assert mlc.Dataset(jsonld="reports/croissant.json").metadata.to_json() == read.metadata.to_json()
issues = read.metadata.ctx.issues
unknown = [issue for issue in issues.warnings if "schema.org/license" not in str(issue)]  # nobody says that of diabetes
assert not issues.errors and not unknown, issues.report()
for file in read.metadata.distribution:
    content = (Path("reports") / file.content_url).read_bytes()
    assert hashlib.sha256(content).hexdigest() == file.sha256, file.name
    assert file.content_size == f"{len(content)} B"
named = any(part.id == "classes" for part in read.metadata.record_sets)
classes = [row["classes/name"] for row in read.records("classes")] if named else []
splits = {row["splits/name"]: row["splits/examples"] for row in read.records("splits")}
shapes = {part.id: part.fields[0].array_shape_tuple for part in read.metadata.record_sets if part.fields[0].is_array}
print(json.dumps([classes, splits, shapes]))
"""
    for project in (documented, tabular, quantity):
        manifest = json.loads((project / "data/processed/pipeline/manifest.json").read_text())
        classes, splits, shapes = python(project, code)
        assert classes == list(manifest.get("class_counts", []))
        assert splits == manifest["splits"]
        count = manifest["examples"]
        assert shapes == {"inputs": [count, *manifest["input_shape"]], "targets": [count]}


def test_planted_errors_are_found(documented: Path) -> None:
    text = (documented / "reports/croissant.json").read_text()
    planted = {
        '"sha256"': '"sha257"',
        '"inputs.npy"\n': '"lost.npy"\n',
        '"sc:Dataset"': '"sc:Thing"',
        '"classes/name": "0"': '"classes/label": "0"',
        '"1797,1,8,8"': '"many"',
    }
    assert all(find in text for find in planted)
    code = f"""
import json
from reproml.cards.croissant import validate
from reproml.errors import CardError
said = []
for text in {[text, *(text.replace(find, replace, 1) for find, replace in planted.items())]!r}:
    try:
        said.append(validate(json.loads(text)))
    except CardError as error:
        said.append(str(error))
print(json.dumps(said))
"""
    good, *errors = python(documented, code)
    assert good is None
    assert len(errors) == len(planted)
    for said in errors:
        assert said is not None
        assert said.startswith("the description of the data is not valid Croissant: ")
        assert "\n" not in said


def test_a_wrong_fact_is_refused_and_nothing_is_lost(documented: Path) -> None:
    before = contents(documented)
    for edit, sentence in (
        ('s/published: "1998-07-01"/published: "July 1998"/', "not valid Croissant"),
        ("0,/  license:/s//  licence:/", "licence"),
    ):
        run(f"sed -i '{edit}' data/sources.yaml", documented)
        refused = run("dvc repro", documented, check=False)
        run("git checkout --quiet data/sources.yaml", documented)
        assert refused.returncode != 0
        assert sentence in refused.stderr + refused.stdout
        assert contents(documented) == before


def test_data_of_your_own_says_what_is_missing(documented: Path) -> None:
    """Without an entry in data/sources.yaml the cards are written all the same, and name the gaps."""
    run("printf 'other:\\n  title: Other\\n' > data/sources.yaml && python document.py data", documented)
    data = (documented / "DATA_CARD.md").read_text()
    described = json.loads((documented / "reports/croissant.json").read_text())
    run("git checkout --quiet .", documented)
    assert yaml.safe_load(data.split("---")[1])["license"] == "unknown"
    assert "- License: *to be written, in data/sources.yaml*" in data
    assert "license" not in described


def test_a_run_that_is_not_finished_has_no_card(documented: Path) -> None:
    path = documented / "models/run.json"
    whole = path.read_text()
    path.chmod(0o644)
    path.write_text(whole.replace('"status": "finished"', '"status": "running"'))
    refused = run("python document.py model", documented, check=False)
    asked = run("python document.py", documented, check=False)
    path.write_text(whole)
    assert "is not finished" in refused.stderr
    assert "name what to document" in asked.stderr
    assert (refused.returncode, asked.returncode) == (1, 1)


def test_an_edited_test_has_no_card(documented: Path) -> None:
    """Each edit leaves the accuracy as it is, and the number of examples."""
    for name, edit in (("predictions.csv", r"s/,0\.(.)/,0.9\1/"), ("metrics.json", r's/"f1": 0\..*,/"f1": 0.999,/')):
        file = documented / "reports" / name
        whole = file.read_text()
        run(f"sed -i -E '{edit}' reports/{name}", documented)
        edited = file.read_text() != whole
        refused = run("python document.py model", documented, check=False)
        file.write_text(whole)
        assert edited
        assert refused.returncode == 1
        assert f"reports/{name} is not the one in the record of models" in refused.stderr


def test_the_page_on_cards(documented: Path) -> None:
    page = (documented / "docs/cards.md").read_text()
    for name in re.findall(r"`([\w./]+\.(?:md|json|yaml|csv|py))`", page):
        assert (documented / name).exists(), name
    assert subprocess.run(["grep", "-q", "docs/cards.md", documented / "README.md"]).returncode == 0
