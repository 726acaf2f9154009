"""Predictions from files and from Python: the bits of the test, and what is refused."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np
import pytest
from PIL import Image
from pydantic import Base64Bytes, Field, TypeAdapter

from reproml import DataError, Interface
from reproml.arrays.datamodule import ArrayDataModule
from reproml.models.outputs import declared as outputs_of
from reproml.packages import own_packages
from reproml.runs.completed import CompletedRun
from reproml.runs.imported import code_now
from reproml.serving.inputs import declared, of_arrays, stored
from reproml.serving.places import files_of
from reproml.serving.reading import Reader

from .conftest import ROOT, Command
from .forked import Forked

TABLE = Interface((2,), "float32", target="price", missing=True, features=("rooms", "age"))
PICTURE = Interface((1, 2, 3), "uint8", classes=("cat", "dog"))


class Patient(TypedDict):
    """A task's own input."""

    name: str
    age: Annotated[float, Field(ge=0)]


class Task:
    """Stands for a task of the user's own; `kinds` makes one for each type of input."""


def reader_of(kind: Any) -> Reader:
    """Return the reader for prepared arrays, or for a task whose `predict` takes a list of a type."""
    if isinstance(kind, Interface):
        return Reader(of_arrays(kind), kind)

    def predict(self: Any, inputs: Any) -> Any:
        return inputs

    predict.__annotations__ = {"inputs": list[kind]}
    made = type("Own", (Task,), {"predict": predict})
    return Reader(declared(outputs_of(made).item, made), None)


def values(kind: Any, path: Path) -> list[Any]:
    return [example.value for file in files_of(path) for example in reader_of(kind).read(file)]


@pytest.mark.parametrize(
    ("kind", "blank"),
    [
        (str, ""),
        (Annotated[list[float], Field(min_length=2, max_length=2)], [0.0, 0.0]),
        (list[list[int]], []),
        (Patient, {"name": "", "age": 0.0}),
        (PICTURE, [[[0, 0, 0], [0, 0, 0]]]),
    ],
)
def test_an_empty_input_is_of_the_kind_that_is_taken(kind: Any, blank: Any) -> None:
    """The model card and the page of the server begin with it."""
    found = reader_of(kind).inputs
    assert found.blank == blank
    TypeAdapter(found.item).validate_python(found.blank, strict=True)


@pytest.fixture(scope="module")
def tested(project: Path, short_run: Path) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """Return the inputs of the test, and what the run said of them, as its file has it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        data = ArrayDataModule(CompletedRun.named(short_run).config)
        inputs = data.dataset.inputs.rows(data.splits["test"])
    with (short_run / "test" / "predictions.csv").open() as stream:
        return inputs, [(row["predicted"], row["probability"]) for row in csv.DictReader(stream)]


def write(inputs: np.ndarray, folder: Path) -> list[Path]:
    """Write the same examples in each form."""
    np.save(folder / "a.npy", inputs)
    flat = inputs.reshape(len(inputs), -1).tolist()
    (folder / "a.csv").write_text("".join(",".join(map(str, row)) + "\n" for row in flat))
    (folder / "a.jsonl").write_text("".join(json.dumps(example) + "\n" for example in inputs.tolist()))
    (folder / "a.json").write_text(json.dumps({"inputs": inputs.tolist()}))
    forms = ["a.npy", "a.csv", "a.jsonl", "a.json"]
    if inputs.dtype == np.uint8:  # else the model takes no pictures
        forms.append("images")
        (folder / "images").mkdir()
        for number, example in enumerate(inputs):
            Image.fromarray(example[0]).save(folder / "images" / f"{number:05}.png")
    return [folder / name for name in forms]


def test_the_predictions_of_each_form_are_those_of_the_test(
    command: Command, short_run: Path, tested: tuple[np.ndarray, list[tuple[str, str]]], tmp_path: Path
) -> None:
    """To the last digit, in batches of any size; other examples get others."""
    inputs, expected = tested
    for number, source in enumerate(write(inputs, tmp_path)):
        output = tmp_path / "out" / f"{source.name}.csv"
        size = ("7", "256", "1000", "16", "100")[number]
        command(*_predict(source, short_run), "--output", str(output), "--batch-size", size)
        rows = list(csv.DictReader(output.open()))
        assert [(row["predicted"], row["probability"]) for row in rows] == expected
        assert ("file" in rows[0]) is source.is_dir()
    np.save(tmp_path / "b.npy", np.roll(inputs, 1, axis=0))
    said = command(*_predict(tmp_path / "b.npy", short_run))
    other = [(row["predicted"], row["probability"]) for row in csv.DictReader(said.stdout.splitlines())]
    assert other != expected
    assert other == [expected[-1], *expected[:-1]]


def test_json_lines_hold_the_whole_answer(
    command: Command, short_run: Path, tested: tuple[np.ndarray, list[tuple[str, str]]], tmp_path: Path
) -> None:
    inputs, expected = tested
    np.save(tmp_path / "a.npy", inputs[:3])
    command(*_predict(tmp_path / "a.npy", short_run), "--output", str(tmp_path / "out.jsonl"))
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(row["predicted"], repr(row["probability"])) for row in rows] == expected[:3]
    assert all(row["probabilities"][row["predicted"]] == row["probability"] for row in rows)


def test_a_wrong_line_leaves_what_was_there(
    command: Command, short_run: Path, tested: tuple[np.ndarray, list[tuple[str, str]]], tmp_path: Path
) -> None:
    write(tested[0], tmp_path)
    with (tmp_path / "a.csv").open("a") as stream:
        stream.write("1,2,3\n")
    (tmp_path / "out.csv").write_text("kept\n")
    arguments = [*_predict(tmp_path / "a.csv", short_run), "--output", str(tmp_path / "out.csv"), "--batch-size", "2"]
    result = command(*arguments, check=False)
    assert result.returncode == 2
    assert f"a.csv, line {len(tested[0]) + 1} has 3 values, not 64: correct that line" in result.stderr
    assert (tmp_path / "out.csv").read_text() == "kept\n"
    assert sorted(path.name for path in tmp_path.glob("*out*")) + list(tmp_path.glob(".*")) == ["out.csv"]


def _predict(source: Path, run: Path) -> list[str]:
    package = "reproml"
    return ["-m", package, "predict", str(source), "--run", str(run)]


def test_a_model_is_loaded_from_python(
    project: Path, short_run: Path, tested: tuple[np.ndarray, list[tuple[str, str]]], tmp_path: Path
) -> None:
    """From any folder, without importing PyTorch before, by any name."""
    inputs, expected = tested
    np.save(tmp_path / "a.npy", inputs[:20])
    package = next(name for name in own_packages(project) if name != "reproml")
    code = (
        "import json, sys\n"
        f"from {package} import load\n"
        "assert not {'torch', 'hydra', 'numpy'} & sys.modules.keys()\n"
        f"model = load({short_run.name!r})\n"
        "import numpy, os\n"
        "inputs = numpy.load('a.npy')\n"
        "said = model.predict(inputs)\n"
        f"assert said == model.predict(inputs.tolist()) == load({short_run.name[:-1]!r}).predict(inputs)\n"
        f"assert os.getcwd() == {str(tmp_path)!r}\n"
        "print(json.dumps(said))\n"
    )
    environment = {"PYTHONPATH": str(project / "src"), "PATH": ""}
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert [(each["predicted"], repr(each["probability"])) for each in said] == expected[:20]


@pytest.mark.parametrize("module", ["cli.predict", "cli.serve", "loading", "serving.predictor", "serving.server"])
def test_what_reads_the_environment_is_imported_when_it_is_set(module: str) -> None:
    """A run may pin what PyTorch and NumPy read of it."""
    code = f"import sys, reproml.{module}; print({{'numpy', 'torch'}} & sys.modules.keys())"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"


LOADING = """
import json, sys
sys.path.insert(0, "src")
from pathlib import Path
from reproml import load
found = {}
for name in ("best", "last", "models", "b2", str(Path("outputs/a1").resolve())):
    model = load(name, Path())
    assert model.predict([[[[0] * 8] * 8]]), name
    found[name.rpartition("/")[2]] = model.record["metrics"]["accuracy"]
print(json.dumps(found))
"""


def test_a_run_is_loaded_by_any_of_its_names(short_run: Path, forked: Forked, tmp_path: Path) -> None:
    """Of copies of a run whose records say that one is the best, and another one the last."""
    (tmp_path / "train.py").touch()
    (tmp_path / "load.py").write_text(LOADING)
    for name in ("configs", "src"):
        (tmp_path / name).symlink_to(ROOT / name)
    record = json.loads((short_run / "run.json").read_text())
    for name, accuracy, day in (("models", 0.25, 1), ("outputs/a1", 1.0, 2), ("outputs/b2", 0.5, 3)):
        shutil.copytree(short_run, tmp_path / name)
        record["metrics"]["accuracy"] = accuracy
        record["sessions"][0]["started"] = f"2026-01-0{day}T00:00:00+00:00"
        (tmp_path / name / "run.json").write_text(json.dumps(record))
    result = forked.run(["load.py"], tmp_path, {})
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {"best": 1.0, "last": 0.5, "models": 0.25, "b2": 0.5, "a1": 1.0}


def test_the_use_of_a_model_is_no_code_of_a_run() -> None:
    """Else DVC would prepare the data again, and a resume be refused, after an edit of what predicts."""
    package = next(name for name in own_packages() if name != "reproml")
    assert not {name for name in code_now(package) if name.startswith("reproml")}


def test_a_table_is_read_by_the_names_of_its_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\ufeffid,age,rooms\r\nx,30,\r\n\r\ny,NA,2.5\r\n")
    assert values(TABLE, tmp_path / "a.csv") == [[None, 30.0], [2.5, None]]
    (tmp_path / "a.tsv").write_text("age\trooms\n1\t2\n")
    assert values(TABLE, tmp_path / "a.tsv") == [[2.0, 1.0]]


def test_an_image_is_read_as_it_is_stored(tmp_path: Path) -> None:
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    [found] = values(PICTURE, tmp_path)
    assert np.array_equal(found, pixels[None])


@pytest.mark.parametrize(
    ("kind", "name", "content", "expected"),
    [
        (str, "a.txt", "one\n\ntwo", ["one", "", "two"]),
        (str, "a.csv", "text\n\"a, b\"\n", ["a, b"]),
        (str, "a.jsonl", '"one"\n', ["one"]),
        (Patient, "a.csv", "age,name,more\n3,Ann,x\n", [{"age": 3.0, "name": "Ann"}]),
        (Patient, "a.json", '[{"name": "Ann", "age": 3}]', [{"name": "Ann", "age": 3.0}]),
        (list[float], "a.csv", "1,2\n3,4\n", [[1.0, 2.0], [3.0, 4.0]]),
        (list[float], "a.csv", "a,b\n3,4\n", [[3.0, 4.0]]),
        (Base64Bytes, "a.png", "any file", [b"any file"]),
    ],
)  # fmt: skip
def test_a_task_of_the_users_own_gets_what_it_declares(
    kind: Any, name: str, content: str, expected: list[Any], tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    assert values(kind, tmp_path / name) == expected


@pytest.mark.parametrize(
    ("kind", "name", "content", "sentence"),
    [
        (TABLE, "a.csv", "rooms,age\n1,2\n1\n", "a.csv, line 3 has 1 values, not 2: correct that line"),
        (TABLE, "a.csv", "rooms,age\n1,2\n1,old\n", "a.csv, line 3[1]: Input should be a valid number"),
        (TABLE, "a.csv", "rooms\n1\n", "a.csv, line 1 names no column age: name the columns rooms, age"),
        (TABLE, "a.csv", 'rooms,age\n"1,2\n', "a.csv, line 2 is not CSV"),
        (TABLE, "a.csv", b"rooms,age\n\xff,2\n", "a.csv is not text in UTF-8"),
        (TABLE, "a.jsonl", "[1, 2]\n[1]\n", "a.jsonl, line 2: List should have at least 2 items"),
        (TABLE, "a.jsonl", "[1, 2]\n[1, NaN]\n", "a.jsonl, line 2"),
        (TABLE, "a.json", "{}", "a.json holds no list of examples"),
        (TABLE, "a.json", "[", "a.json is not JSON"),
        (TABLE, "a.npy", "[", "a.npy is no array of numbers: write it with numpy.save"),
        (TABLE, "a.txt", "text", "a.txt holds text, which the model does not take"),
        (TABLE, "a.png", "text", "a.png is an image, and the model does not take images"),
        (PICTURE, "a.png", "text", "a.png is no image that can be read"),
        (
            PICTURE,
            "a.csv",
            "1,2,3,4,5,6\n1,2,3,4,5,600\n",
            "a.csv, line 2[0][1][2]: Input should be less than or equal",
        ),
        (PICTURE, "a.csv", "1,2\n", "a.csv, line 1 has 2 columns, not 6"),
        (PICTURE, "a.docx", "", "a.docx cannot be read as examples: give .csv"),
        (str, "a.csv", "a,b\n", "a.csv, line 1 has 2 columns, and the model takes one value"),
        (Patient, "a.csv", "name,age\nAnn,-3\n", "a.csv, line 2 age: Input should be greater than or equal to 0"),
        (Patient, "a.csv", "name\nAnn\n", "a.csv, line 1 names no column age: name the columns name, age"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(
    kind: Any, name: str, content: str | bytes, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        values(kind, tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path}/{sentence}"), caught.value
    assert "\n" not in str(caught.value)


def test_an_image_of_another_size_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((5, 4), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="is 4 x 5 pixels, and the model takes 3 x 2"):
        values(PICTURE, tmp_path)


@pytest.mark.parametrize(
    ("interface", "inputs"),
    [
        (PICTURE, np.zeros((2, 3))),
        (PICTURE, np.full((1, 1, 2, 3), 256)),
        (PICTURE, np.full((1, 1, 2, 3), 0.5)),
        (PICTURE, [[[[1, 2, 3], [1, 2]]]]),
        (PICTURE, 3),
        (TABLE, [[np.inf, 1.0]]),
        (TABLE, [["many", 1.0]]),
        (Interface((1,), "float32", target="price"), [[np.nan]]),
    ],
)
def test_numbers_that_the_arrays_could_not_hold_are_refused(interface: Interface, inputs: Any) -> None:
    with pytest.raises(DataError, match="inputs"):
        stored(interface, inputs)


@pytest.mark.parametrize("give", [np.asarray, list, lambda rows: rows.astype(float).tolist()])
def test_numbers_are_taken_as_arrays_and_lists(give: Callable[[Any], Any]) -> None:
    rows = np.arange(12, dtype=np.uint8).reshape(2, 1, 2, 3)
    found = stored(PICTURE, give(rows))
    assert found.dtype == np.uint8
    assert np.array_equal(found, rows)
