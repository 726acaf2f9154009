"""Several processes that work on one study: on this machine, or where Ray starts them."""

import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import ConfigError, TrainingError
from ..programs import stop


def on_this_machine(command: list[str], workers: int) -> None:
    """Run a command in so many processes, and wait for all.

    Raises:
        TrainingError: one of them failed; it has said why.
    """
    processes = [subprocess.Popen([sys.executable, *command]) for _ in range(workers)]
    try:
        codes = [process.wait() for process in processes]
    except KeyboardInterrupt:  # the terminal has told them too
        for process in processes:
            process.wait()
        raise
    except SystemExit:  # by SIGTERM, which they have not got
        for process in processes:
            stop(process)
        raise
    _all_well(codes)


def on_ray(command: list[str], workers: int, address: str) -> None:
    """Run a command in so many tasks of a Ray cluster, each with one core, and wait for all.

    Args:
        command: arguments of Python, run in the project's folder, which all machines share at the same path.
        workers: how many tasks.
        address: `host:port` of the cluster's head; `auto` is the cluster that this machine belongs to, and `local`
            starts one on this machine.

    Raises:
        ConfigError: Ray is not installed, or no cluster answers.
        TrainingError: a task failed; it has said why.
    """
    if find_spec("ray") is None:
        raise ConfigError(f"--ray {address} needs the package ray, which is not installed: pip install -e '.[ray]'")
    if ":" in address:
        _check_reachable(address)
    import ray

    here: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False} if address == "local" else {}
    folder = Path.cwd()
    code = {"env_vars": {"PYTHONPATH": str(folder / "src")}}  # a cluster's processes know nothing of this one's
    try:
        ray.init(address=address, runtime_env=code, **here)
    except ConnectionError as error:
        raise ConfigError(
            f"--ray {address} finds no cluster that accepts this process: ray start --head starts one, and one with a "
            "token needs RAY_AUTH_MODE=token here too"
        ) from error
    try:
        task = ray.remote(num_cpus=1)(subprocess.run)
        started = [task.remote([sys.executable, *command], cwd=folder) for _ in range(workers)]
        _all_well([done.returncode for done in ray.get(started)])
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Refuse an address where nothing listens: Ray would wait there without end."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ConfigError(
            f"--ray {address} cannot be reached ({error}): give host:port of the cluster's head"
        ) from error


def _all_well(codes: list[int]) -> None:
    if any(codes):
        raise TrainingError(f"{sum(code != 0 for code in codes)} of {len(codes)} processes failed: see above")
