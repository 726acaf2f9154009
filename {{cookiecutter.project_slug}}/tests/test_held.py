"""What samplers and datasets hold inside: generators and values, found, seeded and set back.

They stand on what torch and Lightning do with loaders, so they are tried again when a lock brings other versions.
"""

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import (
    DataLoader,
    Dataset,
    TensorDataset,
)

from reproml.training.inside import (
    Values,
    generator_state,
    generators_in,
    seed_generator,
    set_generator_state,
)

GENERATORS: dict[str, tuple[Callable[[], Any], Callable[[Any], float]]] = {
    "torch": (torch.Generator, lambda each: float(torch.rand((), generator=each))),
    "numpy": (np.random.default_rng, lambda each: each.random()),
    "numpy, philox": (lambda: np.random.Generator(np.random.Philox()), lambda each: each.random()),
    "numpy, legacy": (np.random.RandomState, lambda each: each.random_sample()),
    "python": (random.Random, lambda each: each.random()),
}


@pytest.mark.parametrize("kind", GENERATORS)
def test_generators_are_seeded_and_set_back(kind: str) -> None:
    make, draw = GENERATORS[kind]
    first, second = make(), make()
    draw(second)  # a new torch.Generator is always the same
    for generator in (first, second):
        seed_generator(generator, 2**62 + 5)
    number = draw(first)
    assert draw(second) == number
    state = generator_state(first)
    following = [draw(first) for _ in range(3)]
    assert number not in following
    draw(second)
    set_generator_state(second, state)
    assert [draw(second) for _ in range(3)] == following
    seed_generator(second, 2**62 + 6)
    assert draw(second) != number


class Of(Dataset[Any]):
    def __init__(self, **held: Any) -> None:
        vars(self).update(held)


def test_generators_are_found_wherever_they_are_held() -> None:
    a, b, c, d, e = (random.Random(number) for number in range(5))
    deep = SimpleNamespace(
        first=SimpleNamespace(second=SimpleNamespace(third=SimpleNamespace(own=d, fourth=SimpleNamespace(own=e))))
    )
    held = SimpleNamespace(
        own=a, same=a, listed=[SimpleNamespace(own=b), 3, (4,)], pair=(SimpleNamespace(own=c),), deep=deep, again=None
    )
    held.again = held  # a circle
    assert generators_in(held) == [a, b, c, d]  # and not at the fifth level
    assert generators_in(5) == []
    assert generators_in(SimpleNamespace(model=torch.nn.Linear(1, 1), table=np.zeros(3), numbers=torch.ones(2))) == []


def test_what_is_long_is_not_looked_through() -> None:
    own = random.Random(1)
    assert generators_in(SimpleNamespace(few=[SimpleNamespace(own=own)] + [0] * 63)) == [own]
    assert generators_in(SimpleNamespace(many=[SimpleNamespace(own=own)] + [0] * 64)) == []
    each = [random.Random(number) for number in range(70)]
    assert (
        generators_in(
            SimpleNamespace(
                a=[SimpleNamespace(own=one) for one in each[:50]], b=[SimpleNamespace(own=one) for one in each[50:]]
            )
        )
        == (
            each[:63]  # and the one that holds them: 64 objects
        )
    )


def test_a_samplers_dataset_is_left_to_the_dataset() -> None:
    own, inner = random.Random(1), random.Random(2)
    dataset = Of(own=own, dataset=Of(own=inner))  # as a Subset
    assert generators_in(dataset) == [own, inner]
    assert generators_in(SimpleNamespace(data_source=dataset)) == []
    assert generators_in(Of(loader=DataLoader(TensorDataset(torch.ones(1)), generator=torch.Generator()))) == []


@pytest.mark.parametrize(
    ("before", "after"), [(1, 2), (1, True), (1, 1.0), (0.0, -0.0), ("a", "b"), (None, 0), (1.0, None)]
)
def test_a_value_that_changes_is_noticed(before: Any, after: Any) -> None:
    source = SimpleNamespace(inner=[SimpleNamespace(value=before)])
    values = Values(source)
    assert values.changed() == {}
    source.inner[0].value = after
    assert list(values.changed()) == ["/inner/0.value"]
    assert values.changed()["/inner/0.value"] is after
    other = SimpleNamespace(inner=[SimpleNamespace(value=before)])
    Values(other).set(values.changed())
    assert other.inner[0].value is after
    values.look()
    assert values.changed() == {}


def test_values_that_stay_as_they_are_are_left_alone() -> None:
    source = SimpleNamespace(value=float("nan"), large=2**70, text="a" * 3, listed=[1], table=np.zeros(2))
    values = Values(source)
    source.value, source.large, source.text = float("nan"), 2**70, "".join(["a", "aa"])  # others, and the same
    source.listed, source.table = [2], np.ones(2)  # not plain values
    assert values.changed() == {}
    source.new = None
    assert values.changed() == {".new": None}
    empty = SimpleNamespace()
    Values(empty).set({"/gone/0.value": 3, ".new": 4})
    assert vars(empty) == {"new": 4}
