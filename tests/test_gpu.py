"""The promises on a GPU, where there is one: same seed, interruption, verification, mixed precision."""

import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import run
from runs import go_on, interrupted, last_states, outcome, record, train

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("nvidia-smi") or subprocess.run(["nvidia-smi"], capture_output=True).returncode != 0,
        reason="there is no NVIDIA GPU on this machine",
    ),
]
PRECISIONS = ["32-true", "bf16-mixed", "16-mixed"]


@pytest.fixture(scope="module", params=PRECISIONS)
def arguments(request: pytest.FixtureRequest, shared_project: Path) -> str:
    """Return the arguments of a training in one precision, where the environment's torch can use the GPU."""
    available = run("python -c 'import torch; print(torch.cuda.is_available())'", shared_project).stdout.strip()
    if available != "True":
        pytest.skip("the environment of the tests has the CPU build of torch")
    return f"tracking=none trainer=gpu trainer.precision={request.param} training.epochs=20 data.shift=1"


def test_the_series_on_a_gpu(shared_project: Path, arguments: str) -> None:
    name = arguments.partition("precision=")[2].partition(" ")[0]
    first = train(shared_project, arguments, f"{name}-first")
    second = train(shared_project, arguments, f"{name}-second")
    other = train(shared_project, f"{arguments} seed=1", f"{name}-other")
    killed = interrupted(shared_project, arguments, f"{name}-killed")
    go_on(shared_project, killed)
    assert outcome(first) == outcome(second) == outcome(killed)
    assert outcome(first) != outcome(other)
    states = last_states(shared_project, [first, second, killed])
    assert len(set(states.values())) == 1
    assert record(first)["environment"]["gpu"]["devices"]
    verified = run(f"python -m my_project verify outputs/{first.name}", shared_project, PYTHONPATH="src")
    assert verified.stdout.splitlines()[-1].startswith("reproduced bit for bit")
