"""`find-lr`: which learning rate to start with."""

import argparse
from pathlib import Path
from typing import Any

from .arguments import Override, number

_FIGURE = Path("outputs", "learning_rate.png")
_STEPS = 100


def add(commands: Any) -> None:
    """Declare the command."""
    rate = commands.add_parser(
        "find-lr",
        help="suggest a learning rate, from a short training in which it grows",
        description="Lightning's range test. Writes a figure and makes no run: docs/training.md.",
    )
    rate.add_argument("overrides", type=Override, nargs="*", help="as of train.py, such as data=fashion_mnist")
    rate.add_argument("-cn", "--config-name", default="config", help="as of train.py (default: config)")
    rate.add_argument("--steps", type=number(10, 100_000), default=_STEPS, help=f"how many (default: {_STEPS})")
    rate.add_argument("--output", type=Path, default=_FIGURE, help=f"the figure (default: {_FIGURE})")
    rate.set_defaults(command=_rate, failure="no learning rate can be suggested")


def _rate(arguments: argparse.Namespace) -> int:
    from ..hash_seed import fix_hash_seed

    fix_hash_seed("__main__")  # as train.py does
    from ..training.ready import ready
    from .rehearse import composed

    config = ready(composed(arguments.config_name, arguments.overrides))
    from ..tuning.learning_rate import range_test

    found = range_test(config, arguments.steps, least=1e-6, most=1.0)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    found.figure().savefig(arguments.output, dpi=100)
    print(f"training.lr={found.suggested:.2g} is suggested, where the loss falls fastest: see {arguments.output}")
    return 0
