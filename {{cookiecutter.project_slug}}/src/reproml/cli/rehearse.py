"""`rehearse`: whether a user's own data and task are exact, before a long training."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .arguments import Override

if TYPE_CHECKING:
    from omegaconf import DictConfig


def add(commands: Any) -> None:
    """Declare the command."""
    rehearse = commands.add_parser(
        "rehearse",
        help="train briefly, again and interrupted, to prove that your own data and task are exact",
        description="Exit code 0: exact; 1: not exact, and the report says where; 2: could not be answered.",
    )
    rehearse.add_argument(
        "overrides", type=Override, nargs="*", help="as of train.py, such as data=words task=language_model"
    )
    rehearse.add_argument("-cn", "--config-name", default="config", help="as of train.py (default: config)")
    rehearse.add_argument("--json", action="store_true", help="print the report as JSON")
    rehearse.set_defaults(command=_rehearse, failure="could not be rehearsed")


def _rehearse(arguments: argparse.Namespace) -> int:
    from ..hash_seed import fix_hash_seed

    fix_hash_seed("__main__")  # as train.py does
    from .. import secrets

    cfg = composed(arguments.config_name, arguments.overrides)
    from ..verify.rehearsal.rehearse import rehearse

    say = (lambda line: None) if arguments.json else (lambda line: print(secrets.mask(line), flush=True))
    rehearsal = rehearse(cfg, say)
    if arguments.json:
        json.dump(secrets.masked(rehearsal.as_json()), sys.stdout, indent=2, ensure_ascii=False)
        print()
    else:
        say(rehearsal.line)
    return rehearsal.code


def composed(name: str, overrides: Sequence[str]) -> "DictConfig":
    """Return the configuration that train.py would have with these overrides, after the same checks.

    Raises:
        ConfigError: it would be refused, or it is a sweep.
    """
    from .. import recipe, secrets  # noqa: F401  (the first registers the resolvers of configs/)
    from ..config.check import check
    from ..config.preflight import preflight
    from ..errors import ConfigError

    secrets.refuse_in(overrides)
    found: list[DictConfig] = []

    def keep(cfg: "DictConfig") -> None:
        check(cfg)
        found.append(cfg)

    preflight(list(overrides), name, "train", keep, None)
    if len(found) != 1:
        raise ConfigError(f"this sweep has {len(found)} runs, but only one can be rehearsed: leave the sweep out")
    return found[0]
