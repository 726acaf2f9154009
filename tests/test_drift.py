"""Drift: a short training against a committed baseline, and what is said where they differ."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from conftest import run

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]

CANONICAL = "configs/experiment/canonical.yaml"


def drift(project: Path, arguments: str = "") -> tuple[int, str]:
    """Return the exit code and what `python -m my_project drift ARGUMENTS` printed."""
    result = run(f"python -m my_project drift {arguments}", project, check=False, PYTHONPATH="src")
    return result.returncode, result.stdout + result.stderr


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def with_baseline(shared_project: Path) -> Path:
    """Return a project with a committed baseline."""
    assert "reports/baseline.json written" in run("make baseline", shared_project, PYTHONPATH="src").stdout
    run("git add --all && pre-commit run secrets && git commit --quiet --message 'Baseline'", shared_project)
    return shared_project


@pytest.fixture
def baseline(with_baseline: Path, tmp_path: Path) -> Path:
    """Return a copy of it."""
    return Path(shutil.copytree(with_baseline, tmp_path / with_baseline.name, symlinks=True))


def test_the_same_code_gives_the_same_bits(baseline: Path) -> None:
    """Twice, with the history; nothing that git sees is left behind."""
    for count in (1, 2):
        said = run("make drift", baseline, PYTHONPATH="src").stdout
        assert said.splitlines()[-1].startswith("same bits as the baseline of ")
        with (baseline / "reports" / "drift.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        assert [row["verdict"] for row in rows] == ["same bits"] * count
    kept = json.loads((baseline / "reports" / "baseline.json").read_text())
    assert rows[-1]["weights_sha256"] == kept["weights_sha256"]
    assert float(rows[-1]["accuracy"]) == kept["metrics"]["accuracy"] > 0.9
    assert rows[-1]["commit"] == run("git rev-parse HEAD", baseline).stdout.strip()
    assert (baseline / "reports" / "drift.png").read_bytes().startswith(b"\x89PNG")
    assert not (baseline / "reports" / "drift.md").exists()
    assert not run("git status --porcelain", baseline).stdout


def test_a_change_of_the_code_that_moves_the_metrics_has_drifted(baseline: Path) -> None:
    steps = "arguments.setdefault(name, steps"
    replace(baseline / "src" / "reproml" / "models" / "optimization.py", steps, f"{steps} * 100")
    code, said = drift(baseline)
    assert code == 1
    assert "differs: code: src/reproml/models/optimization.py changed" in said
    assert said.splitlines()[-1].startswith("drifted from the baseline of ")
    alert = (baseline / "reports" / "drift.md").read_text()
    assert alert.startswith("# The results have drifted\n")
    assert "- code: src/reproml/models/optimization.py changed" in alert
    assert "| accuracy | 0.9" in alert
    run("git checkout --quiet .", baseline)
    assert drift(baseline)[0] == 0
    assert not (baseline / "reports" / "drift.md").exists()  # all is well again
    verdicts = [line.split(",")[2] for line in (baseline / "reports" / "drift.csv").read_text().splitlines()]
    assert verdicts == ["verdict", "drifted", "same bits"]


def test_a_change_far_below_the_tolerance_is_within_it(baseline: Path) -> None:
    (baseline / CANONICAL).open("a").write("  weight_decay: 0.0101\n")
    code, said = drift(baseline)
    assert code == 0
    assert "differs: configuration: training.weight_decay was 0.01, is 0.0101" in said
    assert said.splitlines()[-1].startswith("same metrics within tolerance as the baseline of ")
    assert not (baseline / "reports" / "drift.md").exists()
    code, said = drift(baseline, "--tolerance 0")
    assert code == 1  # other bits are another loss


def test_what_cannot_be_tried_is_said(project: Path) -> None:
    file = project / "reports" / "baseline.json"
    assert drift(project) == (
        2,
        "could not be compared: there is no reports/baseline.json to compare with: make baseline writes one; "
        "commit it\n",
    )
    for content, sentence in {"{": "is damaged", "[]": "is damaged", "{}": "another version"}.items():
        file.write_text(content)
        code, said = drift(project)
        assert code == 2
        assert sentence in said
    replace(project / CANONICAL, "epochs: 3", "epochs: none")
    code, said = drift(project, "--update")
    assert code == 2
    assert "the canonical training failed: error: training.epochs" in said


def test_the_summary_compares_with_main(baseline: Path, tmp_path: Path) -> None:
    replace(baseline / CANONICAL, "epochs: 3", "epochs: 1")
    summary = tmp_path / "summary.md"
    run("make short", baseline)
    said = run("make --silent summary", baseline, PYTHONPATH="src", GITHUB_STEP_SUMMARY=str(summary)).stdout
    assert said == summary.read_text()
    assert "| metric | baseline | now | difference |" in said
    assert "Compared with main: drifted from the baseline of " in said
    assert "- configuration: training.epochs was 3, is 1" in said
    unfinished = baseline / "outputs" / "short" / "run.json"
    finished = unfinished.read_text()
    unfinished.write_text(finished.replace('"finished"', '"running"'))
    refused = run("make summary", baseline, check=False, PYTHONPATH="src")
    unfinished.write_text(finished)
    assert "outputs/short is not finished" in refused.stderr
    said = run("make summary AGAINST=HEAD~1", baseline, PYTHONPATH="src").stdout
    assert "Nothing to compare: HEAD~1 holds no " in said
