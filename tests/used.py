"""Uses the models of several runs in one process: a report of each, and what it answers over HTTP, printed as JSON.

A project's own Python runs it, in the project's folder. Its argument is JSON: by the folder of a run the file or the
folder with examples for it, or null for a model that predicts nothing.
"""

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, "src")
from reproml.errors import UserError
from reproml.serving.places import check_places
from reproml.serving.predictor import Predictor

ASKED = 12  # examples


def used(run: Path, source: str | None) -> dict[str, Any]:
    """Write the report of a run, and return what the server answers for the first examples, or why there is none."""
    try:
        found = {"answers": answered(Predictor(run), Path(str(source)))}
    except UserError as error:
        found = {"refused": str(error)}
    # only now: the environment has what PyTorch reads when it is imported
    from reproml.report.render import write_report

    write_report(run)
    return found


def answered(predictor: Predictor, source: Path) -> list[dict[str, Any]]:
    """Return what the server answers for the first examples of a file or a folder."""
    from fastapi.testclient import TestClient
    from pydantic import TypeAdapter
    from reproml.serving.app import build_app
    from reproml.serving.limits import Limits
    from reproml.serving.reading import Reader

    reader = Reader(predictor.inputs, predictor.interface)
    values = [example.value for file in check_places(source, None) for example in reader.read(file)][:ASKED]
    kind: Any = list[predictor.inputs.item]  # type: ignore[name-defined]
    body = {"inputs": TypeAdapter(kind).dump_python(values, mode="json")}
    with TestClient(build_app(predictor, Limits(examples=ASKED, size=10**6))) as client:
        response = client.post("/predict", json=body)
    assert response.status_code == 200, response.text
    answers: list[dict[str, Any]] = response.json()["predictions"]
    return answers


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        found = {run: used(Path(run), source) for run, source in json.loads(sys.argv[1]).items()}
    print(json.dumps(found))
