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

import numpy as np
import torch
from torch.nn import functional as F

BATCH, LR, WEIGHT_DECAY, CLIP = 128, 0.003, 0.01, 1.0
SETTINGS = {
    "mlp": {"hidden": [64, 128, 64], "dropout": 0.0},
    "cnn": {"channels": [32, 64], "hidden": 128, "dropout": 0.25},
}


def main() -> None:
    """Train, and print what was measured."""
    sys.path.insert(0, "src")
    package, name, epochs, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    device = torch.device(sys.argv[5] if len(sys.argv) > 5 else "cpu")
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    build = getattr(importlib.import_module(f"{package}.models.{name}"), name.upper())
    split = importlib.import_module("reproml.arrays.splits").split
    inputs, targets = (np.load(f"data/processed/fashion_mnist/{part}.npy") for part in ("inputs", "targets"))
    positions = split(targets, 10_000, 1 / 12, 0.2, 42)
    mean, std = float(inputs[positions["train"]].mean()), float(inputs[positions["train"]].std())
    x, y, vx, vy, tx, ty = (
        tensor
        for part in ("train", "validation", "test")
        for tensor in (
            torch.from_numpy((inputs[positions[part]].astype(np.float32) - mean) / std).to(device),
            torch.from_numpy(targets[positions[part]]).to(device),
        )
    )
    model = build((1, 28, 28), 10, **SETTINGS[name]).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), LR, weight_decay=WEIGHT_DECAY)
    batches = len(x) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=epochs * batches)
    seconds, history = [], []
    for _ in range(epochs):
        started = time.perf_counter()
        model.train()
        train_loss, train_right, val_loss, val_right = (torch.zeros((), device=device) for _ in range(4))
        for chosen in torch.randperm(len(x))[: batches * BATCH].split(BATCH):
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
            for inputs_, answers in zip(vx.split(BATCH), vy.split(BATCH), strict=True):
                outputs = model(inputs_)
                val_loss += F.cross_entropy(outputs, answers) * len(answers)
                val_right += (outputs.argmax(1) == answers).sum()
        trained, validated = batches * BATCH, len(vx)
        history.append(
            {
                "train": [float(train_loss) / trained, float(train_right) / trained],
                "val": [float(val_loss) / validated, float(val_right) / validated],
            }
        )
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    with torch.no_grad():
        correct = sum(
            int((model(a).argmax(1) == b).sum()) for a, b in zip(tx.split(BATCH), ty.split(BATCH), strict=True)
        )
    print(json.dumps({"epochs": seconds, "steps": batches, "accuracy": correct / len(ty), "history": history}))


if __name__ == "__main__":
    main()
