"""Trainings as jobs of a real Slurm cluster: whatever happens to a job, its run ends with the same bits."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import slurm
from conftest import run
from loopback import until
from runs import documented, outcome, record, train

pytestmark = pytest.mark.slow
# Long enough to be stopped in; the points of every 30 seconds never come, so each is one that a signal has caused.
LONG = "tracking=none model=mlp model.dropout=0.2 training.batch_size=256 training.epochs=250"
EACH_SECOND = "callbacks.resume_point.every_seconds=1"
TWO_NODES = "trainer=ddp trainer.devices=1 trainer.num_nodes=2"  # as docs/cluster.md says


@pytest.fixture(scope="module")
def environment(full_environment: Path) -> Path:
    """Return an environment with the extra `slurm`."""
    return full_environment


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[slurm.Cluster]:
    """Return one cluster for all tests of this file."""
    if reason := slurm.missing():
        pytest.skip(reason)
    with slurm.cluster(tmp_path_factory.mktemp("slurm") / "cluster") as started:
        yield started


@pytest.fixture(scope="module")
def reference(shared_project: Path) -> Path:
    """Return the same run outside of the cluster, and not interrupted."""
    return train(shared_project, LONG, "reference")


def command(cluster: slurm.Cluster, project: Path, line: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command line where Slurm's commands find the cluster."""
    path = f"{project}/.venv/bin:{cluster.environment['PATH']}"
    return run(line, project, check=check, **{**cluster.environment, "PATH": path})


def submit(cluster: slurm.Cluster, project: Path, arguments: str, options: str = "") -> tuple[str, Path]:
    """Submit scripts/train.sbatch, and return the job's number and its run's folder."""
    line = documented(project, "cluster.md", "sbatch scripts/train.sbatch").replace("training.lr=0.01", arguments)
    job = command(cluster, project, line.replace("sbatch", f"sbatch --parsable {options}", 1)).stdout.strip()
    return job, project / "outputs" / f"slurm-{job}"


def log_of(project: Path, job: str) -> str:
    return (project / f"slurm-{job}.log").read_text()


def trains(folder: Path, epochs: int = 3) -> None:
    """Wait until a run has trained for some epochs."""
    history = folder / "metrics.csv"
    until(lambda: history.exists() and len(history.read_text().splitlines()) > epochs, 120)


def went_on(folder: Path) -> None:
    """Check that a run was interrupted inside its training, once, and went on from there."""
    batches = [session["from_batch"] for session in record(folder)["sessions"]]
    assert batches[0] == 0
    assert len(batches) == 2
    assert batches[1] > 0


def test_a_job_goes_on_when_its_time_is_up(cluster: slurm.Cluster, shared_project: Path) -> None:
    """Slurm itself sends the signal of scripts/train.sbatch, 120 seconds before the limit: here after some seconds.

    The job is not started again for ever.
    """
    endless = f"{LONG} training.epochs=100000 callbacks.resume_point.max_restarts=1"
    job, folder = submit(cluster, shared_project, endless, "--time=60")
    trains(folder)
    cluster.call("scontrol", "update", f"JobId={job}", "TimeLimit=2")
    until(lambda: cluster.job(job)["Restarts"] == "1", 90, every=0.2)
    until(lambda: cluster.state(job) == "PENDING", every=0.2)
    cluster.start_now(job)
    until(lambda: len(record(folder)["sessions"]) == 2, 90, every=0.2)
    cluster.call("scancel", "--signal=USR1", job)
    assert cluster.ended(job) == "FAILED"
    went_on(folder)
    said = log_of(shared_project, job)
    assert f"saved before job {job} has to end" in re.sub(r"\s+", " ", said)
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert f"job {job} was started again 1 times, which callbacks.resume_point.max_restarts=1 limits" in errors[0]


def test_a_job_that_others_go_before_goes_on(cluster: slurm.Cluster, shared_project: Path, reference: Path) -> None:
    """Preempted by a job of a partition with a higher priority; Slurm queues it again by itself."""
    job, folder = submit(cluster, shared_project, LONG)
    trains(folder)
    urgent = command(
        cluster, shared_project, "sbatch --parsable --partition=urgent --nodes=2 --exclusive --wrap true"
    ).stdout.strip()
    assert cluster.ended(urgent) == "COMPLETED"
    assert cluster.ended(job) == "COMPLETED"
    assert cluster.job(job)["Restarts"] == "1"
    went_on(folder)
    assert outcome(folder) == outcome(reference)


def test_a_job_that_is_killed_for_others_goes_on(cluster: slurm.Cluster, shared_project: Path, reference: Path) -> None:
    """Preempted in a partition that gives no grace time: from the newest resume point."""
    job, folder = submit(cluster, shared_project, f"{LONG} {EACH_SECOND}", "--partition=hasty")
    until(lambda: any(folder.glob("checkpoints/resume-*.ckpt")), 120)
    urgent = command(
        cluster, shared_project, "sbatch --parsable --partition=urgent --nodes=2 --exclusive --wrap true"
    ).stdout.strip()
    assert cluster.ended(urgent) == "COMPLETED"
    assert cluster.ended(job) == "COMPLETED"
    went_on(folder)
    assert "saved before" not in log_of(shared_project, job)
    assert outcome(folder) == outcome(reference)


def test_processes_on_two_nodes(cluster: slurm.Cluster, shared_project: Path) -> None:
    """The same bits as two processes on one machine, also when they are told to stop and are queued again."""
    arguments = f"{LONG} training.epochs=30"
    printed = documented(shared_project, "cluster.md", "sbatch --nodes=2")
    assert printed == f"sbatch --nodes=2 scripts/train.sbatch {TWO_NODES}"
    alone = train(shared_project, f"{arguments} trainer=ddp", "two-processes")
    job, folder = submit(cluster, shared_project, f"{arguments} {TWO_NODES}", "--nodes=2 --job-name=bash")
    trains(folder)
    cluster.call("scancel", "--signal=USR1", job)
    assert cluster.ended(job) == "COMPLETED"
    went_on(folder)
    assert outcome(folder) == outcome(alone)
    assert not list(folder.glob("checkpoints/resume-*"))


def test_a_cancelled_job_leaves_a_run_that_goes_on(
    cluster: slurm.Cluster, shared_project: Path, reference: Path
) -> None:
    job, folder = submit(cluster, shared_project, LONG)
    trains(folder)
    cluster.call("scancel", job)
    assert cluster.ended(job) == "CANCELLED"
    second, _ = submit(cluster, shared_project, f"resume={folder.relative_to(shared_project)}")
    assert cluster.ended(second) == "COMPLETED"
    went_on(folder)
    assert outcome(folder) == outcome(reference)


def test_a_sweep_is_an_array_of_jobs(cluster: slurm.Cluster, shared_project: Path, reference: Path) -> None:
    """One of its jobs reaches its time limit, and resumes. Another seed ends with other bits."""
    environment = {**os.environ, **cluster.environment}
    environment["PATH"] = f"{shared_project}/.venv/bin:{cluster.environment['PATH']}"
    line = documented(shared_project, "cluster.md", "python train.py -m hydra/launcher=slurm")
    sweep = line.replace("training.lr=0.01,0.001", f"{LONG} seed=42,1 hydra.sweep.dir=outputs/sweep")
    process = subprocess.Popen(
        sweep.split(), cwd=shared_project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        process_group=0,
    )  # fmt: skip
    try:
        first, second = (shared_project / "outputs" / "sweep" / name for name in "01")
        trains(first)
        array = next((first.parent / ".submitit").glob("*_0")).name
        cluster.call("scancel", "--signal=USR2", array)
        until(lambda: cluster.job(array)["Restarts"] == "1", every=0.2)
        until(lambda: cluster.job(array)["JobState"] == "PENDING", every=0.2)
        cluster.start_now(array)
        said = process.communicate(timeout=120)[0]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert process.returncode == 0, said
    went_on(first)
    assert outcome(first) == outcome(reference)
    assert all(outcome(second)[name] != value for name, value in outcome(reference).items())


def test_a_job_that_fails_says_why(cluster: slurm.Cluster, shared_project: Path) -> None:
    for arguments, options, sentence in (
        ("training.lr=-1", "", "error: training.lr=-1.0 is out of range"),
        (
            "trainer=ddp trainer.devices=1",
            "--ntasks=2 --ntasks-per-node=2 --nodes=1",
            "give trainer=ddp trainer.devices=2",
        ),
        (TWO_NODES, "", "error: trainer.num_nodes=2 needs torchrun or srun to start processes on each"),
        (
            "trainer=ddp",
            "--nodes=2",
            "give trainer=ddp trainer.devices=1 trainer.num_nodes=2",
        ),
        ("-m seed=1,2", "--nodes=2", "error: -m is a sweep, which srun starts once for each process"),
        ("-m seed=1,2", "", "error: -m is a sweep, which a job would start over when it is queued again"),
    ):
        job, _ = submit(cluster, shared_project, f"tracking=none {arguments}", options)
        assert cluster.ended(job) == "FAILED"
        errors = [line for line in log_of(shared_project, job).splitlines() if line.startswith("error: ")]
        assert errors
        assert all(sentence in line for line in errors), errors
    sweep = "python train.py -m hydra/launcher=slurm tracking=none"
    refused = command(cluster, shared_project, f"{sweep} training.lr=-1 hydra.sweep.dir=outputs/none", check=False)
    assert refused.stderr.splitlines()[-1].startswith("error: training.lr=-1.0 is out of range")
    assert not (shared_project / "outputs" / "none").exists()  # no job was started
    failed = command(cluster, shared_project, f"{sweep} +model.hiden=1", check=False)  # its class is imported there
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith("error: a run of the sweep failed: model.hiden is not an argu")


def test_a_search_as_an_array_of_jobs(cluster: slurm.Cluster, shared_project: Path) -> None:
    """Two jobs share one study; each trial is trained once."""
    sweep = shared_project / "configs" / "sweep" / "search.yaml"
    sweep.write_text(sweep.read_text().replace("trials: 20", "trials: 3"))
    line = documented(shared_project, "search.md", "sbatch --array")
    line = line.replace("--array=1-4", "--parsable --array=1-2").replace("model=mlp", "model=mlp tracking=[none]")
    job = command(cluster, shared_project, line.replace("python -m", "PYTHONPATH=src python -m")).stdout.strip()
    for task in (1, 2):
        assert cluster.ended(f"{job}_{task}") == "COMPLETED"
    runs = sorted((shared_project / "outputs" / "studies" / "search" / "trials").glob("*/run.json"))
    assert [path.parent.name for path in runs] == ["0000", "0001", "0002"]
    assert {record(path.parent)["status"] for path in runs} == {"finished"}
    assert len({record(path.parent)["weights_sha256"] for path in runs}) == 3


def test_a_run_by_hand_on_a_node(cluster: slurm.Cluster, shared_project: Path) -> None:
    """In a terminal, as docs/cluster.md says: its folder is its own, not that of a job."""
    before = set(shared_project.glob("outputs/*/*/run.json"))
    training = "python train.py debug=fast tracking=none"
    command(cluster, shared_project, f"script --quiet --return --command 'srun --pty bash -c \"{training}\"' /dev/null")
    (written,) = set(shared_project.glob("outputs/*/*/run.json")) - before
    assert re.fullmatch(r"outputs/\d{4}-\d\d-\d\d/[-0-9a-f]+/run.json", str(written.relative_to(shared_project)))
    assert record(written.parent)["status"] == "finished"


def test_a_job_whose_node_fails_goes_on(cluster: slurm.Cluster, shared_project: Path, reference: Path) -> None:
    """The last test of the cluster: it has one node fewer then."""
    job, folder = submit(cluster, shared_project, f"{LONG} {EACH_SECOND}")
    until(lambda: any(folder.glob("checkpoints/resume-*.ckpt")), 120)
    node = cluster.job(job)["BatchHost"]
    cluster.break_down(node, job)
    until(lambda: cluster.job(job)["Restarts"] == "1", every=0.2)
    assert cluster.ended(job) == "COMPLETED"
    assert cluster.job(job)["BatchHost"] != node
    went_on(folder)
    assert outcome(folder) == outcome(reference)
