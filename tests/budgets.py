"""What each test file may take: seconds of processors, in all processes that it starts.

They hardly change with what else the machine does. Files that take more are printed and do not fail.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

QUICK = 30  # for a file that is not listed
SECONDS = {
    "test_answers": 60,
    "test_any_answer": 120,
    "test_any_task": 240,
    "test_audit": 90,
    "test_cards": 140,
    "test_checklist": 180,
    "test_ci": 60,
    "test_code": 60,
    "test_conda": 60,
    "test_containers": 400,
    "test_contract": 300,
    "test_data": 60,
    "test_distributed": 150,
    "test_docs": 180,
    "test_drift": 150,
    "test_environments": 430,
    "test_examples": 500,
    "test_exactness": 165,
    "test_experiments": 100,
    "test_final_weights": 60,
    "test_first_day": 580,
    "test_folds": 60,
    "test_inputs": 90,
    "test_integrity": 230,
    "test_keep": 40,
    "test_large_data": 60,
    "test_paths": 90,
    "test_pipeline": 245,
    "test_preloaded": 100,
    "test_project": 380,
    "test_pythons": 120,
    "test_readme": 220,
    "test_refused": 45,
    "test_rehearse": 240,
    "test_release": 140,
    "test_report": 100,
    "test_resume": 260,
    "test_serving": 160,
    "test_slurm": 360,
    "test_stale": 100,
    "test_stranger": 60,
    "test_swap_in": 150,
    "test_tracking": 220,
    "test_training": 150,
    "test_tune": 215,
    "test_update": 60,
    "test_verify": 310,
}


def budget(name: str) -> int:
    """Return the seconds that a file may take."""
    return SECONDS.get(name, QUICK)


def by_file(parts: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return what each file took, the longest first.

    Args:
        parts: the name of a file, and the seconds of a part of one of its tests.
    """
    spent: dict[str, float] = defaultdict(float)
    for name, seconds in parts:
        spent[name] += seconds
    return dict(sorted(spent.items(), key=lambda item: -item[1]))


def exceeded(spent: Mapping[str, float]) -> list[str]:
    """Return a line for each file that took more seconds than its budget, the worst first."""
    over = {name: seconds - budget(name) for name, seconds in spent.items()}
    return [
        f"{name} took {spent[name]:.0f} s, and may take {budget(name)} s"
        for name, more in sorted(over.items(), key=lambda item: -item[1])
        if more > 0
    ]
