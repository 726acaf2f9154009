"""Which of several processes this is, and what started them: torchrun, Slurm's srun, or Lightning itself.

All of it is in the environment, so it is known before torch is imported.
"""

import os

from .config.schema import Config
from .errors import ConfigError


def launcher() -> str | None:
    """Return what has started several processes, `torchrun` or `srun`; None: one alone, or those of Lightning."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return "torchrun"
    if "SLURM_STEP_ID" in os.environ and int(os.environ.get("SLURM_NTASKS", "1")) > 1:
        return "srun"
    return None


def rank() -> int:
    """Return the number of this process among all of a run, from 0."""
    name = {"torchrun": "RANK", "srun": "SLURM_PROCID", None: "LOCAL_RANK"}[launcher()]
    return int(os.environ.get(name, "0"))


def started_by_lightning() -> bool:
    """Whether the first process of the run has started this one."""
    return launcher() is None and "LOCAL_RANK" in os.environ


def restarts() -> int:
    """Return how often this job was started again, by torchrun or by Slurm."""
    # of a job that was queued again, torchrun counts from 0
    return max(int(os.environ.get(f"{by}_RESTART_COUNT", "0")) for by in ("TORCHELASTIC", "SLURM"))


def slurm_job() -> str | None:
    """Return the number of the Slurm job that this process works for, or None."""
    return os.environ.get("SLURM_JOB_ID")


def in_job_step() -> bool:
    """Whether Slurm has started this process: not a shell in a job (srun --pty), where runs may follow each other."""
    return "SLURM_STEP_ID" in os.environ and "SLURM_PTY_PORT" not in os.environ


def shared_folder() -> str | None:
    """Return the run folder that the processes of a job have in common, also when the job is started again.

    Each composes its own configuration, and the time in Hydra's usual name would give each a folder of its own.

    Raises:
        ConfigError: the job has no name that all of its processes know.
    """
    if launcher() == "torchrun":
        name = os.environ["TORCHELASTIC_RUN_ID"]
        if name == "none":
            raise ConfigError(
                "these processes share no name for their run folder: torchrun --rdzv-id=<name>, "
                "or hydra.run.dir=outputs/<name>"
            )
        return f"outputs/torchrun-{name}"
    if in_job_step():
        step = os.environ["SLURM_STEP_ID"]
        return f"outputs/slurm-{slurm_job()}" + (f"-{step}" if step != "0" else "")
    return None


def check_processes(config: Config) -> None:
    """Compare the processes that were started with those that the configuration speaks of: others would be waited for.

    Raises:
        ConfigError: they differ, or nothing has started the processes of several nodes.
    """
    devices, nodes = config.trainer["devices"], config.trainer["num_nodes"]
    by = launcher()
    if by is None:
        if nodes > 1:
            raise ConfigError(
                f"trainer.num_nodes={nodes} needs torchrun or srun to start processes on each: see docs/cluster.md"
            )
        return
    started = int(os.environ["WORLD_SIZE" if by == "torchrun" else "SLURM_NTASKS"])
    each = os.environ.get("LOCAL_WORLD_SIZE" if by == "torchrun" else "SLURM_NTASKS_PER_NODE")
    if each is None:
        raise ConfigError(
            f"srun --ntasks={started} does not say how many start on each node: give --ntasks-per-node too"
        )
    if (len(devices) if isinstance(devices, list) else devices, nodes * int(each)) != (int(each), started):
        raise ConfigError(
            f"{by} has started {started} processes, and trainer.devices={devices} trainer.num_nodes={nodes} asks for "
            f"others: give trainer=ddp trainer.devices={each} trainer.num_nodes={started // int(each)}"
        )
