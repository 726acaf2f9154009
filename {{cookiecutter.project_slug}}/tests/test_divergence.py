"""Where two runs diverge: the first step that differs, what differed there, and the input that explains it best."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from reproml.errors import DataError
from reproml.verify import tensors
from reproml.verify.divergence import compare, first_difference
from reproml.verify.ulps import difference, ulps

Trace = list[Any]


def weights(step: int, digest: str, value: float = 1.0) -> dict[str, Any]:
    """Return the line that digests the weights after a step: of two tensors, the first is always the same."""
    held = {"norm": ["0" * 16, sample(2.0)], "layer": [digest * 16, sample(value)]}
    return {"step": step, "weights": held}


def sample(value: float) -> str:
    return np.array([value], ">f4").tobytes().hex()


# Four steps of two epochs; the weights are digested at the start, after the first step, and after the last
TRACE: Trace = [
    weights(0, "a"),
    [1, 0, "11", 0.9],
    weights(1, "b"),
    [2, 0, "22", 0.8],
    [3, 1, "33", 0.7],
    [4, 1, "44", 0.6],
    weights(4, "c"),
]


def edited(edits: dict[int, Any]) -> Trace:
    """Return the trace with other lines in some places, or without those that are None."""
    return [line for line in (edits.get(place, line) for place, line in enumerate(TRACE)) if line is not None]


def run(folder: Path, trace: Trace) -> Path:
    """Return the folder of a run with a step trace."""
    folder.mkdir()
    (folder / "trace.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in trace))
    return folder


def record(**more: Any) -> dict[str, Any]:
    """Return as much of a record as a comparison reads."""
    return {
        "status": "finished",
        "weights_sha256": "0" * 64,
        "metrics": {"loss": 0.5},
        "history_sha256": "1" * 64,
        "trace_sha256": "2" * 64,
        "config": {"seed": 1, "data": {}, "paths": {"run": "outputs/one"}, "training": {"lr": 0.1}},
        "git": None,
        "code": {"train.py": "a" * 64},
        "data": {"raw": {"digits.csv": "a" * 64}},
        "inputs": {},
        "locks": {},
        "environment": {"torch": {"threads": 1}, "packages": {"torch": "2.0"}},
        "restored": None,
        **more,
    }


@pytest.mark.parametrize(
    ("edits", "summary", "detail"),
    [
        ({0: weights(0, "x")}, "weights at the start first", "1 of the 2 tensors with the same name differ, first lay"),
        ({3: [2, 0, "xx", 0.8]}, "order first at step 2 (epoch 0)", "other examples, or the same in another order"),
        (
            {3: [2, 0, "22", 0.5]},
            "loss first at step 2 (epoch 0)",
            "the order was equal; the weights before the step were equal: the forward pass differs",
        ),
        (
            {3: [2, 0, None, 0.5]},
            "loss first at step 2 (epoch 0)",
            "the order is not known; the weights before the step were equal: the order or the forward pass differs",
        ),
        (
            {4: [3, 1, "33", 0.5], 6: weights(4, "x", 1.5)},
            "loss first at step 3 (epoch 1)",
            "the order was equal; the weights were equal after step 1, and were not recorded after that",
        ),
        ({5: [4, 1, "44", None]}, "loss first at step 4 (epoch 1)", "loss 0.6 and None"),
        (
            {2: weights(1, "x", 1.0000001)},
            "weights first at step 1 (epoch 0)",
            "1 of the 2 tensors with the same name differ after step 1, first layer: for example 1 and 1.00000012, "
            "1 unit in the last place of float32",
        ),
        (dict.fromkeys(range(4, 7)), "one of the runs ends before step 3 (epoch 1)", "other ends before it, "),
    ],
)
def test_the_first_difference_is_found(tmp_path: Path, edits: dict[int, Any], summary: str, detail: str) -> None:
    found = first_difference(run(tmp_path / "one", TRACE), run(tmp_path / "other", edited(edits)))
    assert found.summary() == summary
    assert detail in "\n".join(found.details)


def test_equal_traces_have_no_difference(tmp_path: Path) -> None:
    found = first_difference(run(tmp_path / "one", TRACE), run(tmp_path / "same", TRACE))
    assert (found.what, found.step, found.details) == (None, 4, [])
    longer = [*TRACE, [5, 2, "55", 0.5]]
    found = first_difference(tmp_path / "one", run(tmp_path / "longer", longer), unfinished=True)
    assert (found.what, found.step) == (None, 4)  # what only one has come to cannot be compared


def test_equal_steps_with_another_result_differ_in_what_was_not_traced(tmp_path: Path) -> None:
    one, same = run(tmp_path / "one", TRACE), run(tmp_path / "same", TRACE)
    before = record()
    assert compare(before, record(), one, same).summary() == "the runs are equal, bit for bit"
    found = compare(before, record(weights_sha256="f" * 64), one, same)
    assert found.summary() == "weights first at step 4"
    found = compare(before, record(metrics={"loss": 0.25, "more": 1.0}), one, same)
    assert (found.what, found.details) == ("metrics", ["test metrics: loss 0.5 and 0.25"])
    assert "no recorded input differs: something in the code is random" in found.lines()[-1]
    running = compare(before, record(status="running", weights_sha256=None), one, same)
    assert (running.summary(), running.unfinished) == ("equal up to step 4, and unfinished", True)


def test_without_a_step_trace_the_results_are_compared(tmp_path: Path) -> None:
    one, lost = run(tmp_path / "one", TRACE), tmp_path / "lost"
    found = compare(record(), record(weights_sha256="f" * 64), one, lost)
    assert (found.what, found.step) == ("weights", None)
    assert "lost/trace.jsonl is missing or damaged" in found.details[0]
    with pytest.raises(DataError, match="the run cannot be compared step by step"):  # nothing else could be
        compare(record(), record(status="running"), one, lost)


@pytest.mark.parametrize(
    ("edits", "first"),
    [
        ({3: [2, 0, "22", 0.5]}, "data"),  # of another loss
        ({2: weights(1, "x")}, "threads"),  # of other weights after the same loss
        ({3: [2, 0, "xx", 0.8]}, "seed"),  # of another order
    ],
)
def test_the_input_that_explains_the_difference_best_comes_first(
    tmp_path: Path, edits: dict[int, Any], first: str
) -> None:
    config = {**record()["config"], "seed": 2}
    environment = {"torch": {"threads": 8}, "packages": {"torch": "2.0"}}
    changed = record(
        weights_sha256="f" * 64,
        config=config,
        environment=environment,
        code={"train.py": "b" * 64},
        data={"raw": {"digits.csv": "b" * 64}},
    )
    found = compare(record(), changed, run(tmp_path / "one", TRACE), run(tmp_path / "other", edited(edits)))
    assert found.changes[0].kind == first
    assert sorted(change.kind for change in found.changes) == ["code", "data", "seed", "threads"]
    place = found.lines().index("inputs that differ, the most likely cause first:")
    assert found.lines()[place + 1] == f"  1. {found.changes[0]}"


def test_the_final_weights_are_compared_where_they_can_be(tmp_path: Path) -> None:
    values = torch.tensor([1.0, 2.0])
    first = {name: values.clone() for name in ("a", "b", "c", "of the first")}
    second = {"a": torch.nextafter(values, torch.tensor(9.0)), "b": values.double(), "c": values}
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, held in ((one, first), (other, second)):
        folder.mkdir()
        save_file(held, folder / "model.safetensors")
    [line] = tensors.final_weights(one, other)
    assert line == (
        "final weights: 1 of the 2 tensors with the same name and shape differ, most a, by up to 1 unit in the last "
        "place (at most 2.38e-07); 1 has the same name and another shape or type; 1 is only in the first run"
    )
    assert tensors.final_weights(one, one) == []
    (other / "model.safetensors").write_bytes(b"cut")
    assert tensors.final_weights(one, other) == []


def test_numbers_of_every_type_have_a_distance() -> None:
    assert difference("loss", 0.5, None) == "loss 0.5 and None"
    assert difference("loss", 1.0, 1.0 + 2**-52).endswith("1 unit in the last place of float64")  # not seen in float32
    assert ulps(torch.tensor([3, 9]), torch.tensor([3, 4])) == 5
    assert ulps(torch.tensor([True]), torch.tensor([False])) == 1
    assert ulps(torch.tensor([1 + 1j]), torch.tensor([1 + 2j])) == 2**23
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        one = torch.tensor([1.0], dtype=dtype)
        assert ulps(one, torch.nextafter(one, one + 1)) == 1
