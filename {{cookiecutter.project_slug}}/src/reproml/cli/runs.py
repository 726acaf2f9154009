"""`runs` and `clean`: which runs there are, and removing old ones."""

import argparse
import json
import sys
from typing import Any

from .arguments import number
from .asking import agreed


def add(commands: Any) -> None:
    """Declare the commands."""
    runs = commands.add_parser(
        "runs",
        help="list the runs with status, result, commit and verdict",
        description="Lists the runs in outputs/ and the pipeline's run, newest first: docs/commands.md.",
    )
    key = "a column, a metric such as loss, or a setting such as training.lr (default: newest first)"
    runs.add_argument("--sort", metavar="KEY", help=key)
    runs.add_argument("--reverse", action="store_true", help="reverse the order")
    runs.add_argument("--trials", action="store_true", help="include trials of searches")
    runs.add_argument("--limit", type=number(1, 10**9), help="at most this many (default: 30; all as JSON or CSV)")
    form = runs.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print them as JSON")
    form.add_argument("--csv", action="store_true", help="print them as CSV")
    runs.set_defaults(command=_runs)
    clean = commands.add_parser(
        "clean",
        help="remove old runs from outputs/ by rule, after showing them with their sizes",
        description="Needs at least one rule. A run is removed if it meets them all (--failed and --debug: either). "
        "The pipeline's run, running ones, parents of other runs, and trials of a search stay: docs/commands.md.",
    )
    clean.add_argument("--keep-last", type=number(0, 10**9), metavar="N", help="all but the newest N runs")
    clean.add_argument("--older-than", metavar="AGE", help="runs that began longer ago than this: 12h, 30d or 8w")
    clean.add_argument("--failed", action="store_true", help="runs that failed or were interrupted")
    clean.add_argument("--debug", action="store_true", help="runs with debug=...")
    clean.add_argument("--yes", action="store_true", help="do not ask")
    clean.set_defaults(command=_clean, failure="nothing removed")


def _runs(arguments: argparse.Namespace) -> int:
    from ..catalog import table
    from ..catalog.entries import entries, newest_entries
    from ..secrets import mask, masked

    most = arguments.limit or (None if arguments.json or arguments.csv else 30)
    if most is not None and table.is_newest_first(arguments.sort, arguments.reverse):
        found, there = newest_entries(most, arguments.trials)
    else:
        found = entries(arguments.trials)
        there = len(found)
    ordered, columns = table.in_order(found, arguments.sort, arguments.reverse)
    shown = ordered[:most]
    if arguments.json:
        json.dump(masked(table.as_json(shown)), sys.stdout, indent=2, ensure_ascii=False)
        print()
    elif arguments.csv:
        print(mask(table.as_table(shown)), end="")
    elif not shown:
        print("there are no runs yet: python train.py makes one")
    else:
        table.print_table(shown, columns)
        if there > len(shown):
            print(f"{there - len(shown)} more: --limit {there} shows all")
    return 0


def _clean(arguments: argparse.Namespace) -> int:
    from ..catalog import clean
    from ..catalog.entries import entries
    from ..errors import ConfigError

    older = clean.age(arguments.older_than) if arguments.older_than else None
    rule = clean.Rule(arguments.keep_last, older, arguments.failed, arguments.debug)
    if rule == clean.Rule():
        raise ConfigError("say which runs to remove: --keep-last N, --older-than 30d, --failed or --debug")
    removals, kept = clean.chosen(entries(trials=True), rule)
    for name, reason in kept.items():
        print(f"stays    {name}: {reason}")
    if not removals:
        print("no run to remove")
        return 0
    for each in removals:
        unsent = f"; {' and '.join(each.unsent)} lacks something of it" if each.unsent else ""
        print(f"{clean.readable(each.size):>8} {each.run.name}: {each.run.status}{unsent}")
    total = clean.readable(sum(each.size for each in removals))
    question = f"remove {len(removals)} run{'s' * (len(removals) > 1)}, {total}?"
    if not arguments.yes and not agreed(question):
        return 1
    clean.remove_left()
    gone = 0
    freed = 0
    for each in removals:
        if clean.remove(each.run):
            gone, freed = gone + 1, freed + each.size
        else:
            print(f"stays    {each.run.name}: a process works on it")
    print(f"removed {gone} run{'s' * (gone != 1)}, {clean.readable(freed)}")
    return 0
