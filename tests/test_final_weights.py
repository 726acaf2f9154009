"""Runs final_weights.py with the Python of a project, and tries its setting in a project's own commands."""

from pathlib import Path

import pytest
from conftest import ROOT, digest, run
from runs import SHORT, record, train

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]
SMALL = f"{SHORT} data.train_examples=200 training.lr=0.1 training/scheduler=none"
# Keeps the first epoch, as the loss grows smaller.
MINE = "{_target_:lightning.pytorch.callbacks.ModelCheckpoint,monitor:val/loss,mode:max,dirpath:outputs/kept}"


def test_the_weights_that_a_run_ends_with(environment: Path) -> None:
    command = f"{environment}/bin/python -m pytest --noconftest -q -p no:cacheprovider final_weights.py"
    assert "22 passed" in run(command, ROOT / "tests").stdout


def test_a_checkpoint_callback_of_the_users_changes_nothing(shared_project: Path) -> None:
    plain = train(shared_project, SMALL, "plain")
    mine = train(shared_project, f"{SMALL} '+callbacks.mine={MINE}'", "mine")
    assert list((shared_project / "outputs" / "kept").glob("epoch=0-*.ckpt"))
    assert digest(mine / "model.safetensors") == digest(plain / "model.safetensors")
    assert record(mine)["config"]["training"]["final_weights"] == "last"
    best = train(shared_project, f"{SMALL} callbacks=best callbacks.best_checkpoint.mode=max", "best")
    assert record(best)["config"]["training"]["final_weights"] == "best"
    assert digest(best / "model.safetensors") != digest(plain / "model.safetensors")
    kept = train(shared_project, f"{SMALL} callbacks=best training.final_weights=last", "kept")
    assert (kept / "checkpoints" / "best.ckpt").exists()
    assert digest(kept / "model.safetensors") == digest(plain / "model.safetensors")


def test_a_best_epoch_that_nothing_keeps_is_refused(shared_project: Path) -> None:
    command = f"python train.py {SMALL} training.final_weights=best hydra.run.dir=outputs/none"
    refused = run(command, shared_project, check=False)
    assert refused.returncode == 1
    assert "no callback keeps it: choose callbacks=best, or training.final_weights=last" in refused.stderr
    assert not (shared_project / "outputs" / "none").exists()
