"""A real Slurm cluster for the tests: a controller and two nodes on this machine, with a key and socket of its own."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from loopback import free_port, until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol")

# Without accounting, sacct knows nothing, and submitit waits for ever for a job that was cancelled. This answers what
# submitit asks from the controller's memory.
_SACCT = r"""#!/bin/bash
echo "JobID|State|NodeList"
while [ $# -gt 0 ]; do
    if [ "$1" = -j ]; then
        scontrol -o show job "$2" 2>/dev/null | while read -r line; do
            field() { grep -oP "(?<= $1=)\S+" <<<" $line" | head -1; }
            id=$(field ArrayJobId)
            task=$(field ArrayTaskId)
            id=${id:-$(field JobId)}
            echo "$id${task:+_$task}|$(field JobState)|$(field NodeList)"
        done
        shift
    fi
    shift
done
"""

_CONF = """
ClusterName=tests
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
TaskProlog={folder}/prolog
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
SlurmdParameters=config_overrides
SwitchType=switch/none
ReturnToService=2
JobRequeue=1
MinJobAge=600
KillWait=5
OverTimeLimit=0
InactiveLimit=0
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{second}] CPUs=4 CoresPerSocket=4 RealMemory=2000
PartitionName=main Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=60
PartitionName=hasty Nodes=n[1-2] MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=0
PartitionName=urgent Nodes=n[1-2] MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


def missing() -> str | None:
    """Return why no cluster can be started here, or None."""
    lacking = [name for name in PROGRAMS if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")]
    if lacking:
        return f"{', '.join(lacking)} not installed: apt-get install slurm-wlm munge"
    return None if os.geteuid() == 0 else "slurmd starts jobs as root only"


@dataclass
class Cluster:
    """A running cluster, and the environment in which its commands find it."""

    folder: Path
    environment: dict[str, str]
    nodes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)  # the daemon of each

    def call(self, *command: str) -> str:
        """Return what one of Slurm's commands prints."""
        done = subprocess.run(command, env={**os.environ, **self.environment}, capture_output=True, text=True)
        assert done.returncode == 0, f"{command} exited with {done.returncode}: {done.stderr}"
        return done.stdout

    def job(self, number: str) -> dict[str, str]:
        """Return what the controller knows of a job."""
        words = self.call("scontrol", "-o", "show", "job", number).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def state(self, number: str) -> str:
        """Return the state of a job: PENDING, RUNNING, COMPLETED, FAILED, ..."""
        return self.job(number)["JobState"]

    def ended(self, number: str, seconds: float = 90) -> str:
        """Wait for the end of a job and return its state. One that is queued again starts at once."""

        def is_over() -> bool:
            job = self.job(number)
            if job["JobState"] == "PENDING" and int(job["Restarts"]) and job["Reason"] != "Resources":
                self.start_now(number)
            return job["JobState"] not in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "REQUEUED")

        until(is_over, seconds, every=0.2)
        return self.state(number)

    def start_now(self, number: str) -> None:
        """Start a job that waits for its time, as it does for two minutes after it was queued again.

        What its earlier start still reports, as its processes end, Slurm would take for the end of the new one.
        """
        time.sleep(3)
        command = ["scontrol", "update", f"JobId={number}", "StartTime=now"]
        subprocess.run(command, env={**os.environ, **self.environment}, capture_output=True)

    def break_down(self, node: str, job: str) -> None:
        """Kill all of a job on a node, and the node's daemon, and say so, as Slurm does when it no longer answers."""
        listed = self.call("scontrol", "listpids", job, node).splitlines()[1:]
        tasks = {int(line.split()[0]) for line in listed}
        managers = {int(Path(f"/proc/{task}/stat").read_text().rpartition(")")[2].split()[1]) for task in tasks}
        self.nodes[node].kill()
        for process in (*(managers - tasks), *tasks):  # who would report the end of the tasks first
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.call("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=failed")


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Start a cluster whose files lie in a folder, and stop its daemons, each by its own number."""
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    for name in ("state", "spool-n1", "spool-n2", "bin"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    (folder / "prolog").write_text(
        "#!/bin/sh\necho export MASTER_ADDR=127.0.0.1\n"
    )  # the names of the nodes are not hosts
    (folder / "bin" / "sacct").write_text(_SACCT)
    for script in (folder / "prolog", folder / "bin" / "sacct"):
        script.chmod(0o755)
    first = free_port()
    ports = {"controller": free_port(), "first": first, "second": first + 1}
    conf = folder / "slurm.conf"
    conf.write_text(_CONF.format(folder=folder, user="root", host=socket.gethostname().partition(".")[0], **ports))
    environment = {
        "SLURM_CONF": str(conf),
        "PATH": f"{folder}/bin:{os.environ['PATH']}:/usr/sbin",
    }
    found = Cluster(folder, environment)
    munged = ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket", f"--key-file={key}"]
    munged += [
        f"--pid-file={folder}/munged.pid",
        f"--log-file={folder}/munged.log",
        f"--seed-file={folder}/munged.seed",
    ]
    daemons = [munged, ["slurmctld", "-D"], ["slurmd", "-D", "-N", "n1"], ["slurmd", "-D", "-N", "n2"]]
    started: list[subprocess.Popen[bytes]] = []
    try:
        for command in daemons:
            with (folder / f"{command[0]}-{len(started)}.out").open("wb") as output:
                started.append(
                    subprocess.Popen(
                        command, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT,
                        stdin=subprocess.DEVNULL,
                    )
                )  # fmt: skip
            if command[0] == "slurmd":
                found.nodes[command[-1]] = started[-1]
            if command is munged:
                until((folder / "munge.socket").exists, 10)
        until(lambda: _idle(found) == 2, 30)
        yield found
    finally:
        _cancel_all(found)
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _idle(found: Cluster) -> int:
    command = ["sinfo", "-h", "-N", "-p", "main", "-o", "%t"]
    done = subprocess.run(command, env={**os.environ, **found.environment}, capture_output=True, text=True)
    return done.stdout.split().count("idle")


def _cancel_all(found: Cluster) -> None:
    """End the jobs that a failed test has left, so that no process of theirs outlives the cluster."""
    environment = {**os.environ, **found.environment}
    subprocess.run(["scancel", "--signal=KILL", "--user=root"], env=environment, capture_output=True)
    subprocess.run(["scancel", "--user=root"], env=environment, capture_output=True)
    for _ in range(20):
        left = subprocess.run(["squeue", "-h"], env=environment, capture_output=True, text=True).stdout
        if not left.strip():
            return
        time.sleep(0.5)
