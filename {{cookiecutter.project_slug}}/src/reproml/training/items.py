"""The examples of any map-style dataset, each with randomness that is a function of its place in the epoch."""

from typing import Any

from torch.utils.data import Dataset

from .inside import generators_in, seed_generator
from .order import Keys
from .randomness import seed_processor

_OWN = ("dataset", "key", "_generators")


class KeyedDataset(Dataset[Any]):
    """Seeds all generators before each example that it takes from a user's dataset, also those that this holds itself.

    So it does not matter which worker reads an example, nor which ones it has read before. A dataset that reads whole
    batches (`__getitems__`) is seeded once a batch, which keeps its speed.

    Args:
        dataset: the user's own.
        key: begins every key of this loader.
    """

    def __init__(self, dataset: Any, key: tuple[int | str, ...]) -> None:
        self.dataset, self.key = dataset, key
        self._generators: list[Any] | None = None  # of the dataset; each worker has its own

    def __getitems__(self, keys: Keys) -> Any:
        """Return the examples of one batch."""
        self._find()
        if callable(getattr(self.dataset, "__getitems__", None)):
            self._seed(keys, 0)
            return self.dataset.__getitems__(keys.wanted)
        examples = []
        for place, index in enumerate(keys.wanted):
            self._seed(keys, place)
            examples.append(self.dataset[index])
        return examples

    def __getitem__(self, keys: Any) -> Any:
        if not isinstance(keys, Keys):  # somebody looks at an example
            return self.dataset[keys]
        self._find()
        self._seed(keys, 0)
        return self.dataset[keys.wanted]

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        """Return what the user's dataset has: classes, transforms, and the like."""
        if name == "dataset" or name.startswith("__"):  # not there yet in a worker that is just being made
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set it where the user's dataset will look for it, as when a `worker_init_fn` opens a file."""
        super().__setattr__(name, value) if name in _OWN else setattr(self.dataset, name, value)

    def _find(self) -> None:
        """Look for generators: again if there are some, because a transform may replace its own."""
        if self._generators is None or self._generators:
            self._generators = generators_in(self.dataset)

    def _seed(self, keys: Keys, place: int) -> None:
        number = seed_processor(*self.key, "item", keys.epoch, keys.times, keys.position + place)
        for generator in self._generators or ():
            seed_generator(generator, number)
