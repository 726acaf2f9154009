"""What `train.py` replies to the Python process that started it: the folder of its run, or why there is none."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from omegaconf import DictConfig

from . import secrets
from .config.explain import explain, refusal
from .errors import ConfigError, UserError
from .files import write_json

ASKED = "REPROML_REPLY"  # in the environment: the file for the reply


class Reply:
    """The reply of this process.

    Args:
        place: the file for it; None: nobody asked.
    """

    def __init__(self, place: Path | None) -> None:
        self._place = place

    @classmethod
    def asked(cls) -> Self:
        """Return the reply that this process was asked for; processes that it starts are not asked."""
        place = os.environ.pop(ASKED, None)
        return cls(Path(place) if place else None)

    def refuse_sweep(self, runs: int) -> None:
        """Refuse a command that trains several runs if one was asked for.

        Raises:
            ConfigError: it does.
        """
        if self._place is not None and runs != 1:
            raise ConfigError(
                "train makes one run, but these overrides are a sweep: leave the sweep out, or start it with "
                "python train.py"
            )

    def name_run(self, cfg: DictConfig) -> None:
        """Reply with the folder of the finished run."""
        if self._place is not None:
            write_json(self._place, {"run": str(Path(cfg.paths.run).resolve())})

    @contextmanager
    def of_failure(self, otherwise: type[UserError]) -> Iterator[None]:
        """Reply with the class and the sentence of an error that is raised inside.

        Args:
            otherwise: the class for one that was not raised for the user.
        """
        try:
            yield
        except Exception as error:
            if self._place is not None:
                kind = type(refusal(error) or otherwise())
                write_json(self._place, {"error": kind.__name__, "sentence": secrets.mask(explain(error))})
            raise


def read(place: Path) -> dict[str, Any]:
    """Return a reply, empty if there is none."""
    return json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
