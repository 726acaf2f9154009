"""An interrupted run ends with the same bits, its record is complete, and what differs is found."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jsonschema import Draft202012Validator

from reproml.arrays.augment import Augmentation
from reproml.arrays.sampler import BatchSampler
from reproml.errors import RecordError
from reproml.release.suggestion import suggest
from reproml.release.version import ReleaseError, Version
from reproml.runs import record
from reproml.runs.changes import changes
from reproml.runs.digest import weights_digest
from reproml.runs.environment import environment
from reproml.runs.folder import RunFolder
from reproml.runs.trace import read_trace
from reproml.training.resume import latest_valid
from reproml.training.session import _interrupted
from reproml.training.step_trace import sample
from reproml.verify.divergence import compare
from reproml.verify.ulps import ulps

from .conftest import ROOT, SHORT, Command
from .forked import Forked

PACKAGE = record.__name__.partition(".")[0]
RESUMABLE = [*SHORT, "training.epochs=8", "training.batch_size=64", "callbacks.resume_point.every_seconds=0"]
SAME = ("model.safetensors", "metrics.csv", "trace.jsonl", "test/predictions.csv")


def test_an_interrupted_run_ends_like_an_uninterrupted_one(project: Path, command: Command) -> None:
    command("train.py", *RESUMABLE, "hydra.run.dir=outputs/whole")
    folder, whole = project / "outputs" / "killed", project / "outputs" / "whole"
    arguments = [sys.executable, "train.py", *RESUMABLE, "hydra.run.dir=outputs/killed"]
    process = subprocess.Popen(arguments, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list(folder.glob("checkpoints/resume-*.ckpt"))) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "model.safetensors").exists()
    command("train.py", "resume=outputs/killed")
    for name in SAME:
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    killed = record.read(folder)
    assert [session["from_batch"] > 0 for session in killed["sessions"]] == [False, True]
    assert record.same_result(killed, record.read(whole))
    assert compare(record.read(whole), killed, whole, folder).what is None


def test_the_record_follows_its_schema(short_run: Path) -> None:
    schema = json.loads(Path(record.__file__).with_name("run.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    found = record.read(short_run)
    assert not [error.message for error in Draft202012Validator(schema).iter_errors(found)]
    assert list(Draft202012Validator(schema).iter_errors({**found, "status": "perhaps"}))  # it can refuse
    assert found["status"] == "finished"
    assert found["environment"]["packages"]["torch"] == torch.__version__
    level = found["config"]["reproducibility"]
    assert found["environment"]["torch"]["threads"] == (level["threads"] or torch.get_num_threads())
    assert level["environment"].items() <= found["environment"]["variables"].items()
    assert found["config"]["training"]["epochs"] == 2
    assert found["data"]["raw"] == found["config"]["data"]["files"]
    assert found["metrics"] == json.loads((short_run / "test" / "metrics.json").read_text())
    assert str(ROOT) not in (short_run / "run.json").read_text()


def test_the_pipeline_starts_over_where_other_code_has_trained(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"schema_version": 1, "status": "running"}')
    assert _interrupted(RunFolder(tmp_path), asked=False) is None
    with pytest.raises(
        RecordError, match=rf"run.json has the schema version 1, but this code reads {record.VERSION}: use"
    ):
        _interrupted(RunFolder(tmp_path), asked=True)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RecordError, match="is damaged"):
        _interrupted(RunFolder(tmp_path), asked=False)


def test_a_release_of_other_code_is_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Kept:
        """What DVC keeps of every version."""

        def __init__(self, *given: object, **named: object) -> None: ...

        def get_file(self, name: str, place: str) -> None:
            Path(place).write_text('{"schema_version": 1}')

    monkeypatch.setattr("dvc.api.DVCFileSystem", Kept)
    monkeypatch.setattr("reproml.release.suggestion.released", lambda project: [Version(1, 0, 0)])
    with pytest.raises(ReleaseError, match=r"model@v1.0.0 was recorded by another version of the machinery"):
        suggest(tmp_path, Path("models"))


def test_another_weight_decay_is_found_at_the_first_step(project: Path, command: Command, short_run: Path) -> None:
    training = record.read(short_run)["config"]["training"]
    decay = training["weight_decay"]
    command("train.py", *SHORT, f"training.weight_decay={decay + 0.25}", "hydra.run.dir=outputs/decay")
    other = project / "outputs" / "decay"
    divergence = compare(record.read(short_run), record.read(other), short_run, other)
    assert (divergence.what, divergence.step, divergence.epoch) == ("weights", training["accumulate"], 0)
    assert str(divergence.changes[0]) == f"configuration: training.weight_decay was {decay}, is {decay + 0.25}"


def test_the_step_trace_notes_each_step(short_run: Path) -> None:
    steps = read_trace(short_run / "trace.jsonl")
    assert list(steps.loss) == list(range(1, len(steps.loss) + 1))
    assert len(set(steps.order.values())) == len(steps.order)  # no batch comes twice
    assert {0, 1, 2}.issubset(steps.weights)


def test_a_damaged_resume_point_is_passed_over(tmp_path: Path) -> None:
    whole = tmp_path / "resume-0000000010-2cf24dba5fb0a30e.ckpt"
    whole.write_bytes(b"hello")
    (tmp_path / "resume-0000000020-2cf24dba5fb0a30e.ckpt").write_bytes(b"hell")
    assert latest_valid(tmp_path) == whole
    whole.write_bytes(b"hellp")
    assert latest_valid(tmp_path) is None


def test_the_digest_of_weights_depends_on_names_and_bits_alone() -> None:
    first, second = torch.randn(3, 4), torch.randn(5)
    digest = weights_digest({"a": first, "b": second})
    assert digest == weights_digest({"b": second.clone(), "a": first.clone()})
    others: list[dict[str, Any]] = [
        {"a": first, "c": second},
        {"a": first.reshape(4, 3), "b": second},
        {"a": first.double(), "b": second},
        {"a": torch.nextafter(first, torch.tensor(9.0)), "b": second},
    ]
    assert digest not in {weights_digest(weights) for weights in others}


def test_a_sample_of_a_large_tensor_is_within_it() -> None:
    large = torch.zeros(2**25 + 1, dtype=torch.int8)
    large[-1] = 7
    assert sample(large).tolist() == [0, 0, 0, 0, 0, 0, 0, 7]
    assert sample(torch.tensor(3)).tolist() == [3]


def test_units_in_the_last_place() -> None:
    values = torch.tensor([1.0, -1.0, 0.0])
    assert ulps(values, values.clone()) == 0
    assert ulps(values, torch.nextafter(values, torch.tensor(2.0))) == 1
    assert ulps(torch.tensor([-0.0]), torch.tensor([0.0])) == 0
    assert ulps(torch.tensor([1.0]), torch.tensor([2.0])) == 2**23


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "NPY_DISABLE_CPU_FEATURES", "ATEN_CPU_CAPABILITY"])
def test_the_record_has_variables_that_change_bits(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    assert environment()["variables"][name] == "1"


def test_changes_come_with_the_most_likely_cause_first() -> None:
    def inputs(torch: str, model: str, code: str) -> dict[str, Any]:
        environment = {"packages": {"torch": torch}, "cpu": {"model": model}}
        return {"environment": environment, "config": {"seed": 1}, "code": {"x.py": code}}

    before, after = inputs("1", "a", "1"), inputs("2", "b", "2")
    assert [change.kind for change in changes(before, after)] == ["code", "package", "processor"]
    assert not changes(before, before)


def test_the_order_starts_in_the_middle_of_an_epoch() -> None:
    positions = np.arange(100)
    whole = BatchSampler(positions, 16, seed=1)
    whole.set_epoch(3)
    rest = BatchSampler(positions, 16, seed=1, start=(3, 2))
    assert [batch.tolist() for _, batch in whole][2:] == [batch.tolist() for _, batch in rest]
    for sampler in (whole, rest):
        sampler.set_epoch(4)
    assert [batch.tolist() for _, batch in whole] == [batch.tolist() for _, batch in rest]


def test_augmentation_is_a_function_of_seed_epoch_and_example() -> None:
    images = np.random.default_rng(0).integers(1, 255, (50, 1, 8, 8)).astype(np.uint8)
    positions = np.arange(50)
    augment = Augmentation(seed=1, shift=2, flip=True)
    changed = augment(images, 0, positions)
    assert changed.dtype == images.dtype
    # alone or in a batch, in whatever place: the same
    assert np.array_equal(changed[[7, 3]], augment(images[[7, 3]], 0, positions[[7, 3]]))
    assert not np.array_equal(changed, augment(images, 1, positions))
    assert not np.array_equal(changed, Augmentation(seed=2, shift=2, flip=True)(images, 0, positions))
    assert np.array_equal(Augmentation(seed=1, shift=0, flip=False)(images, 0, positions), images)
    mirrored = Augmentation(seed=1, shift=0, flip=True)(images, 0, positions)
    flipped = [np.array_equal(image, before[:, :, ::-1]) for image, before in zip(mirrored, images, strict=True)]
    assert 10 < sum(flipped) < 40
    moved = Augmentation(seed=1, shift=1, flip=False)(images, 0, positions)
    down = np.zeros_like(images)
    down[:, :, 1:, 1:] = images[:, :, :-1, :-1]
    assert any(np.array_equal(image, expected) for image, expected in zip(moved, down, strict=True))


@pytest.mark.skipif(not shutil.which("git"), reason="verification checks out a commit, and git is not installed")
def test_a_run_is_verified_from_its_record(project: Path, forked: Forked, tmp_path: Path) -> None:
    checkout = shutil.copytree(
        project, tmp_path / "repository", ignore=shutil.ignore_patterns("outputs", "raw", "processed")
    )

    def git(*arguments: str) -> None:
        name = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
        subprocess.run(["git", *name, *arguments], cwd=checkout, check=True, capture_output=True)

    def verify() -> subprocess.CompletedProcess[str]:
        return forked.run(["-m", PACKAGE, "verify", "outputs/run"], checkout, {"PYTHONPATH": str(checkout / "src")})

    git("init")
    git("add", ".")
    git("commit", "--message", "all")
    assert forked.run(["train.py", *SHORT, "hydra.run.dir=outputs/run"], checkout, {}).returncode == 0
    result = verify()
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1].startswith("reproduced bit for bit")
    path = checkout / "outputs" / "run" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "weights_sha256": "0" * 64}))
    assert verify().returncode == 1
