"""What is written into the record when a training starts."""

from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig

from .. import __version__
from ..config.arguments import written
from ..config.schema import Config
from ..files import file_digest
from ..runs import snapshot
from ..runs.code import at_start
from ..runs.environment import environment
from ..runs.imported import beside_src
from ..runs.inputs import digests
from ..runs.record import VERSION
from .randomness import derive

_LOCKS = ("requirements.txt", "requirements-dev.txt", "uv.lock", "poetry.lock", "environment.yml")
_GUARANTEED = {  # by the reproducibility level
    "strict": "the same bits on the same kind of machine",
    "portable": "the same bits on x86-64 processors with AVX2",
    "fast": "the same seeds; the bits may differ",
}


def describe(
    config: Config, settings: dict[str, Any], data: dict[str, Any], restored: dict[str, Any] | None
) -> tuple[dict[str, Any], bytes]:
    """Return the record of a run that begins, and the patch that belongs to it.

    Args:
        config: the checked configuration.
        settings: the same in plain types, to be written.
        data: what the record says of it, see tasks/data.py.
        restored: the earlier run that it is built on, if any.
    """
    beside, elsewhere = beside_src(settings)
    git, patch = snapshot.describe(beside, elsewhere)
    hydra = HydraConfig.get()
    level = config.reproducibility.mode
    overrides = written(hydra.overrides.task)  # `${oc.env:NAME}`, not its value
    return {
        "schema_version": VERSION,
        "reproml": __version__,
        "status": "running",
        "reproducibility": {"level": level, "text": _GUARANTEED[level]},
        "command": {
            "script": "train.py",
            "config": hydra.job.config_name,
            "overrides": [str(item.input_line) for item in overrides if item.key_or_group != "resume"],
        },
        "config": settings,
        "seeds": {"seed": config.seed, **{key: derive(config.seed, key) for key in ("weights", "split", "subset")}},
        "git": git,
        "code": {**at_start(), **beside},
        "data": data,
        "inputs": digests(config.inputs),
        "locks": {name: file_digest(Path(name)) for name in _LOCKS if Path(name).exists()},
        "environment": environment(),
        "restored": restored,
        "sessions": [],
        "trace_sha256": None,
        "history_sha256": None,
        "metrics": None,
        "tables": None,
        "figures": None,
        "weights_sha256": None,
        "model_sha256": None,
    }, patch
