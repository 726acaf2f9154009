"""What cannot be searched is refused before any trial."""

from typing import Any

import pytest

from reproml.config.schema import Parameter
from reproml.errors import ConfigError
from reproml.tuning.space import _check_parameter, as_overrides, ends, read

from .conftest import PLAIN, ROOT, composed


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "sweep=null is not a search: give sweep=search"),
        (["sweep=seeds"], "sweep=seeds is not a search: give sweep=search"),
        (["sweep=search", "hydra.run.dir=x"], "hydra.run.dir=x cannot be given to tune"),
        (["sweep=search", "+training.more=1"], "+training.more=1 cannot be given to tune"),
        (["sweep=search", "search.metric=accuracy"], "search.metric=accuracy is not a metric of an epoch"),
        (["sweep=search", "search.direction=least"], "search.direction=least is out of range"),
        (["sweep=search", "search.trials=none"], "search.trials"),
    ],
)
def test_arguments_are_refused(monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(ConfigError) as error:
        read([*PLAIN, *arguments])
    assert sentence in str(error.value)


def test_a_key_is_not_both_given_and_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    key, parameter = next(iter(composed("sweep=search", name="config").search.space.items()))
    given = as_overrides({key: ends(Parameter(**parameter))[0]})
    with pytest.raises(ConfigError, match=f"{key} is both given and searched: leave it out"):
        read([*PLAIN, "sweep=search", *given])


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        ({"low": 3, "high": 3}, "has low=3 and high=3: give both, low below high, or choices"),
        ({"low": 3}, "has low=3 and high=None: give both, low below high, or choices"),
        ({"choices": [1]}, ".choices=[1] must be two values or more, without low and high"),
        ({"choices": [1, 2], "low": 1}, ".choices=[1, 2] must be two values or more, without low and high"),
        ({"choices": [[1], [2]]}, ".choices=[[1], [2]]: write lists as texts"),
        ({"low": 1, "high": 9, "step": 0.5}, ".step=0.5 must be a whole number, as low=1 and high=9 are"),
        ({"low": 0, "high": 9, "log": True}, ".log=true needs low above 0 and no step: it has low=0, step=None"),
    ],
)
def test_ranges_are_refused(space: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        _check_parameter("training.lr", Parameter(**space))
    assert f"search.space.training.lr{'' if sentence.startswith('.') else ' '}{sentence}" in str(error.value)
