"""Data workers outlive a SIGTERM that reaches all processes of a run: the training needs them until it has saved."""

import os
import select
import signal
import threading
from collections.abc import Callable

from torch.utils.data import DataLoader

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SECONDS = 30.0  # what schedulers give a process before they kill it


class OutlivingInit:
    """A `worker_init_fn` that has a worker live on after a SIGTERM, until the next signal or for half a minute.

    A scheduler sends the first to each process. The training ends with the batch, and its workers when it has left,
    for which they look every few seconds. One that is stuck then must not keep the training from ending.

    Args:
        own: the user's `worker_init_fn`.
    """

    def __init__(self, own: Callable[[int], None] | None) -> None:
        self.own = own

    def __call__(self, worker: int) -> None:
        receiver, sender = os.pipe()
        os.set_blocking(sender, False)
        signal.signal(signal.SIGTERM, lambda number, frame: None)  # torch's own would end the worker
        signal.set_wakeup_fd(sender, warn_on_full_buffer=False)
        # a thread, since a stuck worker runs no handler
        threading.Thread(target=_end_later, args=(receiver,), daemon=True).start()
        if self.own is not None:
            self.own(worker)


def outlive_sigterm(loader: object) -> None:
    """Give a loader's workers such a `worker_init_fn`, if it has any."""
    if isinstance(loader, DataLoader) and loader.num_workers and not isinstance(loader.worker_init_fn, OutlivingInit):
        loader.worker_init_fn = OutlivingInit(loader.worker_init_fn)


def _end_later(receiver: int) -> None:
    """End the worker at the second signal, or some time after the first. Other signals are read here too."""
    seen, patience = 0, None
    while seen < 2 and select.select([receiver], [], [], patience)[0]:
        seen += sum(number in _SIGNALS for number in os.read(receiver, 64))
        patience = _SECONDS if seen else None
    os._exit(0)  # torch takes any other code for a failure of the loader
