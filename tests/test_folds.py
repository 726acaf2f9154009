"""Cross-validation, by the commands of docs/data.md."""

import csv
import statistics
from pathlib import Path

import pytest
from conftest import code_blocks, metrics, run
from runs import SHORT, record

pytestmark = pytest.mark.slow


def test_the_folds_of_a_sweep_and_their_spread(shared_project: Path) -> None:
    page = (shared_project / "docs" / "data.md").read_text()
    [block] = [block for block in code_blocks(page) if "data.folds" in block]
    training, summary = block.splitlines()
    run(training.replace("data.folds=5 data.fold=0,1,2,3,4", f"data.folds=3 data.fold=0,1,2 {SHORT}"), shared_project)
    said = run(summary, shared_project, PYTHONPATH="src").stdout
    runs = [shared_project / "outputs" / "folds" / str(fold) for fold in range(3)]
    assert said.startswith("3 runs, which differ in: data.fold\n")
    assert len({record(folder)["weights_sha256"] for folder in runs}) == 3
    tested = [len(list(csv.reader((folder / "test" / "predictions.csv").open()))) for folder in runs]
    assert len(set(tested)) == 1
    accuracies = [metrics(folder / "test")["accuracy"] for folder in runs]
    [line] = [line for line in said.splitlines() if line.startswith("test/accuracy")]
    shown = [float(number) for number in line.split()[1:]]
    expected = [statistics.fmean(accuracies), statistics.stdev(accuracies), min(accuracies), max(accuracies)]
    assert shown == pytest.approx(expected, abs=6e-5)

    (shared_project / "outputs" / "folds" / "2" / "run.json").unlink()
    (shared_project / "outputs" / "folds" / "1" / "run.json").unlink()
    refused = run(summary, shared_project, check=False, PYTHONPATH="src")
    assert refused.returncode == 2
    assert "holds 1 run(s)" in refused.stderr
