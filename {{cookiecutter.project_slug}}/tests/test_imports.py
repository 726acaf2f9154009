"""What a command does not load, nobody waits for. The names of modules show it; times vary."""

from pathlib import Path

import pytest

from .conftest import SHORT, Command

HEAVY = {"torch", "lightning", "sklearn", "pandas", "mlflow", "wandb"}


def loaded(command: Command, *arguments: str) -> set[str]:
    """Return which of the heavy packages a command has loaded at its end."""
    result = command(*arguments, plain=True, check=False, PYTHONPATH="src", PYTHONPROFILEIMPORTTIME="1")
    assert result.returncode in (0, 1), result.stderr[-500:]  # 1: of `check`
    names = {line.rsplit("|", 1)[-1].strip() for line in result.stderr.splitlines() if line.startswith("import time:")}
    assert "reproml.names" in names  # the list is not empty
    return HEAVY & names


@pytest.mark.parametrize("verb", ["report", "check", "runs", "compare", "diff"])
def test_what_only_reads_a_run_loads_no_framework(command: Command, short_run: Path, verb: str) -> None:
    runs = {"runs": 0, "compare": 2, "diff": 2}.get(verb, 1) * [str(short_run)]
    assert loaded(command, "-m", "reproml", verb, *runs) == set()


def test_a_training_loads_nothing_besides_torch_and_lightning(command: Command, short_run: Path) -> None:
    """Scikit-learn comes with pandas, and its few lines are not worth a fifth of the start."""
    training = ["train.py", *SHORT, "training.epochs=1", "hydra.run.dir=outputs/loaded"]
    assert loaded(command, *training) == {"torch", "lightning"}
