"""`data`: what the data of a configuration contains."""

import argparse
import json
import sys
from typing import Any

from .arguments import Override


def add(commands: Any) -> None:
    """Declare the command."""
    data = commands.add_parser(
        "data",
        help="show the data: shapes, types, counts of each split and class, and some examples",
        description="Prepares the data first if needed. For your own LightningDataModule, shows the first batch of "
        "each loader. See docs/data.md.",
    )
    data.add_argument("overrides", type=Override, nargs="*", help="as of train.py, such as data=fashion_mnist")
    data.add_argument("-cn", "--config-name", default="config", help="as of train.py (default: config)")
    data.add_argument("--json", action="store_true", help="print it as JSON")
    data.set_defaults(command=_data, failure="the data cannot be shown")


def _data(arguments: argparse.Namespace) -> int:
    from ..hash_seed import fix_hash_seed

    fix_hash_seed("__main__")  # as train.py does
    from ..secrets import mask, masked
    from ..training.ready import ready
    from .rehearse import composed

    config = ready(composed(arguments.config_name, arguments.overrides))
    from ..tasks.contents import contents, lines

    found = contents(config)
    if arguments.json:
        json.dump(masked(found), sys.stdout, indent=2, ensure_ascii=False)
        print()
    else:
        print(mask("\n".join(lines(found))))
    return 0
