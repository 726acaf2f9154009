"""Any module with any loaders, unchanged, is exact: interrupted after every batch, and with other workers."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).with_name("any_task.py")


@pytest.fixture(scope="module")
def found(environment: Path) -> dict[str, Any]:
    """Return what `any_task.py` found: one process trains some six hundred times."""
    result = subprocess.run([environment / "bin" / "python", SCRIPT], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def test_every_task_resumes_exactly(found: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    right = total = 0
    with capsys.disabled():
        for name, task in found["tasks"].items():
            points = task["points"]
            wrong = {point: parts for point, parts in points.items() if parts}
            print(f"\n  {name:28} {len(points) - len(wrong):2} of {len(points):2} identical {wrong or ''}", end="")
            right, total = right + len(points) - len(wrong), total + len(points)
        print(f"\n  {right} of {total} moments of {len(found['tasks'])} tasks were identical", end="")
    assert right == total
    assert all(task["points"] for task in found["tasks"].values())


def test_points_are_saved_inside_epochs(found: dict[str, Any]) -> None:
    """After every batch, where nothing stands against it."""
    points = found["tasks"]["metrics, shuffled"]["points"]
    assert [int(point) for point in points] == list(range(1, 12))


def test_the_number_of_workers_does_not_matter(found: dict[str, Any]) -> None:
    assert not {name: task["workers"] for name, task in found["tasks"].items() if task["workers"]}


def test_another_seed_gives_other_bits(found: dict[str, Any]) -> None:
    for name, task in found["tasks"].items():
        assert {"weights", "optimizers", "epochs"} <= set(task["other seed"]), name
    assert "tested" in found["tasks"]["test and prediction"]["other seed"]


def test_each_part_is_needed(found: dict[str, Any]) -> None:
    """Without it, the comparison sees a difference."""
    assert found["controls"]
    assert not [part for part, times in found["controls"].items() if not times]


def test_what_cannot_be_exact_is_refused_in_one_sentence(found: dict[str, Any]) -> None:
    assert found["refused"]
    for part, sentence in found["refused"].items():
        assert part in sentence
        assert "\n" not in sentence


def test_no_point_is_saved_where_an_attribute_would_be_lost(found: dict[str, Any]) -> None:
    assert found["hiding"] == found["replacing"] == {"6": []}  # between the epochs


def in_two_processes(environment: Path, folder: Path) -> dict[str, str]:
    """Return what `any_task.py` found in a folder, which may hold a point."""
    result = subprocess.run([environment / "bin" / "python", SCRIPT, folder], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def test_two_processes_share_the_batches_and_resume_exactly(environment: Path, tmp_path: Path) -> None:
    """Each has half of them, and sums of its own."""
    whole = in_two_processes(environment, tmp_path)
    points = sorted((tmp_path / "points").iterdir())
    assert [int(point.name.split("-")[1]) for point in points] == [1, 2, 3, 4, 5]  # 3 of 6 batches an epoch
    shutil.rmtree(tmp_path / "run")
    points[1].rename(tmp_path / "run")
    assert in_two_processes(environment, tmp_path) == whole
