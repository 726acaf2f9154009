"""Labelled texts, as tokens."""

import csv
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from lightning import LightningDataModule
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset, random_split
from transformers import AutoTokenizer

Example = tuple[list[int], int]  # tokens, and the number of the label


class Sentences(LightningDataModule):
    """Batches of tokens (n, length of the longest text in the batch) and the numbers of the labels (n,).

    Args:
        file: CSV with the columns `text` and `label`.
        pretrained: folder of the model with the tokenizer.
        labels: all of them, in the order of their numbers.
        longest: most tokens of a text; the rest is cut off.
        batch_size: texts in a batch.
        test_share: share of the texts for the test, and again for validation.
        num_workers: processes that pad batches.
    """

    def __init__(
        self,
        file: str,
        pretrained: str,
        labels: Sequence[str],
        longest: int,
        batch_size: int,
        test_share: float = 0.1,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        self.file, self.pretrained, self.labels, self.longest = Path(file), pretrained, list(labels), longest
        self.batch_size, self.test_share, self.num_workers = batch_size, test_share, num_workers

    def setup(self, stage: str) -> None:
        """Read the file, tokenize the texts, and split them."""
        with self.file.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        tokenizer = AutoTokenizer.from_pretrained(self.pretrained, local_files_only=True)
        texts = tokenizer([row["text"] for row in rows], truncation=True, max_length=self.longest)["input_ids"]
        examples: list[Example] = [
            (tokens, self.labels.index(row["label"])) for tokens, row in zip(texts, rows, strict=True)
        ]
        self.collate = partial(filled_up, filler=tokenizer.pad_token_id)
        shares = (1 - 2 * self.test_share, self.test_share, self.test_share)
        every = cast(Dataset[Example], examples)  # a list works as one, though its type does not say so
        self.train, self.val, self.test = random_split(every, shares)

    def _loader(self, examples: Any, shuffle: bool = False) -> DataLoader[Any]:
        return DataLoader(examples, self.batch_size, shuffle, num_workers=self.num_workers, collate_fn=self.collate)

    def train_dataloader(self) -> DataLoader[Any]:
        return self._loader(self.train, shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        return self._loader(self.val)

    def test_dataloader(self) -> DataLoader[Any]:
        return self._loader(self.test)


def filled_up(examples: Sequence[Example], filler: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a batch in which every text is as long as the longest, and the numbers of the labels."""
    texts = pad_sequence([torch.tensor(tokens) for tokens, _ in examples], batch_first=True, padding_value=filler)
    return texts, torch.tensor([label for _, label in examples])
