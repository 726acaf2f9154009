"""Rehearses several configurations in one process, and prints as JSON what was said of each.

A project's own Python runs it, in the project's folder. Its argument is JSON: the overrides of each, by a name.
"""

import contextlib
import json
import sys
from typing import Any

sys.path.insert(0, "src")
from reproml.cli.rehearse import composed
from reproml.errors import UserError
from reproml.verify.rehearsal.rehearse import rehearse


def rehearsed(overrides: list[str]) -> dict[str, Any]:
    """Return the report and its lines, or why there is none."""
    lines: list[str] = []
    try:
        return {**rehearse(composed("config", overrides), lines.append).as_json(), "lines": lines}
    except UserError as error:
        return {"refused": str(error)}


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        found = {name: rehearsed(overrides) for name, overrides in json.loads(sys.argv[1]).items()}
    print(json.dumps(found))
