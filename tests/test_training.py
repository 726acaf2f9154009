"""Trainings in every mode that the configuration offers."""

import os
import re
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from conftest import TEMPLATE, digest, metrics, run
from runs import SHORT, start, stop, train

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]
EXPERIMENTS = sorted(path.stem for path in (TEMPLATE / "configs" / "experiment").glob("*.yaml"))
DEBUG = sorted(path.stem for path in (TEMPLATE / "configs" / "debug").glob("*.yaml"))


# Every kind of random choice: order, augmentation, dropout, first weights.
RANDOM = f"{SHORT} model.dropout=0.2 data.shift=1 data.flip=true"


def test_the_defaults_reach_their_accuracy(shared_project: Path) -> None:
    assert metrics(train(shared_project, "tracking=none", "default") / "test")["accuracy"] >= 0.975


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_runs(shared_project: Path, fashion_mnist: Path, experiment: str) -> None:
    source = f"data.source={fashion_mnist}" if "fashion" in experiment else ""
    folder = train(shared_project, f"experiment={experiment} debug=fast {source}", experiment)
    assert (folder / "model.safetensors").exists()


def test_a_table_is_learned(shared_project: Path) -> None:
    folder = train(shared_project, "experiment=breast_cancer tracking=none", "table")
    assert metrics(folder / "test")["accuracy"] > 0.9
    epochs = len((folder / "metrics.csv").read_text().splitlines()) - 1
    assert epochs < 30  # stopped early
    assert (folder / "checkpoints" / "best.ckpt").exists()


@pytest.mark.parametrize("debug", DEBUG)
def test_every_debug_configuration_runs(shared_project: Path, debug: str) -> None:
    folder = train(shared_project, f"debug={debug} model=mlp", f"debug-{debug}")
    if debug == "overfit":
        rows = (folder / "metrics.csv").read_text().splitlines()
        loss = rows[0].split(",").index("train/loss")
        assert float(rows[-1].split(",")[loss]) < 0.05  # chance is 2.3


@pytest.fixture(scope="module")
def reference(shared_project: Path) -> Path:
    """Return the folder of a short training that others are compared with."""
    return train(shared_project, RANDOM, "reference")


@pytest.mark.parametrize(
    "argument",
    [
        "data.num_workers=1 trainer.check_val_every_n_epoch=2 ~callbacks.progress +trainer.enable_progress_bar=false",
        "data.num_workers=2 data.start_method=spawn +trainer.val_check_interval=0.3 trainer.log_every_n_steps=1",
        "data.num_workers=2 data.persistent_workers=false +trainer.limit_val_batches=0 "
        "callbacks.resume_point.every_seconds=0 callbacks.step_trace.every_n_steps=1",
        "data.num_workers=1 data.start_method=fork ~callbacks.resume_point ~callbacks.last_checkpoint "
        "~callbacks.step_trace",
    ],
)
def test_what_must_not_change_the_weights_does_not(shared_project: Path, reference: Path, argument: str) -> None:
    """Several settings at a time; another seed changes them."""
    folder = train(shared_project, f"{RANDOM} {argument}", re.sub(r"\W", "-", argument))
    assert digest(folder / "model.safetensors") == digest(reference / "model.safetensors")


def test_keeping_the_best_weights_does_not_change_the_training(shared_project: Path, reference: Path) -> None:
    folder = train(shared_project, f"{RANDOM} callbacks=best", "best")
    assert (folder / "metrics.csv").read_bytes() == (reference / "metrics.csv").read_bytes()


def test_another_seed_changes_the_weights(shared_project: Path, reference: Path) -> None:
    folder = train(shared_project, f"{RANDOM} seed=1", "other-seed")
    assert digest(folder / "model.safetensors") != digest(reference / "model.safetensors")


def test_an_environment_that_contradicts_portable_is_refused(shared_project: Path) -> None:
    """Trainings with portable and with fast: test_verify.py; with two processes: test_distributed.py."""
    refused = run(f"python train.py {SHORT} reproducibility=portable", shared_project, check=False, MKL_CBWR="AVX2")
    assert refused.returncode == 1
    assert "MKL_CBWR=AVX2" in refused.stderr


@pytest.mark.parametrize(
    ("optimizer", "scheduler"),
    [("adam", "exponential"), ("sgd training.lr=0.05", "none")],
)
def test_optimizers_and_schedules(shared_project: Path, optimizer: str, scheduler: str) -> None:
    """Others are trained by exactness.py."""
    arguments = f"{SHORT} training/optimizer={optimizer} training/scheduler={scheduler}"
    folder = train(shared_project, arguments, re.sub(r"\W", "-", f"{optimizer}-{scheduler}"))
    rates = [float(row.split(",")[2]) for row in (folder / "metrics.csv").read_text().splitlines()[1:]]
    assert (rates[0] == rates[1]) is (scheduler == "none")


def test_a_sweep_makes_one_folder_for_each_value(shared_project: Path) -> None:
    run(f"python train.py sweep=learning_rate {SHORT} hydra.sweep.dir=outputs/sweep", shared_project)
    folders = sorted((shared_project / "outputs" / "sweep").glob("[0-9]"))
    assert [folder.name for folder in folders] == ["0", "1", "2"]
    assert len({digest(folder / "model.safetensors") for folder in folders}) == 3


def test_trackers(shared_project: Path, reference: Path, full_environment: Path) -> None:
    """Several at once: each has the run under its name and prints nothing, and the weights do not know of it."""
    path = f"{full_environment / 'bin'}:{os.environ['PATH']}"
    short = RANDOM.replace("tracking=none", "'tracking=[mlflow,wandb,tensorboard]'")
    result = run(f"python train.py {short} hydra.run.dir=outputs/trackers", shared_project, PATH=path)
    said, folder = (result.stdout + result.stderr).splitlines(), shared_project / "outputs" / "trackers"
    own = r"loading|fetched|prepared|run|epoch|finished|test|best|mlflow|wandb|tensorboard|next|python"
    assert [line for line in said if not re.match(rf" *({own})\b(?!:)", line)] == []
    with sqlite3.connect(shared_project / "mlflow.db") as database:
        logged = dict(database.execute("select key, value from metrics").fetchall())
    assert logged["test/accuracy"] == metrics(folder / "test")["accuracy"]
    [offline] = folder.glob("wandb/offline-run-*/run-*.wandb")
    assert b"mlp-digits-trackers" in offline.read_bytes()
    assert list(folder.glob("tensorboard/mlp-digits-trackers/events*"))
    assert digest(folder / "model.safetensors") == digest(reference / "model.safetensors")


@pytest.mark.parametrize("tracker", ["wandb", "tensorboard"])
def test_a_tracker_that_is_not_installed_is_told_in_one_sentence(shared_project: Path, tracker: str) -> None:
    missing = run(f"python train.py tracking=[{tracker}]", shared_project, check=False)
    assert missing.returncode == 1
    assert f"pip install -e '.[{tracker}]'" in missing.stderr


def test_a_hidden_cause_is_told_in_one_sentence(shared_project: Path) -> None:
    before = set(shared_project.glob("outputs/**/*"))
    wrong = run("python train.py data=breast_cancer tracking=none", shared_project, check=False)
    assert wrong.returncode == 1
    assert "choose model=mlp" in wrong.stderr
    elsewhere = run("python train.py hydra.job.chdir=true", shared_project, check=False)
    assert "hydra.job.chdir=true" in elsewhere.stderr
    assert set(shared_project.glob("outputs/**/*")) == before
    large = run("python train.py training.batch_size=5000 tracking=none", shared_project, check=False)
    assert "training.batch_size=5000 is larger than" in large.stderr
    lost = run("python evaluate.py run=outputs/nowhere", shared_project, check=False)
    assert "run=outputs/nowhere is not the folder of a run; the newest that is finished is run=" in lost.stderr


FROM_PYTHON = """
import csv
from pathlib import Path
from reproml.evaluation import figures
from reproml.evaluation.history import points
from reproml.serving.predictor import Predictor
figure = figures.learning_curves(Path("outputs/profiled/metrics.csv"))
drawn = [line.get_xdata().tolist() for axes in figure.axes for line in axes.lines]
rows = list(csv.DictReader(open("outputs/profiled/metrics.csv")))
assert [x for x, _ in points(rows, "train/loss")] == [int(row["epoch"]) for row in rows] == [0, 1]
assert drawn == [[0, 1]] * 4, drawn
assert Predictor("outputs/profiled").interface == Predictor(Path("outputs/profiled")).interface
# one line an epoch, whatever a task logs and however much
from reproml.training.console import epoch_line
logged = {"train/accuracy": 0.5, "train/loss": 1.25}, {"validation/accuracy": 0.75, "validation/loss": 1.5}
assert epoch_line(3, *logged, 0.04) == (
    "epoch 3: train loss 1.2500; validation loss 1.5000, accuracy 0.7500 (0.0 s)"
)
assert epoch_line(0, {"dice": 0.5}, {"val_loss": 2.0}, 1.0) == "epoch 0: dice 0.5000, val_loss 2.0000 (1.0 s)"
assert epoch_line(0, {}, {}, 1.0) == "epoch 0: nothing logged (1.0 s)"
assert epoch_line(0, {}, {f"v/{n}": n / 2 for n in range(9)}, 1.0).endswith("5 2.5000; 3 more in metrics.csv (1.0 s)")
# a record takes the progress bar off the line that it is written on
import io, logging, sys
from lightning.pytorch.callbacks.progress.tqdm_progress import Tqdm
from reproml.logs import ConsoleLines
sys.stdout, printed = io.StringIO(), sys.stdout
bar = Tqdm(total=9, file=sys.stdout, ncols=40, mininterval=0)
bar.update(3)
ConsoleLines().handle(logging.makeLogRecord({"msg": "a long message " * 20, "levelno": logging.WARNING}))
said, sys.stdout = sys.stdout.getvalue(), printed
before, line, after = said.rpartition("warning: " + "a long message " * 20 + chr(10))
assert line and before.rpartition(chr(13))[0].endswith(" ") and "3/9" in after, repr(said)
"""


def test_a_profile_fits_a_terminal_and_epochs_count_from_0_everywhere(shared_project: Path) -> None:
    arguments = "debug=profile model=mlp training.epochs=2 data.train_examples=200 hydra.run.dir=outputs/profiled"
    said = run(f"python train.py {arguments}", shared_project).stdout
    table = (shared_project / "outputs" / "profiled" / "profile.txt").read_text()
    assert table in said
    assert max(map(len, table.splitlines())) <= 80
    assert re.search(r"^ +[\d.]+ +\d+ % +[1-9]\d*  Classification.optimizer_step$", table, re.MULTILINE)
    assert "epoch 0: " in said and "epoch 1: " in said and "epoch 2: " not in said
    assert "finished    outputs/profiled in 0:" in said and "python -m my_project verify profiled" in said
    assert "%|" not in said and "\x1b" not in said  # neither a progress bar nor a color: this is not a terminal
    run(f"python -c '{FROM_PYTHON}'", shared_project, PYTHONPATH="src")


@pytest.mark.parametrize(
    ("number", "workers", "code"),
    [(signal.SIGINT, 0, 130), (signal.SIGTERM, 0, 143), (signal.SIGTERM, 2, 143)],  # which get the signal, too
)
def test_a_signal_ends_a_run_with_its_code(shared_project: Path, number: int, workers: int, code: int) -> None:
    name = f"signal{number}-{workers}"
    endless = f"{SHORT} training.epochs=10000 data.num_workers={workers} hydra.run.dir=outputs/{name}"
    process = start(shared_project, endless)
    history = shared_project / "outputs" / name / "metrics.csv"
    while not history.exists() and process.poll() is None:
        time.sleep(0.05)
    errors = stop(process, number)
    assert process.returncode == code
    assert errors.strip().endswith("error: interrupted")
    assert not (history.parent / "model.safetensors").exists()


def test_a_command_works_from_another_folder(shared_project: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    (here / ".venv").mkdir(parents=True)
    python = shared_project / ".venv" / "bin" / "python"
    run(f"{python} '{shared_project}/train.py' {SHORT} hydra.run.dir=outputs/elsewhere", here)
    assert (shared_project / "outputs" / "elsewhere" / "model.safetensors").exists()
    assert [path.name for path in here.iterdir()] == [".venv"]
