"""What resume points and the step trace cost with a large model: memory, time, and the disk."""

import errno
import io
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest
import torch
from lightning import LightningModule
from torch import nn

from reproml.errors import ConfigError, DataError
from reproml.files import file_digest
from reproml.runs.trace import read_trace
from reproml.training import checkpoint, resume, step_trace
from reproml.training.checkpoint import CHECKSUM, AtomicCheckpointIO, checksum, load_checkpoint, peek
from reproml.training.job import Due
from reproml.training.plain import Writer
from reproml.training.resume import ResumePoint
from reproml.training.step_trace import StepTrace

SIZE = 5_000_000  # bytes


def content() -> dict[str, Any]:
    numbers = torch.arange(SIZE // 8)
    return {"state_dict": {"weights": numbers, "the same": numbers[:5]}, "text": "abc"}


def test_a_checkpoint_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    held = content()
    tracemalloc.start()  # knows what Python holds, and not the tensors themselves
    AtomicCheckpointIO({}).save_checkpoint(held, tmp_path / f"point-{CHECKSUM}.ckpt")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < SIZE / 5
    [path] = tmp_path.iterdir()
    assert path.name == f"point-{file_digest(path)[:16]}.ckpt"
    assert checksum(path) in path.name
    stream = io.BytesIO()
    torch.save({**held, "config": {}, "run": None}, stream)
    assert path.read_bytes() == stream.getvalue()


def test_the_checksum_of_a_point_is_compared_once_and_those_inside_of_other_checkpoints_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    AtomicCheckpointIO({}).save_checkpoint(content(), tmp_path / f"resume-0000000001-{CHECKSUM}.ckpt")
    [point] = tmp_path.iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "ZipFile", None)  # what reads the file for these
        assert resume.latest_valid(tmp_path) == point
        assert peek(point)["text"] == load_checkpoint(point)["text"] == "abc"
    other = tmp_path / "last.ckpt"
    other.write_bytes(point.read_bytes())
    assert load_checkpoint(other)["text"] == "abc"
    for path in (point, other):
        with path.open("r+b") as stream:
            stream.seek(SIZE // 2)
            stream.write(b"\xff")
    assert resume.latest_valid(tmp_path) is None
    with pytest.raises(DataError, match=r"last\.ckpt is damaged"):
        load_checkpoint(other)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_an_error_inside_of_a_save_is_the_error_that_is_seen(tmp_path: Path, error: BaseException) -> None:
    class Full(io.BytesIO):
        def write(self, content: Any) -> int:
            if self.tell() > 100:
                raise error
            return super().write(content)

    stream: IO[bytes] = Full()
    with pytest.raises(type(error)) as raised:
        Writer(stream).save(content())
    assert raised.value is error


def test_what_cannot_be_loaded_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"could not be loaded again, because of callbacks\['mine'\]"):
        AtomicCheckpointIO({}).save_checkpoint({"callbacks": {"mine": Path("x")}}, tmp_path / "point.ckpt")
    with pytest.raises(ConfigError, match=r"because of callbacks\['mine'\]"):
        AtomicCheckpointIO({}).save_checkpoint({"callbacks": {"mine": lambda: 0}}, tmp_path / "point.ckpt")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("every", "took", "first", "seconds"),
    [(30, 0.1, True, 30), (30, 6, True, 588), (0, 6, True, 0), (30, 0.1, False, None)],
)
def test_points_take_a_small_share_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: float, took: float, first: bool, seconds: float | None
) -> None:
    now = 1000.0
    monkeypatch.setattr(resume, "time", SimpleNamespace(monotonic=lambda: now))
    point = ResumePoint(str(tmp_path), every, 0)

    def save(path: Path, weights_only: bool) -> None:
        nonlocal now
        now += took

    monkeypatch.setattr(resume, "batches_done", lambda trainer: 1)
    trainer: Any = SimpleNamespace(is_global_zero=first, world_size=1, save_checkpoint=save)
    point._save(trainer)
    saved = now
    for waited in (29.9, 30.1, 587.9, 588.1, 10_000.0):
        now, point._due = saved + waited, Due.NOTHING
        point._agree(trainer)
        assert (point._due > 0) == (seconds is not None and waited >= seconds)


def test_all_points_together_keep_to_the_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first point can cost more than was thought. After that, the sum keeps to 2 %, and uses what it may."""
    now, spent, shares = 0.0, 0.0, []
    monkeypatch.setattr(resume, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(resume, "batches_done", lambda trainer: 1)
    point = ResumePoint(str(tmp_path), 30, 0)

    def save(path: Path, weights_only: bool) -> None:
        nonlocal now, spent
        now, spent = now + 6, spent + 6
        shares.append(spent / now)

    trainer: Any = SimpleNamespace(is_global_zero=True, world_size=1, save_checkpoint=save)
    while now < 20_000:
        now += 1
        point._agree(trainer)
        if point._due:
            point._save(trainer)
    assert len(shares) == 20_000 * 0.02 // 6
    assert max(shares[1:]) <= 0.02 < shares[0]


@pytest.mark.parametrize(("millions", "seconds"), [(1, 30), (100, 235.2), (300, 705.6)])
def test_the_first_point_of_a_large_model_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, millions: int, seconds: float
) -> None:
    """For the time after which a disk of a usual speed could have written it, with Adam's numbers, in 2 % of it."""
    now = 0.0
    monkeypatch.setattr(resume, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(resume.job, "listen_to_sigterm", lambda processes: None)
    point = ResumePoint(str(tmp_path), 30, 0)
    trainer: Any = SimpleNamespace(is_global_zero=True, world_size=1)
    model = LightningModule()
    model.layer = nn.Linear(1000, 1000 * millions, bias=False, device="meta")
    point.on_train_start(trainer, model)
    for now in (seconds - 0.1, seconds + 0.1):
        point._agree(trainer)
        assert (point._due > 0) == (now > seconds)


@pytest.mark.parametrize("share", [0, -0.1, 1.1])
def test_a_share_is_one(tmp_path: Path, share: float) -> None:
    with pytest.raises(ConfigError, match=f"callbacks.resume_point.max_share={share} must be above 0 and at most 1"):
        ResumePoint(str(tmp_path), 30, 0, share)


@pytest.mark.parametrize(
    ("given", "large", "noted"),
    [(None, False, [100, 200]), (None, True, [200]), (50, True, [50, 100, 150, 200])],
)
def test_the_weights_of_a_large_model_are_digested_more_rarely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: int | None, large: bool, noted: list[int]
) -> None:
    class Small(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = nn.Linear(10, 10)

    monkeypatch.setattr(step_trace, "_NUMBERS", 55 if large else 10_000_000)
    done = iter(range(1, 201))
    monkeypatch.setattr(step_trace, "batches_done", lambda trainer: next(done))
    trace, model = StepTrace(str(tmp_path), given), Small()
    trainer: Any = SimpleNamespace(is_global_zero=True, current_epoch=0, train_dataloader=None)
    trace.on_train_start(trainer, model)
    for _ in range(200):
        trace.on_train_batch_end(trainer, model, None, None, 0)
    trace.on_train_end(trainer, model)
    assert sorted(read_trace(tmp_path / "trace.jsonl").weights) == [*range(11), *noted]
