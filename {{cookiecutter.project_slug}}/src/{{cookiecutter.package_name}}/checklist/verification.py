"""What the last verification of the run said."""

import json
from typing import Any

from .facts import Facts

_PARTS = {"code", "line", "clean", "ended", "weights_sha256"}


def verification(facts: Facts) -> dict[str, Any] | None:
    """Return the content of the run's verification.json, or None where it is missing, damaged or of other weights."""
    if facts.run is None or facts.record is None:
        return None
    try:
        found = json.loads((facts.project / facts.run / "verification.json").read_text(encoding="utf-8"))
        of_this_run = found.keys() >= _PARTS and found["weights_sha256"] == facts.record["weights_sha256"]
    except (OSError, ValueError, AttributeError):
        return None
    return found if of_this_run else None
