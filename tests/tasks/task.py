"""What a test needs to know of a task."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

EPOCHS = 2


@dataclass
class Task:
    """What a user brings: a module, maybe a datamodule, callbacks, and arguments of the Trainer."""

    module: Callable[[], Any]
    data: Callable[..., Any] | None = None  # takes the number of workers
    trainer: dict[str, Any] = field(default_factory=dict)
    callbacks: tuple[Callable[[], Any], ...] = ()
    accumulate: int = 1
    clip: float | None = None
    one_worker_count: bool = False  # workers change what an iterable dataset yields
