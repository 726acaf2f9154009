"""Several processes, started by torchrun, on one machine and as on two: one run, which agrees with one process."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import metrics, run
from loopback import free_port, until
from reproml.launch import restarts
from runs import OFTEN, SHORT, documented, outcome, record, script, train

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]  # torchrun and its processes start as ever
# Without batch normalization, whose statistics each process makes of its own share, and without dropout.
PLAIN = """
from collections.abc import Sequence
from math import prod

import torch
from torch import nn


class Plain(nn.Sequential):
    def __init__(self, input_shape: Sequence[int], outputs: int, width: int) -> None:
        super().__init__(nn.Flatten(), nn.Linear(prod(input_shape), width), nn.Tanh(), nn.Linear(width, outputs))
"""
DISTANCE = """
import sys

import torch

first, second = (
    torch.load(f"{folder}/checkpoints/last.ckpt", weights_only=True)["state_dict"] for folder in sys.argv[1:]
)
print(max(float((first[name] - second[name]).abs().max()) for name in first))
"""
EXACT = "tracking=none trainer.precision=64-true training.epochs=3"
DDP = f"{SHORT} trainer=ddp model.dropout=0.2"


@pytest.fixture(scope="module")
def environment(full_environment: Path) -> Path:
    """Return an environment with TensorBoard, which is not the default tracker."""
    return full_environment


@pytest.fixture(scope="module")
def plain(shared_project: Path) -> str:
    """Return the arguments of a network in which the share of a process cannot be seen."""
    package = next((shared_project / "src").glob("*/models")).parent.name
    (shared_project / "src" / package / "models" / "plain.py").write_text(PLAIN)
    file = shared_project / "configs" / "model" / "plain.yaml"
    file.write_text(f"_target_: {package}.models.plain.Plain\nwidth: 32\n")
    return "model=plain"


def distance(project: Path, one: Path, other: Path) -> float:
    """Return the largest difference between two weights of the runs."""
    return float(script(project, DISTANCE, str(one), str(other)))


def torchrun(project: Path, arguments: str, options: str = "--nproc-per-node=2", check: bool = True) -> str:
    """Train in processes of torchrun and return what was printed."""
    done = run(f"torchrun {options} train.py {arguments}", project, check=check)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def two(shared_project: Path) -> Path:
    """Return a run of two processes that Lightning starts."""
    return train(shared_project, DDP, "two")


def test_one_process_and_two_agree(shared_project: Path, plain: str) -> None:
    """In double precision, where the order of a sum is all that differs. The same weights from another seed do not."""
    one = train(shared_project, f"{EXACT} {plain}", "plain-one")
    both = train(shared_project, f"{EXACT} {plain} trainer=ddp trainer.precision=64-true", "plain-two")
    assert 0 < distance(shared_project, one, both) < 1e-12
    assert metrics(one / "test")["accuracy"] == metrics(both / "test")["accuracy"] > 0.8
    # each process training on the whole batch, or on another share, would be seen
    other = train(shared_project, f"{EXACT} {plain} training.batch_size=32", "plain-other")
    assert distance(shared_project, one, other) > 1e-4


def test_torchrun_shares_one_run(shared_project: Path, two: Path) -> None:
    """The folder has its name from torchrun; what a run writes is there once; and the bits are those of Lightning's."""
    line = documented(shared_project, "cluster.md", "torchrun --nproc-per-node=2")
    run(line.replace("trainer=ddp", DDP), shared_project)
    [folder] = (shared_project / "outputs").glob("torchrun-*-*")
    assert outcome(folder) == outcome(two)
    assert len(record(folder)["sessions"]) == 1
    logs = {path.name for path in folder.glob("*.log")}
    assert logs == {"train.log", "train_ddp_process_1.log"}
    assert (folder / "train.log").read_text().count("test        accuracy") == 1


def test_two_nodes_of_torchrun_and_a_tracker(shared_project: Path, two: Path) -> None:
    """Two agents that meet on loopback, as on two machines. One process tracks for all."""
    line = documented(shared_project, "cluster.md", "torchrun --nnodes=2").removeprefix("torchrun ")
    line = line.replace("29400", str(free_port())).replace("trainer=ddp", DDP.replace("=none", "=tensorboard"))
    agents = [agent(shared_project, line) for _ in range(2)]
    said = [each.communicate(timeout=120)[0] for each in agents]
    assert [each.returncode for each in agents] == [0, 0], said
    folder = shared_project / "outputs" / "torchrun-first"
    assert outcome(folder) == outcome(two)
    assert len(list(folder.glob("tensorboard/*/events*"))) <= 2  # of the training, and of the test
    verified = run("python -m my_project verify outputs/torchrun-first", shared_project, PYTHONPATH="src")
    assert "reproduced bit for bit" in verified.stdout


def agent(project: Path, line: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [project / ".venv" / "bin" / "torchrun", *line.split()],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_torchrun_starts_again_what_was_killed(shared_project: Path) -> None:
    """`--max-restarts`: both processes resume from the newest resume point, with the same bits."""
    longer = f"{DDP} training.epochs=8"
    reference = train(shared_project, longer, "longer")
    folder = shared_project / "outputs" / "killed"
    process = agent(
        shared_project, f"--nproc-per-node=2 --max-restarts=2 train.py {longer} {OFTEN} hydra.run.dir=outputs/killed"
    )
    until(lambda: process.poll() is not None or len(list(folder.glob("checkpoints/resume-*.ckpt"))) > 1, 90)
    os.kill(workers(process.pid)[-1], signal.SIGKILL)
    said = process.communicate(timeout=240)[0]
    assert process.returncode == 0, said
    assert [session["from_batch"] > 0 for session in record(folder)["sessions"]] == [False, True]
    assert outcome(folder) == outcome(reference)


def workers(agent: int) -> list[int]:
    """Return the processes that torchrun has started."""
    return [int(word) for word in Path(f"/proc/{agent}/task/{agent}/children").read_text().split()]


def test_sigterm_is_answered_by_all_processes_at_once(shared_project: Path, two: Path) -> None:
    """Each leaves the loop at the same batch, saved; the run ends with the same bits."""
    longer = f"{DDP} training.epochs=100000"
    folder = shared_project / "outputs" / "told"
    process = agent(shared_project, f"--nproc-per-node=2 train.py {longer} hydra.run.dir=outputs/told")
    until(lambda: process.poll() is not None or (folder / "metrics.csv").exists(), 90)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert time.monotonic() - began < 25  # torchrun kills after 30 seconds
    assert len(list(folder.glob("checkpoints/resume-*.ckpt"))) == 1


def test_what_does_not_fit_is_one_sentence_of_each_process(shared_project: Path) -> None:
    for options, arguments, sentence in (
        ("--nproc-per-node=2", "", "give trainer=ddp trainer.devices=2 trainer.num_nodes=1"),
        ("--nproc-per-node=2", "trainer=ddp hydra.run.dir=outputs/two", "outputs/two holds a finished run"),
        ("--nproc-per-node=2", "trainer=ddp data.source=/nowhere data=fashion_mnist", "train-images"),
        ("--nproc-per-node=2", "-m seed=1,2", "-m is a sweep, which torchrun starts once for each process"),
    ):
        said = torchrun(shared_project, f"{SHORT} {arguments}", options, check=False)
        errors = [line for line in said.splitlines() if line.startswith("error: ")]
        assert errors, said
        assert all(sentence in line for line in errors), errors
        assert said.count("Traceback (most recent call last)") == 1  # of torchrun itself


@pytest.mark.parametrize(("torchrun", "slurm", "times"), [("0", "2", 2), ("3", "0", 3), ("1", "", 1)])
def test_whoever_starts_a_job_again_is_counted(
    monkeypatch: pytest.MonkeyPatch, torchrun: str, slurm: str, times: int
) -> None:
    """torchrun begins at 0 again where Slurm has put its job into the queue."""
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", torchrun)
    if slurm:
        monkeypatch.setenv("SLURM_RESTART_COUNT", slurm)
    assert restarts() == times
