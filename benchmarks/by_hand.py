"""The loop that speed.py compares with: plain PyTorch on tensors in memory, with nothing checked, saved or recorded.

It has the network, settings, split and validation of `train.py experiment=fashion_mnist`, and adds up loss and accuracy
of both. Run in the project's folder:
`python by_hand.py PACKAGE mlp|cnn EPOCHS THREADS [cuda]`; it prints the seconds of each epoch, its steps and the test
accuracy as JSON.
"""

import importlib
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

BATCH, LR, WEIGHT_DECAY, CLIP = 128, 0.003, 0.01, 1.0
SETTINGS = {
    "mlp": {"hidden": [64, 128, 64], "dropout": 0.0},
    "cnn": {"channels": [32, 64], "hidden": 128, "dropout": 0.25},
}


class ByHand:
    """A training, epoch by epoch.

    Args:
        package: of the project whose folder is the current one.
        name: of the network.
        epochs: as many as the schedule is made for.
        device: that trains.
        batches: of an epoch, and of its validation; None: all that the data give.
    """

    def __init__(
        self, package: str, name: str, epochs: int, device: torch.device, batches: tuple[int, int] | None = None
    ) -> None:
        build = getattr(importlib.import_module(f"{package}.models.{name}"), name.upper())
        split = importlib.import_module("reproml.arrays.splits").split
        folder = Path("data", "processed", "fashion_mnist")
        inputs, targets = (np.load(folder / f"{part}.npy") for part in ("inputs", "targets"))
        positions = split(targets, 10_000, 1 / 12, 0.2, 42)
        mean, std = float(inputs[positions["train"]].mean()), float(inputs[positions["train"]].std())
        self.parts = {
            part: (
                torch.from_numpy((inputs[positions[part]].astype(np.float32) - mean) / std).to(device),
                torch.from_numpy(targets[positions[part]]).to(device),
            )
            for part in ("train", "validation", "test")
        }
        self.device = device
        self.model = build((1, 28, 28), 10, **SETTINGS[name]).to(device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), LR, weight_decay=WEIGHT_DECAY)
        self.batches = len(self.parts["train"][0]) // BATCH
        if batches:
            self.batches = batches[0]
            x, y = self.parts["validation"]
            self.parts["validation"] = x[: batches[1] * BATCH], y[: batches[1] * BATCH]
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, LR, total_steps=epochs * self.batches)
        self.history: list[dict[str, list[float]]] = []  # of each epoch, the mean loss and the accuracy

    def epoch(self) -> float:
        """Train and validate once, and return the seconds that it took."""
        (x, y), (vx, vy) = self.parts["train"], self.parts["validation"]
        model, optimizer, schedule = self.model, self.optimizer, self.schedule
        started = time.perf_counter()
        model.train()
        train_loss, train_right, val_loss, val_right = (torch.zeros((), device=self.device) for _ in range(4))
        for chosen in torch.randperm(len(x))[: self.batches * BATCH].split(BATCH):
            optimizer.zero_grad()
            outputs, answers = model(x[chosen]), y[chosen]
            loss = F.cross_entropy(outputs, answers)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            schedule.step()
            train_loss += loss.detach() * len(answers)
            train_right += (outputs.argmax(1) == answers).sum()
        model.eval()
        with torch.no_grad():
            for inputs, answers in zip(vx.split(BATCH), vy.split(BATCH), strict=True):
                outputs = model(inputs)
                val_loss += F.cross_entropy(outputs, answers) * len(answers)
                val_right += (outputs.argmax(1) == answers).sum()
        trained, validated = self.batches * BATCH, len(vx)
        self.history.append(
            {
                "train": [float(train_loss) / trained, float(train_right) / trained],
                "val": [float(val_loss) / validated, float(val_right) / validated],
            }
        )
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started

    def accuracy(self) -> float:
        """Return the accuracy of the test."""
        x, y = self.parts["test"]
        with torch.no_grad():
            batches = zip(x.split(BATCH), y.split(BATCH), strict=True)
            right = sum(int((self.model(inputs).argmax(1) == answers).sum()) for inputs, answers in batches)
        return right / len(y)


def main() -> None:
    """Train, and print what was measured."""
    sys.path.insert(0, "src")
    package, name, epochs, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    training = ByHand(package, name, epochs, torch.device(sys.argv[5] if len(sys.argv) > 5 else "cpu"))
    seconds = [training.epoch() for _ in range(epochs)]
    found = {"epochs": seconds, "steps": training.batches, "accuracy": training.accuracy()}
    print(json.dumps({**found, "history": training.history}))


if __name__ == "__main__":
    main()
