"""`tune`: the search for good settings."""

import argparse
import sys
from pathlib import Path
from typing import Any

from .arguments import Override, number


def add(commands: Any) -> None:
    """Declare the command."""
    tune = commands.add_parser(
        "tune",
        help="search for good settings with Optuna; each trial is a run of train.py",
        description="Run it again to resume an interrupted search: docs/search.md.",
    )
    tune.add_argument(
        "overrides",
        type=Override,
        nargs="+",
        help="sweep=NAME, keys of the search (search.trials=50), and settings that all trials share (model=mlp)",
    )
    tune.add_argument("--study", type=Path, help="its folder (default: outputs/studies/NAME)")
    several = tune.add_argument_group("several processes, which you can also start one by one")
    several.add_argument("--workers", type=number(1, 1024), default=1, help="how many trials run at once (default: 1)")
    several.add_argument("--ray", metavar="ADDRESS", help="run them on this Ray cluster; local: start one here")
    tune.add_argument("--promote", metavar="NAME", help="write the best trial as configs/experiment/NAME.yaml")
    tune.set_defaults(command=_tune)


def _tune(arguments: argparse.Namespace) -> int:
    from ..config.arguments import parsed
    from ..tuning.parallel import on_ray, on_this_machine
    from ..tuning.promote import check_promotion, promote
    from ..tuning.space import as_overrides, read
    from ..tuning.study import RUN, open_study
    from ..tuning.summary import best_trial, best_trials, others_at_work, write_summary
    from ..tuning.worker import work

    search, seed, shared = read(arguments.overrides)
    if arguments.promote:
        check_promotion(arguments.promote, shared)
    name = [each.value() for each in parsed(arguments.overrides) if each.key_or_group == "sweep"][-1]
    folder = arguments.study or Path("outputs", "studies", str(name))
    study = open_study(folder, search, seed, shared)
    again = ["-m", "reproml", "tune", *arguments.overrides, "--study", str(folder)]
    if arguments.ray is not None:
        on_ray(again, arguments.workers, arguments.ray)
    elif arguments.workers > 1:
        on_this_machine(again, arguments.workers)
    else:
        work(study, search, seed, shared, folder)
    if others_at_work(study):  # more processes than trials
        print(f"{folder}: other processes are training the remaining trials")
        return 0
    write_summary(study, folder)
    best = best_trial(study, folder)
    settings = as_overrides(best.params)
    found = f"best of {folder}: {best.user_attrs[RUN]}, {search.metric} {best.value:.4f}"
    print("\n".join(["", *best_trials(study), ""]))
    print(f"{found} with {' '.join(settings)}")
    if arguments.promote:
        print(promote(arguments.promote, [*shared, *settings], found))
    sys.stdout.flush()
    return 0
