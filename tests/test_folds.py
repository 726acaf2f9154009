"""Cross-validation, by the commands of docs/data.md."""

import csv
import json
import re
import statistics
from pathlib import Path

import pytest
from conftest import code_blocks, metrics, run
from runs import SHORT, record, train

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]


@pytest.fixture(scope="module")
def commands(shared_project: Path) -> list[str]:
    """Return the commands of the page: the training of the folds, and their summary."""
    page = (shared_project / "docs" / "data.md").read_text()
    [block] = [block for block in code_blocks(page) if "data.folds" in block]
    return block.splitlines()


@pytest.fixture(scope="module")
def folds(shared_project: Path, commands: list[str]) -> list[Path]:
    """Return the runs of three folds."""
    three = commands[0].replace("data.folds=5 data.fold=0,1,2,3,4", f"data.folds=3 data.fold=0,1,2 {SHORT}")
    run(three, shared_project)
    return [shared_project / "outputs" / "folds" / str(fold) for fold in range(3)]


def test_the_folds_of_a_sweep_and_their_spread(shared_project: Path, commands: list[str], folds: list[Path]) -> None:
    summary, runs = commands[1], folds
    said = run(summary, shared_project, PYTHONPATH="src").stdout
    assert said.startswith("3 runs, which differ in: data.fold\n")
    assert len({record(folder)["weights_sha256"] for folder in runs}) == 3
    tested = [len(list(csv.reader((folder / "test" / "predictions.csv").open()))) for folder in runs]
    assert len(set(tested)) == 1
    accuracies = [metrics(folder / "test")["accuracy"] for folder in runs]
    [line] = [line for line in said.splitlines() if line.startswith("test/accuracy")]
    shown = [float(number) for number in line.split()[1:]]
    expected = [statistics.fmean(accuracies), statistics.stdev(accuracies), min(accuracies), max(accuracies)]
    assert shown == pytest.approx(expected, abs=6e-5)

    assert run(f"{summary} {summary.split()[-1]}/*", shared_project, PYTHONPATH="src").stdout == said  # each run once

    card = "import sys; from pathlib import Path; from reproml.cards.model_card import write_model_card as write; "
    run(f"python -c '{card} write(Path(sys.argv[1]), Path(sys.argv[2]))' {runs[1]} {runs[1]}/test", shared_project,
        PYTHONPATH="src")  # fmt: skip
    counts = re.findall(
        r"^\| (?:train|validation|test) \| (\d+) \|$", (shared_project / "MODEL_CARD.md").read_text(), re.M
    )
    assert sum(map(int, counts)) == 1797
    assert int(counts[1]) == pytest.approx((1797 - int(counts[2])) / 3, abs=10)  # ten classes, each within one
    assert int(counts[2]) == tested[1] - 1  # but for the header


def test_what_is_no_spread_of_one_training(shared_project: Path, folds: list[Path]) -> None:
    train(shared_project, f"{SHORT} training.lr=0.01 data.folds=3 data.fold=1", "second")
    command = f"python -m my_project spread {folds[0]} outputs"
    said = run(f"{command}/second", shared_project, PYTHONPATH="src").stdout.splitlines()
    rates = "training.lr, training.optimizer.lr, training.scheduler.max_lr"  # the last two follow the first
    assert said[0] == f"2 runs, which differ in: data.fold, {rates}"
    assert said[1].startswith("warning: ")
    assert said[1].endswith(f" of {rates}")

    (shared_project / "outputs" / "sweep" / "0" / ".hydra").mkdir(parents=True)  # refused before it began
    unfinished = record(shared_project / "outputs" / "second") | {"status": "running"}
    (shared_project / "outputs" / "second" / "run.json").write_text(json.dumps(unfinished))
    for folder, message in (
        ("folds/0", "holds one run"),
        ("second", "outputs/second is not finished"),
        ("sweep", "outputs/sweep/0 has no run.json"),
    ):
        refused = run(f"{command}/{folder}", shared_project, check=False, PYTHONPATH="src")
        assert refused.returncode == 2
        assert message in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1
