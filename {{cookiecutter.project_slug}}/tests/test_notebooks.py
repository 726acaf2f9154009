"""Every notebook runs from top to bottom, and a training in one is that of the command."""

import json
import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from reproml.packages import own_packages

from .conftest import ROOT, SHORT


@pytest.fixture(autouse=True)
def _source(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the kernels find the code of the copy."""
    monkeypatch.setenv("PYTHONPATH", str(project / "src") + os.pathsep + os.environ.get("PYTHONPATH", ""))


def execute(notebook: Any, folder: Path) -> None:
    """Run all cells, in a folder."""
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, project: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    execute(notebook, project)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)


def test_a_training_in_a_notebook_gives_the_bits_of_the_command(project: Path, short_run: Path) -> None:
    """Whatever the notebook has imported; what is refused raises one sentence, and the notebook keeps running."""
    package = min(set(own_packages(project)) - {"reproml"})
    cells = (
        f"import numpy, torch\nfrom {package} import train\nrun = train(*{SHORT}, 'hydra.run.dir=outputs/notebook')",
        "train('training.lrr=0.1')",
        "train('training.batch_size=0')",
        "train('sweep=seeds')",
        "train('--help')",
        "train('resume=outputs/notebook')",
        "import json\nprint(json.dumps([str(run.folder), run.metrics, run.record['weights_sha256']]))",
    )
    # a refused cell has an error, and the next one is run
    notebook = new_notebook(cells=[new_code_cell(cell, metadata={"tags": ["raises-exception"]}) for cell in cells])
    (project / "notebooks").mkdir(exist_ok=True)
    execute(notebook, project / "notebooks")
    trained, *refused, asked = [cell.outputs for cell in notebook.cells]
    assert "epoch 1: " in "".join(output["text"] for output in trained)
    expected = json.loads((short_run / "run.json").read_text())
    found = json.loads(asked[0]["text"])
    assert found == [str(project / "outputs" / "notebook"), expected["metrics"], expected["weights_sha256"]]
    errors = [(output["ename"], output["evalue"]) for outputs in refused for output in outputs[-1:]]
    assert [name for name, _ in errors] == [*["ConfigError"] * 4, "TrainingError"], errors
    words = ("training.lrr is not a key", "training.batch_size=0", "are a sweep", "--help is a command", "is finished")
    assert all(part in said and "\n" not in said for part, (_, said) in zip(words, errors, strict=True)), errors
    assert not list((project / "notebooks").iterdir())
