"""Whatever the moment of an interruption, the run ends with the same bits."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from conftest import digest, metrics, run
from golden import SHORTEN
from reproml.runs.completed import CompletedRun
from reproml.runs.integrity import EVERYTHING
from runs import OFTEN, SHORT, go_on, interrupted, last_states, outcome, record, start, stop, train

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]
BASE = f"tracking=none model=mlp model.dropout=0.2 {OFTEN}"
LONGER = f"{BASE} training.epochs=8"
# Trainings with what exactness.py interrupts in one process, after every batch; here whole processes are killed.
TRAININGS = {
    "accumulated": "training.epochs=16 training.accumulate=3 training/scheduler=exponential callbacks=best",
    "workers": "training.epochs=6 data.num_workers=2 data.shift=1 data.flip=true model=cnn "
    "trainer.check_val_every_n_epoch=2",
    "processes": "training.epochs=6 trainer=ddp callbacks=early_stopping",
}


def begun(folder: Path) -> bool:
    """Whether the run has a record."""
    return (folder / "run.json").exists()


def newest_batch(folder: Path) -> int:
    """Return the batch of the newest resume point, or 0."""
    return max((int(path.name.split("-")[1]) for path in folder.glob("checkpoints/resume-*.ckpt")), default=0)


def writing(folder: Path) -> bool:
    """Whether a resume point after the first is being written."""
    return newest_batch(folder) > 0 and any(folder.glob("checkpoints/.*.part"))


def is_tested(folder: Path) -> bool:
    """Whether the training is over: the model is there, and its test is running."""
    return (folder / "model.safetensors").exists()


# The moment, the signal, and what is there when it is sent
MOMENTS = {
    "import": ("accumulated", signal.SIGKILL, lambda folder: True),
    "beginning": ("accumulated", signal.SIGKILL, begun),
    "point": ("accumulated", signal.SIGKILL, writing),
    "batch": ("accumulated", signal.SIGINT, lambda folder: newest_batch(folder) > 60),
    "teardown": ("accumulated", signal.SIGKILL, is_tested),
    "workers": ("workers", signal.SIGKILL, lambda folder: newest_batch(folder) > 50),
    "terminated": ("workers", signal.SIGTERM, lambda folder: newest_batch(folder) > 30),
    "processes": ("processes", signal.SIGKILL, lambda folder: newest_batch(folder) > 20),
    "processes-terminated": ("processes", signal.SIGTERM, lambda folder: newest_batch(folder) > 40),
}


@pytest.fixture(scope="module")
def whole(shared_project: Path) -> dict[str, Path]:
    """Return the trainings, not interrupted."""
    return {name: train(shared_project, f"{BASE} {more}", f"whole-{name}") for name, more in TRAININGS.items()}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_ends_with_the_same_bits(shared_project: Path, whole: dict[str, Path], moment: str) -> None:
    name, number, reached = MOMENTS[moment]
    arguments, folder = f"{BASE} {TRAININGS[name]} hydra.run.dir=outputs/{moment}", shared_project / "outputs" / moment
    process = start(shared_project, arguments, plain=moment == "import")
    if moment == "import":  # Python has begun, and has read hydra, but not torch
        time.sleep(0.5)
    while not reached(folder):
        assert process.poll() is None, "it came to its end before"
        time.sleep(0.001)
    stop(process, number)
    assert process.returncode, "it came to its end before"
    if (folder / "run.json").exists():
        assert record(folder)["status"] == "running"
        go_on(shared_project, folder)
    else:
        assert moment == "import", "nothing had begun"
        run(f"python train.py {arguments}", shared_project)
    batches = [session["from_batch"] > 0 for session in record(folder)["sessions"]]
    assert batches == {"import": [False], "beginning": [False, False]}.get(moment, [False, True])
    states = last_states(shared_project, [whole[name], folder])
    assert outcome(folder) == outcome(whole[name])
    assert states[folder] == states[whole[name]]


@pytest.fixture(scope="module")
def reference(shared_project: Path) -> Path:
    """Return a run that others are compared with."""
    return train(shared_project, LONGER, "reference")


@pytest.fixture(scope="module")
def left(shared_project: Path) -> Path:
    """Return the folder of the same run, killed after at least two resume points."""
    return interrupted(shared_project, LONGER, "left")


def copied(folder: Path, name: str) -> Path:
    """Return a copy of a run: one that was moved."""
    return Path(shutil.copytree(folder, folder.with_name(name)))


def test_another_seed_ends_with_other_bits(shared_project: Path, reference: Path) -> None:
    other = train(shared_project, f"{LONGER} seed=1", "other-seed")
    assert all(outcome(other)[name] != value for name, value in outcome(reference).items())
    assert len(set(last_states(shared_project, [reference, other]).values())) == 2


@pytest.mark.parametrize("damage", ["truncated", "one bit", "emptied"])
def test_a_damaged_resume_point_is_passed_over(shared_project: Path, reference: Path, left: Path, damage: str) -> None:
    folder = copied(left, f"damage-{damage.replace(' ', '-')}")
    newest = max(folder.glob("checkpoints/resume-*.ckpt"))
    good = newest.read_bytes()
    middle = len(good) // 2
    flipped = good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :]
    newest.write_bytes({"truncated": good[:middle], "one bit": flipped, "emptied": b""}[damage])
    said = go_on(shared_project, folder)
    assert f"{newest.name}isdamaged" in re.sub(r"\s", "", said)  # the console breaks lines
    assert record(folder)["sessions"][-1]["from_batch"] > 0
    assert outcome(folder) == outcome(reference)


def test_without_a_whole_resume_point_the_run_begins_again(shared_project: Path, reference: Path, left: Path) -> None:
    folder = copied(left, "all-damaged")
    for path in folder.glob("checkpoints/resume-*.ckpt"):
        path.write_bytes(b"")
    go_on(shared_project, folder)
    assert outcome(folder) == outcome(reference)


def test_a_run_that_was_moved_goes_on(shared_project: Path) -> None:
    arguments = f"{LONGER} callbacks=best"
    reference = train(shared_project, arguments, "not-moved")
    folder = interrupted(shared_project, arguments, "before-moving")
    moved = folder.rename(folder.with_name("it's moved, here"))
    run(f'python train.py "resume=outputs/{moved.name}"', shared_project)
    assert outcome(moved) == outcome(reference)
    assert CompletedRun.read(moved, needs=EVERYTHING).record["config"]["paths"]["run"] == f"outputs/{moved.name}"


def test_a_run_that_is_moved_while_it_trains_ends(shared_project: Path, reference: Path) -> None:
    """Its files would be in two places, and the record of a finished run without its step trace."""
    process = start(shared_project, f"{LONGER} hydra.run.dir=outputs/moving")
    folder = shared_project / "outputs" / "moving"
    while not newest_batch(folder):
        assert process.poll() is None
        time.sleep(0.01)
    moved = folder.rename(folder.with_name("moved-meanwhile"))
    assert "outputs/moving was moved or removed while the run trained" in process.communicate()[1]
    assert process.wait() == 1
    assert not folder.exists()
    go_on(shared_project, moved)
    assert outcome(moved) == outcome(reference)


def test_a_finished_run_has_nothing_left_to_do(shared_project: Path, reference: Path) -> None:
    before = outcome(reference)
    assert "nothing left to do" in go_on(shared_project, reference)
    assert outcome(reference) == before
    assert not list(reference.glob("checkpoints/resume-*"))


def test_a_run_cannot_go_on_with_other_settings_or_code(shared_project: Path, reference: Path, left: Path) -> None:
    folder = copied(left, "changed")
    resume = f"python train.py resume={folder.relative_to(shared_project)}"
    asked = run(f"{resume} training.lr=0.1", shared_project, check=False)
    assert asked.returncode == 1
    assert "restore=continue" in asked.stderr
    source = next((shared_project / "src").glob("*/models/mlp.py"))
    good = source.read_text()
    try:
        source.write_text(good + "\n# a remark\n")
        refused = run(resume, shared_project, check=False)
    finally:
        source.write_text(good)
    assert refused.returncode == 1
    assert "models/mlp.py changed" in refused.stderr
    configuration = shared_project / "configs" / "training" / "default.yaml"
    good = configuration.read_text()
    try:
        configuration.write_text(good.replace("lr: 0.003", "lr: 0.004"))
        refused = run(resume, shared_project, check=False)
    finally:
        configuration.write_text(good)
    assert "training.lr was 0.003, is 0.004" in refused.stderr
    go_on(shared_project, folder)
    assert outcome(folder) == outcome(reference)


def test_two_processes_do_not_work_on_one_run(shared_project: Path) -> None:
    process = start(shared_project, f"{BASE} training.epochs=100000 hydra.run.dir=outputs/busy")
    folder = shared_project / "outputs" / "busy"
    while not list(folder.glob("checkpoints/resume-*.ckpt")):
        assert process.poll() is None
        time.sleep(0.05)
    second = run("python train.py resume=outputs/busy", shared_project, check=False)
    stop(process, signal.SIGKILL)
    assert second.returncode == 1
    assert "another process is working on outputs/busy" in second.stderr


def test_sigterm_saves_where_the_run_stands(shared_project: Path) -> None:
    """Inside an epoch; the end of one and a validation are short here, but can be hit, so it is tried a few times.

    The data workers get the signal too, and most moments are between batches whose gradients are added up.
    """
    long = "tracking=none model=mlp training.epochs=100000 training.batch_size=4"
    long += " data.num_workers=2 training.accumulate=8"
    for number in range(5):
        folder = shared_project / "outputs" / f"preempted{number}"
        process = start(shared_project, f"{long} hydra.run.dir=outputs/preempted{number}")
        while not (folder / "metrics.csv").exists():
            assert process.poll() is None
            time.sleep(0.05)
        stop(process, signal.SIGTERM)
        assert process.returncode == 143
        if list(folder.glob("checkpoints/resume-*.ckpt")):  # long before the first of every 30 seconds
            return
    raise AssertionError("no resume point was saved in any try")


def test_a_full_disk_leaves_the_last_good_checkpoint(shared_project: Path, reference: Path) -> None:
    """The run folder is a small file system of its own, in a namespace of its own."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root, which this machine does not give")
    folder = shared_project / "outputs" / "full"
    folder.mkdir(parents=True)
    train_there = f"python train.py {LONGER} hydra.run.dir=outputs/full"
    script = f"""
        mount -t tmpfs -o size=800k small outputs/full
        {train_there} 2> errors && exit 99
        cat errors >&2
        ls outputs/full/checkpoints > seen
        mount -o remount,size=100m outputs/full
        python train.py resume=outputs/full
        cp -r outputs/full outputs/full-copy
    """
    (shared_project / "full.sh").write_text(f"set -eu\n{script}")
    result = run("unshare --mount --propagation private bash full.sh", shared_project)
    assert "the disk is full" in result.stderr
    assert outcome(shared_project / "outputs" / "full-copy") == outcome(reference)


def test_trackers_go_on_with_the_same_run(shared_project: Path) -> None:
    tracked = LONGER.replace("tracking=none", "tracking=mlflow")
    folder = interrupted(shared_project, tracked, "tracked")
    go_on(shared_project, folder)
    with sqlite3.connect(shared_project / "mlflow.db") as database:
        runs = database.execute("select run_uuid, status from runs").fetchall()
        values = dict(database.execute("select key, value from metrics").fetchall())
    assert [status for _, status in runs] == ["FINISHED"]
    assert values["test/accuracy"] == metrics(folder / "test")["accuracy"]


def test_the_pipeline_goes_on_after_an_interruption(project: Path) -> None:
    run(SHORTEN.replace("epochs: 2/", "epochs: 10/"), project)
    callbacks = project / "configs" / "callbacks" / "default.yaml"
    callbacks.write_text(callbacks.read_text().replace("every_seconds: 30", "every_seconds: 0"))
    run("dvc repro configure prepare", project)
    process = subprocess.Popen(
        [project / ".venv" / "bin" / "dvc", "repro"],
        cwd=project,
        env={**os.environ, "PATH": f"{project}/.venv/bin:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    while len(list(project.glob("models/checkpoints/resume-*.ckpt"))) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    stop(process, signal.SIGKILL)
    run("dvc repro train", project)
    assert [session["from_batch"] > 0 for session in record(project / "models")["sessions"]] == [False, True]
    went_on = outcome_of_pipeline(project)
    shutil.rmtree(project / "models" / "checkpoints")
    run("dvc repro --force --single-item train", project)
    assert outcome_of_pipeline(project) == went_on


def outcome_of_pipeline(project: Path) -> list[str]:
    return [digest(project / "models" / name) for name in ("model.safetensors", "metrics.csv", "trace.jsonl")]


def test_finetune_takes_the_weights_only(shared_project: Path, reference: Path) -> None:
    short = f"{SHORT} model.dropout=0.2"
    arguments = f"{short} restore.run=outputs/reference"
    tuned = train(shared_project, f"{arguments} restore=finetune", "finetuned")
    warm = train(shared_project, f"{arguments} restore=warmstart", "warmstarted")
    fresh = train(shared_project, short, "fresh")
    assert len({digest(folder / "model.safetensors") for folder in (tuned, warm, fresh)}) == 3
    rows = [(folder / "metrics.csv").read_text().splitlines() for folder in (tuned, fresh)]
    losses = [float(first.split(",")[header.split(",").index("train/loss")]) for header, first, *_ in rows]
    assert losses[0] < losses[1] / 2
    assert record(tuned)["restored"]["sha256"] == record(reference)["model_sha256"]
    assert len((tuned / "metrics.csv").read_text().splitlines()) == 3  # epochs are counted from 0


def test_pretrained_weights_are_read_once(shared_project: Path, reference: Path) -> None:
    """A resume has them in its resume point: it needs the file no more, and a start without a point sees a change."""
    file = shared_project / "data/external/pretrained.safetensors"
    file.parent.mkdir(exist_ok=True)
    shutil.copy(reference / "model.safetensors", file)
    arguments = f"{BASE} training.epochs=4 restore=finetune restore.run=data/external/pretrained.safetensors"
    whole = train(shared_project, arguments, "pretrained")
    folder = interrupted(shared_project, arguments, "pretrained-interrupted")
    begins = copied(folder, "pretrained-changed")
    file.unlink()
    go_on(shared_project, folder)
    assert outcome(folder) == outcome(whole)
    assert record(folder)["restored"] == record(whole)["restored"]
    assert record(whole)["restored"]["sha256"] == record(reference)["model_sha256"]
    shutil.copy(folder / "model.safetensors", file)
    for point in begins.glob("checkpoints/resume-*"):
        point.unlink()
    refused = run("python train.py resume=outputs/pretrained-changed", shared_project, check=False)
    assert refused.returncode == 1
    assert "restored weights" in refused.stderr
    refused = run("python -m my_project verify outputs/pretrained", shared_project, check=False)
    assert "pretrained.safetensors, which the run was built on, is missing or not the one" in refused.stderr


def test_finetune_names_what_does_not_fit(shared_project: Path, reference: Path) -> None:
    arguments = f"{SHORT} model.dropout=0.2 restore=finetune restore.run=outputs/reference model.hidden=[64,128,32]"
    refused = run(f"python train.py {arguments}", shared_project, check=False)
    assert refused.returncode == 1
    skip = re.search(r"restore\.skip=\[.*?\]", refused.stderr)
    assert skip
    train(shared_project, f"{arguments} 'restore.skip=[network.9,network.10,network.13]'", "skipped")


def test_continue_adds_epochs(shared_project: Path) -> None:
    constant = "tracking=none model=mlp training/scheduler=none"
    train(shared_project, f"{constant} training.epochs=2", "two-epochs")
    more = f"{constant} training.epochs=4 restore=continue restore.run=outputs/two-epochs"
    longer = train(shared_project, more, "two-more")
    straight = train(shared_project, f"{constant} training.epochs=4", "four-epochs")
    assert outcome(longer) == outcome(straight)


def test_what_does_not_fit_an_earlier_run_is_refused(shared_project: Path, reference: Path) -> None:
    earlier = f"{LONGER} restore.run=outputs/reference"
    for more, sentence in {
        "restore=continue training.lr=0.1": "training.lr=0.1 cannot be changed with restore=continue",
        "restore=continue data.shift=1": "data.shift=1 cannot be changed with restore=continue",
        "restore=continue training.epochs=16": "as with training/scheduler=none, can be made longer",
        "restore=finetune seed=7": "seed=7 splits the data in another way",
        "restore=warmstart data.test_fraction=0.3": "data.test_fraction=0.3 splits the data",
        "restore=warmstart training/optimizer=sgd": "_target_=torch.optim.SGD cannot take over the state of ",
        "restore=warmstart model.hidden=[64] 'restore.skip=[network]'": "has the optimizer's state of ",
        "restore=finetune 'restore.skip=[nonexistent]'": "restore.skip names nonexistent, but no tensor name starts",
        "restore=continue": "training.epochs=8 leaves nothing to train, since outputs/reference has already",
        "restore=warmstart resume=auto hydra.run.dir=outputs/reference": "is the folder of this run",
    }.items():
        refused = run(f"python train.py {earlier} {more}", shared_project, check=False)
        assert refused.returncode == 1
        assert sentence in refused.stderr
    last = reference / "checkpoints" / "last.ckpt"
    good = last.read_bytes()
    try:
        last.write_bytes(good[: len(good) // 2] + bytes([good[len(good) // 2] ^ 1]) + good[len(good) // 2 + 1 :])
        refused = run(f"python train.py {earlier} restore=warmstart", shared_project, check=False)
    finally:
        last.write_bytes(good)
    assert refused.returncode == 1
    assert "last.ckpt is damaged" in refused.stderr


def test_warmstart_leaves_out_a_layer_of_another_size(shared_project: Path, reference: Path) -> None:
    arguments = f"{SHORT} model.dropout=0.2 model.hidden=[64,128,32] restore=warmstart restore.run=outputs/reference"
    train(shared_project, f"{arguments} 'restore.skip=[network.9,network.10,network.13]'", "warmstart-skipped")


def test_continue_takes_over_an_interrupted_run(shared_project: Path, reference: Path, left: Path) -> None:
    arguments = f"{LONGER} restore=continue restore.run=outputs/{left.name}"
    assert outcome(train(shared_project, arguments, "taken-over")) == outcome(reference)
