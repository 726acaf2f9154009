"""What a reviewer reads: the report in a real browser, two runs side by side, and the archive before its validator."""

import gzip
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import requests
from browser import faults, page
from conftest import digest, run
from rocrate_validator.models import Severity
from rocrate_validator.services import ValidationSettings, validate
from rocrate_validator.utils.http import HttpRequester
from runs import SHORT, record, train

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]

CONTEXT = "https://w3id.org/ro/crate/1.3/context"
UNKNOWN_TO_A_PROJECT = {"affiliation", "ORCID"}  # of the author
FITS = "document.documentElement.scrollWidth <= window.innerWidth"
COMMANDS = ("report", "archive")
WRONG = "Wrong predictions, the surest first"
CAPTION = "rows => rows.map(row => [...row.children].map(part => part.innerText).join('\\t'))"
PIXELS = """async image => {  // of 8 x 8, from 0 to 16
    await image.decode();
    const canvas = new OffscreenCanvas(8, 8).getContext("2d");
    canvas.imageSmoothingEnabled = false;
    canvas.drawImage(image, 0, 0, 8, 8);
    const { data } = canvas.getImageData(0, 0, 8, 8);
    return [...data].filter((_, place) => place % 4 === 0).map(level => level * 16 / 255);
}"""


def command(project: Path, arguments: str, check: bool = True, **environment: str) -> tuple[int, str]:
    result = run(f"python -m my_project {arguments}", project, check=check, PYTHONPATH="src", **environment)
    return result.returncode, result.stdout + result.stderr


@pytest.fixture(scope="module")
def reference(shared_project: Path) -> Path:
    return train(shared_project, SHORT, "reference")


def copy_of(folder: Path, name: str, **parts: Any) -> Path:
    """Return a copy of a run, with other parts of its record."""
    copy = folder.with_name(name)
    shutil.copytree(folder, copy)
    (copy / "run.json").write_text(json.dumps({**record(copy), **parts}))
    return copy


def test_the_report_is_complete_and_readable(shared_project: Path, reference: Path) -> None:
    command(shared_project, "report outputs/reference")
    text = (reference / "report.html").read_text()
    with gzip.open(shared_project / "data/raw/digits/digits.csv.gz", "rt") as stream:
        digits = [[*map(int, map(float, line.split(",")))] for line in stream]
    first = digest(reference / "report.html")
    command(shared_project, "report outputs/reference")
    assert digest(reference / "report.html") == first
    assert not run("git status --porcelain", shared_project).stdout
    assert "Not verified yet" in text
    commit = record(reference)["git"]["commit"]
    for width in (390, 1100):
        with page(width=width) as browser:
            browser.set_content(text)
            assert browser.evaluate(FITS)
            headings = browser.locator("h2").all_inner_texts()
            assert headings == ["Results", "What was run", "Code and data", "Verification", "Checklist",
                                "How to reproduce it", "Configuration"]  # fmt: skip
            assert browser.locator("html").get_attribute("lang") == "en"
            assert browser.locator("svg[role=img]:not([aria-label])").count() == 0
            assert browser.locator("svg[role=img]").count() == 2
            assert browser.locator("th:not([scope])").count() == 0
            assert browser.locator("h1").inner_text() == "MLP on digits"
            contents = browser.get_by_role("navigation", name="Contents").get_by_role("link")
            assert contents.all_inner_texts() == headings
            for link in contents.all():
                assert browser.locator(f"h2{link.get_attribute('href')}").inner_text() == link.inner_text()
            assert "not done yet" in browser.get_by_role("row", name="the result is reproduced").inner_text()
            wrong = browser.get_by_role("list", name=WRONG).get_by_role("listitem")
            shown = wrong.count()
            assert 1 <= shown <= 10
            for item in wrong.all():
                said = dict(line.split("\t") for line in item.locator("dl div").evaluate_all(CAPTION))
                assert said["actual"] != said["predicted"]
                assert [*map(round, item.locator("img").evaluate(PIXELS)), int(said["actual"])] in digits
            settings = browser.locator("details pre")
            assert not settings.is_visible()
            browser.locator("summary").focus()
            browser.keyboard.press("Enter")
            assert settings.is_visible()
            assert browser.locator("table.square tbody tr").count() == 10
            repeat = browser.locator("pre").filter(has_text="git checkout").inner_text().splitlines()
            assert repeat == [f"git checkout {commit}", "make setup", "python -m reproml verify outputs/reference"]
            colours = []
            for scheme in ("light", "dark"):
                browser.emulate_media(color_scheme=scheme, media="screen")
                assert not faults(browser)
                colours.append(browser.evaluate("getComputedStyle(document.querySelector('h1')).color"))
            assert colours[0] != colours[1]
            browser.emulate_media(media="print")  # still in the dark
            assert browser.evaluate("getComputedStyle(document.querySelector('h1')).color") == colours[0]
            pages = len(re.findall(rb"/Type\s*/Page\b", browser.pdf(prefer_css_page_size=True)))
            assert 3 <= pages <= 8
    prepared = shared_project / "data" / "processed" / "digits"
    prepared.rename(prepared.with_name("away"))
    command(shared_project, "report outputs/reference")
    prepared.with_name("away").rename(prepared)
    with page() as browser:
        browser.set_content((reference / "report.html").read_text())
        assert browser.get_by_role("table", name=WRONG).locator("tbody tr").count() == shown
    markdown = (reference / "report.md").read_text()
    for heading in headings:
        assert f"## {heading}" in markdown


def test_nothing_in_a_run_can_harm_its_reader(shared_project: Path, reference: Path) -> None:
    secret = "hunter2&hunter2"
    kept = record(reference)
    overrides = [f"note={secret}", "</pre><script>document.title = 'changed'</script>", "a | b `c`"]
    hostile = copy_of(
        reference,
        "<script>",
        command={**kept["command"], "overrides": overrides},
        config={**kept["config"], "note": secret},
    )
    (hostile / "config.yaml").write_text((reference / "config.yaml").read_text() + f"note: {secret}\n")
    command(shared_project, "report 'outputs/<script>'", MY_API_KEY=secret)
    text, markdown = ((hostile / name).read_text() for name in ("report.html", "report.md"))
    with page() as browser:
        browser.set_content(text)
        assert browser.title() == "Run outputs/<script>"
        assert browser.locator("script").count() == 0
    assert "# Run outputs/&lt;script&gt;" in markdown
    for shown in (text, markdown):
        assert "note=***" in shown
        assert "hunter2" not in shown
    shutil.rmtree(hostile)


def test_the_verdict_is_kept_and_shown(shared_project: Path, reference: Path) -> None:
    run_folder = copy_of(reference, "verified")
    assert command(shared_project, "verify outputs/verified")[0] == 0
    noted = json.loads((run_folder / "verification.json").read_text())
    assert noted["code"] == 0
    assert noted["clean"] is False
    assert noted["weights_sha256"] == record(reference)["weights_sha256"]
    command(shared_project, "report outputs/verified")
    assert "<strong>Verified:</strong> reproduced bit for bit" in (run_folder / "report.html").read_text()

    metrics = {**record(reference)["metrics"], "accuracy": 0.5}
    other = copy_of(reference, "differs", metrics=metrics, weights_sha256="0" * 64)
    assert command(shared_project, "verify outputs/differs", check=False)[0] == 1
    noted = json.loads((other / "verification.json").read_text())
    assert noted["code"] == 1
    assert any("accuracy 0.5 and" in line for line in noted["explanation"])
    command(shared_project, "report outputs/differs")
    text = (other / "report.html").read_text()
    assert "<strong>Verification failed:</strong> differs: weights first" in text
    assert "accuracy 0.5 and" in text
    assert "The tables of the test are missing." in text  # they have other metrics than the record

    shutil.copy(run_folder / "verification.json", other)  # of other weights
    command(shared_project, "report outputs/differs")
    assert "Not verified yet" in (other / "report.html").read_text()

    lost = copy_of(reference, "lost", git=None)
    assert command(shared_project, "verify outputs/lost", check=False)[0] == 2
    assert not (lost / "verification.json").exists()

    (run_folder / "run.json").write_text(json.dumps({**record(run_folder), "status": "running"}))
    train(shared_project, f"{SHORT} seed=7 resume=auto", "verified")  # another training, which starts over
    assert not [name for name in ("verification.json", "report.html", "report.md") if (run_folder / name).exists()]


def test_two_runs_side_by_side(shared_project: Path, reference: Path, tmp_path: Path) -> None:
    other = train(shared_project, f"{SHORT} training.lr=0.01 seed=3", "other")
    assert (
        "outputs/compare-reference-other.html" in command(shared_project, "compare outputs/reference outputs/other")[1]
    )
    with page(width=390) as browser:
        browser.set_content((shared_project / "outputs" / "compare-reference-other.html").read_text())
        assert browser.evaluate(FITS)
        assert "They differ: weights at the start first" in browser.locator(".verdict").first.inner_text()
        for scheme in ("light", "dark"):
            browser.emulate_media(color_scheme=scheme)
            assert not faults(browser)
        changed = browser.locator("section").filter(has_text="Configuration that differs")
        rows = [row.split("\t") for row in changed.locator("tbody tr").all_inner_texts()]
        assert ["training.lr", "0.003", "0.01"] in rows
        assert ["seed", "42", "3"] in rows
        assert browser.locator("svg[role=img]").first.locator("polyline").count() == 4
        for name, value in record(other)["metrics"].items():
            row = browser.locator("section").filter(has_text="Test metrics").locator("tbody tr").filter(has_text=name)
            difference = value - record(reference)["metrics"][name]
            assert row.first.inner_text().endswith(f"{difference:+.4g}")
            if name != "examples" and difference:
                better = (difference < 0) if name == "loss" else (difference > 0)
                assert ("▲ better" if better else "▼ worse") in row.first.inner_text()
    copy_of(reference, "same")
    command(shared_project, f"compare outputs/reference outputs/same --output '{tmp_path}/page.html'")
    assert "the runs are equal, bit for bit" in (tmp_path / "page.html").read_text()


def issues(crate: Path, severity: Severity, project: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what the validator says against a crate. The words of RO-Crate come with the library, not from the web."""
    context = next((project / ".venv" / "lib").glob("python*/site-packages/rocrate/data/ro-crate.jsonld")).read_bytes()

    def get(_: HttpRequester, url: str, **__: Any) -> requests.Response:
        response = requests.Response()
        response.url, response.status_code = url, 200 if url == CONTEXT else 504
        response.headers["Content-Type"] = "application/ld+json"
        response._content = context if url == CONTEXT else b""
        return response

    monkeypatch.setattr(HttpRequester, "get", get, raising=False)
    settings = ValidationSettings(
        rocrate_uri=str(crate),
        profile_identifier="ro-crate-1.3",
        requirement_severity=severity,
        offline=True,
        cache_path=crate.parent / "cache",
    )
    return [str(issue.message) for issue in validate(settings).get_issues()]


@pytest.mark.parametrize("license", ["MIT", "Proprietary"])
def test_the_archive_is_what_its_validator_accepts(
    shared_project: Path, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, license: str
) -> None:
    pyproject = shared_project / "pyproject.toml"
    before = pyproject.read_text()
    if license == "Proprietary":
        pyproject.write_text(before.replace('license = "MIT"', 'license = "LicenseRef-Proprietary"'))
    crate = tmp_path / "reference.crate.zip"
    digests = set()
    for _ in range(2):
        assert "archives/reference.crate.zip" in command(shared_project, "archive outputs/reference")[1]
        shutil.move(shared_project / "archives" / "reference.crate.zip", crate)
        digests.add(digest(crate))
    pyproject.write_text(before)
    assert len(digests) == 1
    assert issues(crate, Severity.REQUIRED, shared_project, monkeypatch) == []
    advice = issues(crate, Severity.RECOMMENDED, shared_project, monkeypatch)
    if license == "MIT":
        assert {word for word in UNKNOWN_TO_A_PROJECT for item in advice if word in item} == UNKNOWN_TO_A_PROJECT
        assert not [item for item in advice if not any(word in item for word in UNKNOWN_TO_A_PROJECT)]

    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(crate) as archive:
        archive.extractall(unpacked)
    assert digest(unpacked / "model.safetensors") == record(reference)["model_sha256"]
    assert {"MODEL_CARD.md", "DATA_CARD.md", "changes.patch", "config.yaml", "report.html", "metrics.csv"} <= {
        path.name for path in unpacked.iterdir()
    }
    graph = {item["@id"]: item for item in json.loads((unpacked / "ro-crate-metadata.json").read_text())["@graph"]}
    [training] = [item for item in graph.values() if item["@type"] == "CreateAction"]
    assert record(reference)["git"]["commit"] in training["instrument"]["@id"]
    assert {"@id": "model.safetensors"} in training["result"]
    assert graph["./"]["datePublished"] == record(reference)["sessions"][-1]["ended"]

    (unpacked / "model.safetensors").unlink()
    assert issues(unpacked, Severity.REQUIRED, shared_project, monkeypatch)


def test_an_archive_can_be_verified(shared_project: Path, reference: Path, tmp_path: Path) -> None:
    command(shared_project, "archive outputs/reference")
    with zipfile.ZipFile(shared_project / "archives" / "reference.crate.zip") as archive:
        archive.extractall(tmp_path)
    assert command(shared_project, f"verify '{tmp_path}'")[0] == 0


def test_what_cannot_be_reported_or_archived_is_said(shared_project: Path, reference: Path) -> None:
    copy_of(reference, "running", status="running")
    for name in COMMANDS:
        code, said = command(shared_project, f"{name} outputs/running", check=False)
        assert code == 2
        assert "is not finished" in said
    for name in ("model.safetensors", "metrics.csv", "changes.patch"):
        changed = copy_of(reference, f"changed-{name}")
        with (changed / name).open("a") as file:
            file.write("1")
        code, said = command(shared_project, f"archive outputs/{changed.name}", check=False)
        assert code == 2
        assert "is not the file in the record" in said
        assert not (shared_project / "archives" / f"{changed.name}.crate.zip").exists()
    (copy_of(reference, "no-patch") / "changes.patch").unlink()
    code, said = command(shared_project, "archive outputs/no-patch", check=False)
    dirty = record(reference)["git"]["dirty"]
    assert (code, "changes.patch does not exist" in said) == ((2, True) if dirty else (0, False))
    changed = copy_of(reference, "changed-settings")
    settings = changed / "config.yaml"
    settings.write_text(settings.read_text().replace("seed: 42", "seed: 43"))
    code, said = command(shared_project, "archive outputs/changed-settings", check=False)
    assert code == 2
    assert "config.yaml is not the file in the record" in said


def test_the_pipelines_run(shared_project: Path) -> None:
    run("python train.py -cn pipeline training.epochs=2", shared_project)
    run("python evaluate.py run=models output=reports", shared_project)
    shutil.rmtree(shared_project / "models" / "test")  # as after dvc pull
    command(shared_project, "report models")
    assert 'class="square"' in (shared_project / "models" / "report.html").read_text()
    weights = record(shared_project / "models")["weights_sha256"][:12]
    assert f"archives/models-{weights}.crate.zip" in command(shared_project, "archive models")[1]
    left = run("git status --porcelain", shared_project).stdout
    assert not [line for line in left.splitlines() if "models/" in line and "metrics.csv" not in line], left
