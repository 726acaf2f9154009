"""Show where the time of a training step goes, part by part: what a loop by hand does too, and what comes on top.

Run it with a generated project's environment: `.venv/bin/python benchmarks/step.py PROJECT FOLDER`, where FOLDER holds
the four files of Fashion-MNIST; `model=cnn` after FOLDER measures another network. It looks again and
again at the lines that run, after so much processor time, so nothing is slowed down and other work does not count.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from project import Project

EPOCHS = 15
# Notes the modules and functions that run, the innermost first, while an otherwise normal training fits.
SAMPLED = """
import collections, json, runpy, signal, sys, time
sys.argv[0] = "train.py"
sys.path.insert(0, "src")
from reproml.models.array_task import ArrayTask
stacks, began = collections.Counter(), []
def look(number, frame):
    stack = []
    while frame is not None:
        stack.append((frame.f_globals.get("__name__", ""), frame.f_code.co_name))
        frame = frame.f_back
    stacks[tuple(stack)] += 1
def begin(self, before=ArrayTask.on_train_epoch_start):
    if not began:
        began.append(time.process_time())
        signal.signal(signal.SIGPROF, look)
        signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
    before(self)
def end(self):
    signal.setitimer(signal.ITIMER_PROF, 0)
    seconds = time.process_time() - began[0]
    print(json.dumps([seconds / self.trainer.global_step, list(stacks.items())]))
ArrayTask.on_train_epoch_start, ArrayTask.on_fit_end = begin, end
runpy.run_path("train.py", run_name="__main__")
"""
TOO = "a loop by hand has it too"
# The first line that fits the innermost function decides; of what fits none, the function that called it.
PARTS = [
    ("torch.nn.utils.clip_grad", "", "clipping the gradients", TOO),
    ("torch.optim.lr_scheduler", "", "the schedule", TOO),
    ("torch.optim", "", "the optimizer", TOO),
    ("torch.autograd", "backward", "backward", TOO),
    ("torch.nn.modules.module", "__setattr__", "", ""),
    ("torch.nn.modules.module", "__getattr__", "", ""),
    ("torch.nn", "", "forward and loss", TOO),
    ("PACKAGE.models", "", "forward and loss", TOO),
    ("PACKAGE.tasks", "", "the task's metrics", TOO),
    ("reproml.models.epoch_sums", "", "sums of the epoch", TOO),
    ("reproml.models.array_task", "forward", "normalizing the inputs", "reproml"),
    ("reproml.models", "", "the task around the network", "reproml"),
    ("reproml.arrays.sampler", "", "order and its digest", "reproml"),
    ("reproml.arrays", "", "reading a batch", TOO),
    ("torch.utils.data", "", "PyTorch's DataLoader", "reproml"),
    ("reproml.training.randomness", "", "seeds of the step", "reproml"),
    ("reproml.training.trainer", "", "", ""),
    ("reproml", "", "callbacks", "reproml"),
    ("lightning.pytorch.trainer.call", "", "calling hooks", "Lightning"),
    ("lightning.pytorch.trainer.connectors.logger_connector", "", "looking for metrics to log", "Lightning"),
    ("lightning.pytorch.utilities.combined_loader", "", "fetching a batch", "Lightning"),
    ("lightning.pytorch.loops.fetchers", "", "fetching a batch", "Lightning"),
    ("lightning.fabric.utilities.apply_func", "", "moving a batch to its device", "Lightning"),
    ("lightning.pytorch.utilities.signature_utils", "", "looking at the arguments of training_step", "Lightning"),
    ("lightning.pytorch.utilities.model_helpers", "", "looking which hooks there are", "Lightning"),
    ("lightning.pytorch.loops", "", "loops and counters", "Lightning"),
    ("lightning", "", "strategy, precision and the rest", "Lightning"),
]


def part(stack: list[tuple[str, str]], package: str) -> tuple[str, str]:
    """Return the part of a step that a sample belongs to, and whose it is."""
    if any(module == "lightning.pytorch.loops.evaluation_loop" for module, _ in stack):
        return "validation", "validation"
    for module, function in stack:
        for place, name, found, owner in PARTS:
            if f"{module}.".startswith(f"{place.replace('PACKAGE', package)}.") and function.startswith(name):
                if found:
                    return found, owner
                break
    return "the rest", "Lightning"


def main() -> None:
    """Print the parts of a step, the longest of each owner first."""
    project = Project(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
    model = sys.argv[3] if len(sys.argv) > 3 else "model=mlp"
    printed = project.train(["-c", SAMPLED], model, f"training.epochs={EPOCHS}")
    step, stacks = json.loads(next(line for line in printed.splitlines() if line.startswith("[")))
    found: Counter[tuple[str, str]] = Counter()
    for stack, samples in stacks:
        found[part(stack, project.package)] += samples
    whole = sum(found.values())
    print(f"{1e6 * step:.0f} microseconds of processor time a step, of which")
    for owner in (TOO, "Lightning", "reproml", "validation"):
        of_owner = {name: count for (name, whose), count in found.items() if whose == owner}
        print(f"{100 * sum(of_owner.values()) / whole:5.1f} % {owner}")
        for name, count in sorted(of_owner.items(), key=lambda item: -item[1]):
            print(f"      {100 * count / whole:5.1f} % {1e6 * step * count / whole:5.0f} {name}")


if __name__ == "__main__":
    main()
