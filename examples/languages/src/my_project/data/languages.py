"""Words, and the languages that each belongs to."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, TensorDataset, random_split

LONGEST = 16  # letters
LETTERS = 256  # of Latin-1


class Languages(LightningDataModule):
    """Words as codes of their letters (n, 16), padded with 0, and whether each is in a list (n, languages).

    Args:
        lists: a file for each language, with a word in each line.
        words: how many words to draw from all lists.
        batch_size: words in a batch.
        test_share: share of the words for the test, and again for validation.
    """

    def __init__(self, lists: Mapping[str, str], words: int, batch_size: int, test_share: float = 0.1) -> None:
        super().__init__()
        self.lists, self.words = lists, words
        self.batch_size, self.test_share = batch_size, test_share

    def setup(self, stage: str) -> None:
        """Read the lists, draw words and split them."""
        known = [set(filter(fits, Path(file).read_text().split())) for file in self.lists.values()]
        every = sorted(set[str]().union(*known))
        chosen = [every[place] for place in torch.randperm(len(every))[: self.words].tolist()]
        targets = torch.tensor([[word in language for language in known] for word in chosen]).float()
        shares = (1 - 2 * self.test_share, self.test_share, self.test_share)
        self.train, self.val, self.test = random_split(TensorDataset(encoded(chosen), targets), shares)

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.val, self.batch_size)

    def test_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.test, self.batch_size)


def encoded(words: Sequence[str]) -> torch.Tensor:
    """Return the codes (n, 16) of the letters of words, 0 after the last; the end of a longer word is cut off."""
    letters = [word.encode("latin-1", errors="replace")[:LONGEST] for word in words]
    return torch.tensor([list(word.ljust(LONGEST, b"\0")) for word in letters])


def fits(word: str) -> bool:
    """Whether a word is plain, and not too long."""
    return word.isalpha() and word.islower() and len(word) <= LONGEST and ord(max(word)) < LETTERS
