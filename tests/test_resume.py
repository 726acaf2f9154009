"""Whatever the moment of an interruption, the run ends with the same bits."""

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import digest, metrics, run
from reproml.runs import integrity
from runs import OFTEN, SHORT, cores, go_on, interrupted, last_states, outcome, record, start, stop, train

pytestmark = pytest.mark.slow
BASE = f"tracking=none model=mlp model.dropout=0.2 {OFTEN}"
# What a run can be interrupted in, and how many random moments of each are tried.
SERIES = {
    "schedule-per-step": ("training.epochs=75", 6),
    "early-stopping-and-best": (
        "callbacks=early_stopping callbacks.early_stopping.patience=20 training.epochs=150 training.lr=0.001",
        6,
    ),
    "accumulation-and-schedule-per-epoch": (
        "training.epochs=75 training.accumulate=3 training/scheduler=exponential",
        6,
    ),
    "short-epochs": ("training.epochs=150 training.batch_size=256", 6),
    "accumulation-that-never-fits": ("training.epochs=100 training.accumulate=4 callbacks=best", 4),
    "double-precision-portable": ("training.epochs=80 trainer.precision=64-true reproducibility=portable", 4),
    "several-validations-per-epoch": (
        "training.epochs=80 +trainer.val_check_interval=0.3 callbacks=best training/scheduler=cosine",
        6,
    ),
    "workers-and-augmentation": (
        "training.epochs=12 data.num_workers=2 data.shift=1 data.flip=true model=cnn trainer.check_val_every_n_epoch=2",
        6,
    ),
    "two-processes": ("training.epochs=10 trainer=ddp callbacks=early_stopping", 6),
}
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGINT)


def interrupt_once(project: Path, arguments: str, name: str, moment: float, number: int) -> tuple[Path, str, bool]:
    """Interrupt a run, go on with it until it is finished, and return its folder, a line, and whether it had begun.

    The moment is seconds since the start, or, where it is negative, the number of the batch that a resume point shows.
    """
    folder = project / "outputs" / name
    process = start(project, f"{arguments} hydra.run.dir=outputs/{name}")
    began = time.monotonic()
    while process.poll() is None:
        if (moment >= 0 and time.monotonic() - began >= moment) or (moment < 0 and newest_batch(folder) >= -moment):
            break
        time.sleep(0.005)
    running, seconds = process.poll() is None, time.monotonic() - began
    if running:
        stop(process, number)
    process.wait()
    batch = newest_batch(folder)
    at = f"batch {batch}" if batch else "the start"
    if (folder / "run.json").exists():
        at = "its end" if record(folder)["status"] == "finished" else at
        go_on(project, folder)
    else:  # nothing had begun
        run(f"python train.py {arguments} hydra.run.dir=outputs/{name}", project)
    sent = signal.Signals(number).name if running else "finished before"
    return folder, f"{seconds:5.1f} s  {sent:15}  went on from {at}", batch > 0


def newest_batch(folder: Path) -> int:
    """Return the batch of the newest resume point, or 0."""
    return max((int(path.name.split("-")[1]) for path in folder.glob("checkpoints/resume-*.ckpt")), default=0)


@pytest.mark.parametrize("case", SERIES)
def test_a_run_interrupted_at_any_moment_ends_with_the_same_bits(
    shared_project: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, count = f"{BASE} {SERIES[case][0]}", SERIES[case][1]
    began = time.monotonic()
    reference = train(shared_project, arguments, case)
    whole = time.monotonic() - began
    batches = len([line for line in (reference / "trail.jsonl").read_text().splitlines() if line.startswith("[")])
    random_number = random.Random(case).random  # the same moments each time, as far as the machine's speed allows
    # One moment in each part of the run, so that none is left out: in turn by the clock, which counts the start of
    # Python too, and by the progress of the training.
    parts = [(part + random_number()) / count for part in range(count)]
    moments = [share * whole if part % 2 == 0 else -max(1, share * batches * 0.95) for part, share in enumerate(parts)]
    with ThreadPoolExecutor(cores()) as pool:
        tries = [
            pool.submit(interrupt_once, shared_project, arguments, f"{case}-{n}", moment, SIGNALS[n % len(SIGNALS)])
            for n, moment in enumerate(moments)
        ]
    results = [each.result() for each in tries]
    states = last_states(shared_project, [reference, *(folder for folder, _, _ in results)])
    same = [outcome(folder) == outcome(reference) and states[folder] == states[reference] for folder, _, _ in results]
    with capsys.disabled():
        print(f"\n{case}: {sum(same)} of {count} identical (weights, optimizer, schedule, metrics, trail, predictions)")
        for (_, line, _), equal in zip(results, same, strict=True):
            print(f"  {line:60} {'identical' if equal else 'DIFFERS'}")
    assert all(same)
    assert sum(inside for _, _, inside in results) >= count // 3  # not all of them before the training began


def test_the_series_has_fifty_moments() -> None:
    assert sum(count for _, count in SERIES.values()) >= 50


@pytest.fixture(scope="module")
def reference(shared_project: Path) -> Path:
    """Return a run that others are compared with."""
    return train(shared_project, f"{BASE} training.epochs=20", "reference")


def stopped(project: Path, name: str) -> Path:
    """Return the folder of the same run, killed after at least two resume points."""
    return interrupted(project, f"{BASE} training.epochs=20", name)


def test_another_seed_ends_with_other_bits(shared_project: Path, reference: Path) -> None:
    other = train(shared_project, f"{BASE} training.epochs=20 seed=1", "other-seed")
    assert all(outcome(other)[name] != value for name, value in outcome(reference).items())
    assert len(set(last_states(shared_project, [reference, other]).values())) == 2


@pytest.mark.parametrize("damage", ["truncated", "one bit", "emptied"])
def test_a_damaged_resume_point_is_passed_over(shared_project: Path, reference: Path, damage: str) -> None:
    folder = stopped(shared_project, f"damage-{damage.replace(' ', '-')}")
    newest = max(folder.glob("checkpoints/resume-*.ckpt"))
    good = newest.read_bytes()
    middle = len(good) // 2
    flipped = good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :]
    newest.write_bytes({"truncated": good[:middle], "one bit": flipped, "emptied": b""}[damage])
    said = go_on(shared_project, folder)
    assert f"{newest.name}isdamaged" in re.sub(r"\s", "", said)  # the console breaks lines
    assert record(folder)["sessions"][-1]["from_batch"] > 0
    assert outcome(folder) == outcome(reference)


def test_without_a_whole_resume_point_the_run_begins_again(shared_project: Path, reference: Path) -> None:
    folder = stopped(shared_project, "all-damaged")
    for path in folder.glob("checkpoints/resume-*.ckpt"):
        path.write_bytes(b"")
    go_on(shared_project, folder)
    assert outcome(folder) == outcome(reference)


def test_a_run_that_was_moved_goes_on(shared_project: Path) -> None:
    arguments = f"{BASE} training.epochs=20 callbacks=best"
    reference = train(shared_project, arguments, "not-moved")
    folder = interrupted(shared_project, arguments, "before-moving")
    moved = folder.rename(folder.with_name("it's moved, here"))
    run(f'python train.py "resume=outputs/{moved.name}"', shared_project)
    assert outcome(moved) == outcome(reference)
    assert integrity.finished(moved, needs=integrity.EVERYTHING)["config"]["paths"]["run"] == f"outputs/{moved.name}"


def test_a_finished_run_has_nothing_left_to_do(shared_project: Path, reference: Path) -> None:
    before = outcome(reference)
    assert "nothing left to do" in go_on(shared_project, reference)
    assert outcome(reference) == before
    assert not list(reference.glob("checkpoints/resume-*"))


def test_a_run_cannot_go_on_with_other_settings_or_code(shared_project: Path, reference: Path) -> None:
    folder = stopped(shared_project, "changed")
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
    """Inside an epoch; the end of one and a validation are short here, but can be hit, so it is tried a few times."""
    long = "tracking=none model=mlp training.epochs=100000 training.batch_size=4"
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
    train_there = f"python train.py {BASE} training.epochs=20 hydra.run.dir=outputs/full"
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
    tracked = f"{BASE} training.epochs=20".replace("tracking=none", "tracking=mlflow")
    folder = interrupted(shared_project, tracked, "tracked")
    go_on(shared_project, folder)
    with sqlite3.connect(shared_project / "mlflow.db") as database:
        runs = database.execute("select run_uuid, status from runs").fetchall()
        values = dict(database.execute("select key, value from metrics").fetchall())
    assert [status for _, status in runs] == ["FINISHED"]
    assert values["test/accuracy"] == metrics(folder / "test")["accuracy"]


def test_the_pipeline_goes_on_after_an_interruption(project: Path) -> None:
    (project / "configs" / "training" / "default.yaml").write_text(
        (project / "configs" / "training" / "default.yaml").read_text().replace("epochs: 30", "epochs: 40")
    )
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
    run("dvc repro", project)
    assert [session["from_batch"] > 0 for session in record(project / "models")["sessions"]] == [False, True]
    went_on = outcome_of_pipeline(project)
    shutil.rmtree(project / "models" / "checkpoints")
    run("dvc repro --force --single-item train", project)
    assert outcome_of_pipeline(project) == went_on


def outcome_of_pipeline(project: Path) -> list[str]:
    return [digest(project / "models" / name) for name in ("model.safetensors", "metrics.csv", "trail.jsonl")]


def test_finetune_takes_the_weights_only(shared_project: Path, reference: Path) -> None:
    short = f"{SHORT} model.dropout=0.2"
    arguments = f"{short} restore.run=outputs/reference"
    tuned = train(shared_project, f"{arguments} restore=finetune", "finetuned")
    hot = train(shared_project, f"{arguments} restore=hotstart", "hotstarted")
    fresh = train(shared_project, short, "fresh")
    assert len({digest(folder / "model.safetensors") for folder in (tuned, hot, fresh)}) == 3
    rows = [(folder / "metrics.csv").read_text().splitlines() for folder in (tuned, fresh)]
    losses = [float(first.split(",")[header.split(",").index("train/loss")]) for header, first, *_ in rows]
    assert losses[0] < losses[1] / 2
    assert record(tuned)["restored"]["sha256"] == record(reference)["model_sha256"]
    assert len((tuned / "metrics.csv").read_text().splitlines()) == 3  # epochs are counted anew


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
    earlier = f"{BASE} training.epochs=20 restore.run=outputs/reference"
    for more, sentence in {
        "restore=continue training.lr=0.1": "training.lr=0.1 cannot be changed with restore=continue",
        "restore=continue training.epochs=40": "as with training/scheduler=none, can be made longer",
        "restore=finetune seed=7": "seed=7 splits the data in another way",
        "restore=hotstart data.test_fraction=0.3": "data.test_fraction=0.3 splits the data",
        "restore=hotstart training/optimizer=sgd": "_target_=torch.optim.SGD cannot take over the state of ",
        "restore=hotstart model.hidden=[64] 'restore.skip=[network]'": "has the optimizer's state of ",
        "restore=continue": "training.epochs=20 leaves nothing to train, since outputs/reference has trained 20",
        "restore=hotstart resume=auto hydra.run.dir=outputs/reference": "is the folder of this run",
    }.items():
        refused = run(f"python train.py {earlier} {more}", shared_project, check=False)
        assert refused.returncode == 1
        assert sentence in refused.stderr
    last = reference / "checkpoints" / "last.ckpt"
    good = last.read_bytes()
    try:
        last.write_bytes(good[: len(good) // 2] + bytes([good[len(good) // 2] ^ 1]) + good[len(good) // 2 + 1 :])
        refused = run(f"python train.py {earlier} restore=hotstart", shared_project, check=False)
    finally:
        last.write_bytes(good)
    assert refused.returncode == 1
    assert "last.ckpt is damaged" in refused.stderr


def test_hotstart_leaves_out_a_layer_of_another_size(shared_project: Path, reference: Path) -> None:
    arguments = f"{SHORT} model.dropout=0.2 model.hidden=[64,128,32] restore=hotstart restore.run=outputs/reference"
    train(shared_project, f"{arguments} 'restore.skip=[network.9,network.10,network.13]'", "hotstart-skipped")


def test_continue_takes_over_an_interrupted_run(shared_project: Path, reference: Path) -> None:
    stopped(shared_project, "left-behind")
    arguments = f"{BASE} training.epochs=20 restore=continue restore.run=outputs/left-behind"
    assert outcome(train(shared_project, arguments, "taken-over")) == outcome(reference)
