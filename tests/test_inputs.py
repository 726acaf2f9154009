"""Inputs outside of the data, from a training to its verification, by the commands that people type."""

import hashlib
from pathlib import Path

import pytest
from conftest import run
from runs import SHORT, go_on, interrupted, record, train

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]
PRIOR = '''"""A network whose last layer begins with a bias that is read from a file."""

from collections.abc import Sequence
from pathlib import Path

import torch

from .mlp import MLP


class Prior(MLP):
    """The layers of MLP.

    Args:
        input_shape: of one input.
        outputs: how many there are: one for each class.
        hidden: sizes of the layers.
        dropout: share of values that are left out.
        bias: a file with one number for each class.
    """

    def __init__(
        self, input_shape: Sequence[int], outputs: int, hidden: Sequence[int], dropout: float, bias: str
    ) -> None:
        super().__init__(input_shape, outputs, hidden, dropout)
        numbers = [float(word) for word in Path(bias).read_text().split()]
        last = [layer for layer in self.modules() if isinstance(layer, torch.nn.Linear)][-1]
        last.bias.data = torch.tensor(numbers)
'''
FIRST, SECOND = "0 0 0 0 0 0 0 0 0 1\n", "1 0 0 0 0 0 0 0 0 0\n"
MODEL = (
    f"{SHORT} model._target_=my_project.models.prior.Prior +inputs.bias=data/external/bias.txt "
    "'+model.bias=${inputs.bias}'"
)


@pytest.fixture(scope="module")
def place(shared_project: Path) -> Path:
    """Return a file that git ignores, which a network of the project reads."""
    (shared_project / "src" / "my_project" / "models" / "prior.py").write_text(PRIOR)
    run("git add --all && git commit --quiet --message 'Read a bias'", shared_project)
    return shared_project / "data" / "external" / "bias.txt"


def refused(command: str, project: Path, code: int = 1) -> str:
    """Return the one sentence by which a command refuses."""
    result = run(command, project, check=False, PYTHONPATH="src")
    assert result.returncode == code, result.stdout + result.stderr
    [line] = result.stderr.strip().splitlines()
    return line


def test_an_input_is_recorded_compared_and_verified(shared_project: Path, place: Path) -> None:
    place.write_text(FIRST)
    first = train(shared_project, MODEL, "first")
    place.write_text(SECOND)
    second = train(shared_project, MODEL, "second")
    place.write_text(FIRST)
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in (FIRST, SECOND)]
    assert [record(folder)["inputs"]["bias"] for folder in (first, second)] == digests
    assert record(first)["weights_sha256"] != record(second)["weights_sha256"]
    said = run("python -m my_project diff outputs/first outputs/second", shared_project, check=False, PYTHONPATH="src")
    assert f"1. input: bias changed, digest {digests[0][:12]} -> {digests[1][:12]}" in said.stdout

    verified = run("python -m my_project verify outputs/first", shared_project, PYTHONPATH="src")
    assert verified.stdout.startswith("reproduced bit for bit")
    place.write_text(SECOND)
    for command, code in (
        ("python -m my_project verify outputs/first", 2),
        ("python evaluate.py run=outputs/first", 1),
    ):
        assert f"the input bias changed: data/external/bias.txt has the SHA-256 {digests[1][:12]}" in refused(
            command, shared_project, code
        )
    run("python evaluate.py run=outputs/second", shared_project)


def test_a_run_does_not_resume_with_another_input(shared_project: Path, place: Path) -> None:
    place.write_text(FIRST)
    folder = interrupted(shared_project, f"{MODEL} training.epochs=20".replace("'", ""), "interrupted")
    place.write_text(SECOND)
    sentence = refused("python train.py resume=outputs/interrupted", shared_project)
    assert "since outputs/interrupted began, this changed: input: bias changed, digest " in sentence
    place.unlink()
    assert "inputs.bias=data/external/bias.txt is not there" in refused(
        "python train.py resume=outputs/interrupted", shared_project
    )
    place.write_text(FIRST)
    go_on(shared_project, folder)
    assert [session["from_batch"] > 0 for session in record(folder)["sessions"]] == [False, True]
