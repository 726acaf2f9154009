"""The budgets of the test files."""

from pathlib import Path

from budgets import QUICK, SECONDS, by_file, exceeded


def test_what_took_too_long_is_named_and_nothing_else() -> None:
    listed, allowed = next(iter(SECONDS.items()))
    assert exceeded({listed: allowed - 1, "test_other": QUICK}) == []
    [first, second] = exceeded(by_file([("test_other", QUICK + 1), (listed, allowed), (listed, 2)]))
    assert first == f"{listed} took {allowed + 2} s, and may take {allowed} s"
    assert second.startswith("test_other took ")


def test_every_budget_is_that_of_a_file() -> None:
    assert SECONDS.keys() <= {path.stem for path in Path(__file__).parent.glob("test_*.py")}
