"""Processes that torchrun or srun have started: how Lightning knows them, and how the others wait for the first."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch.distributed import PrefixStore  # type: ignore[attr-defined]  # it is public, and torch's own types forget it
from torch.distributed.rendezvous import rendezvous

from ..config.explain import explain
from ..errors import TrainingError
from ..launch import launcher, rank, restarts


def environment() -> ClusterEnvironment:
    """Return where Lightning finds its processes. It would guess by itself, and wrongly in jobs with some names."""
    if launcher() == "torchrun":
        return TorchElasticEnvironment()
    if launcher() == "srun":
        return SLURMEnvironment(auto_requeue=False)  # resume.py saves where a run can resume with the same bits
    return LightningEnvironment()


@contextmanager
def rank_zero_first() -> Iterator[None]:
    """Have the first process run the body, and then the others, which find its work done.

    Processes that Lightning starts come later anyway.

    Raises:
        TrainingError: in the others, when the first has failed.
    """
    if launcher() is None:
        yield
        return
    _connect()
    if rank():
        if error := _tell(None):
            raise TrainingError(f"process 0 has failed: {error}")
        yield
        return
    try:
        yield
    except Exception as error:
        _tell(explain(error))
        raise
    _tell(None)


def _connect() -> None:
    """Join the processes. Lightning uses this connection too.

    What torchrun stores for them outlives a restart: without names of their own, restarted processes could find the
    addresses of those that were killed, and wait for them.
    """
    found = environment()
    os.environ |= {"MASTER_ADDR": found.main_address, "MASTER_PORT": str(found.main_port)}
    if not dist.is_initialized():
        rank, size = found.global_rank(), found.world_size()
        store, *_ = next(rendezvous("env://", rank, size))
        dist.init_process_group(store=PrefixStore(f"restart-{restarts()}", store), rank=rank, world_size=size)


def _tell(message: str | None) -> str | None:
    """Return the message of the first process."""
    box = [message]
    dist.broadcast_object_list(box, src=0)
    return box[0]
