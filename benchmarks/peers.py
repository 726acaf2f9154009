"""Compare this template with others on the same work: one table from one run.

The others are lightning-hydra-template and mila's ResearchTemplate, as they ship, and a plain Lightning script. All
train the 784-64-128-64-10 network with batch norm on Fashion-MNIST: 55,000 examples in batches of 128 with AdamW on one
thread, without workers, and with loss and accuracy of training and validation logged the way each of them does it.

    .venv/bin/python benchmarks/peers.py PROJECT FASHION_MNIST [LIGHTNING_HYDRA_TEMPLATE [RESEARCH_TEMPLATE]]

Run it with a generated project's environment. PROJECT is committed to git, FASHION_MNIST holds the four files, and the
last two are clones of github.com/ashleve/lightning-hydra-template and github.com/mila-iqia/ResearchTemplate. What is
missing is left out, and the table says so.

Each clone has an environment of its own in .venv, since Hydra imports every plugin that is installed when it starts.
All have the same torch, Lightning, torchmetrics and Hydra as the project; `--no-deps` keeps the torch that is there:

    python -m venv CLONE/.venv
    CLONE/.venv/bin/pip install torch==... lightning==... torchmetrics==... hydra-core==... rich pillow
    CLONE/.venv/bin/pip install --no-deps hydra-colorlog colorlog torchvision==...  # the version for that torch

and besides, for lightning-hydra-template: rootutils and, with --no-deps, hydra-optuna-sweeper==1.2.0; for
ResearchTemplate: psutil wandb hydra-zen==0.13.1rc1 hydra-submitit-launcher hydra-auto-schema optree, and a clone of
github.com/lebrice/remote-slurm-executor. A torchvision that was built for GPUs cannot be imported beside a torch for
CPUs until its _meta_registrations.py is emptied; it declares operators that nothing here uses.

The clones are not changed: each is copied, the copy gets the data where its own code looks for it, and a few settings
on the command line, or in a file of configuration, make the work the same. They are all below, in SETTINGS and FILES.
"""

import gzip
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from memory import FILES as RAW
from printed import machine
from project import Project

ROUNDS = 3
EPOCHS = 4
# Runs a script, and notes when each epoch begins, at no cost to the steps; or ends it when the first batch has reached
# the training step. What it patches is public, and the same in all: Trainer.fit and the task's own hooks.
MEASURED = """
import json, os, runpy, sys, time
from pathlib import Path
first_step, script = sys.argv[1] == "first", sys.argv[2]
sys.argv = sys.argv[2:]
sys.path[0] = str(Path(script).resolve().parent)
from lightning import Trainer
fit = Trainer.fit
def measured(trainer, model, *arguments, **named):
    task, begun = type(model), []
    before = task.on_train_epoch_start
    def noted(self):
        begun.append(time.perf_counter())
        before(self)
    task.on_train_epoch_start = noted
    if first_step:
        task.training_step = lambda *_: os._exit(0)
    fit(trainer, model, *arguments, **named)
    print("measured", json.dumps({
        "epochs": [after - first for first, after in zip(begun, begun[1:])],
        "steps": trainer.num_training_batches,
        "logged": {name: float(value) for name, value in trainer.callback_metrics.items()},
    }), flush=True)
Trainer.fit = measured
runpy.run_path(script, run_name="__main__")
"""
LHT = "lightning-hydra-template"
RT = "ResearchTemplate"
# What makes the work the same; {} is the number of epochs.
SETTINGS = {
    LHT: ["trainer=cpu", "trainer.max_epochs={}", "model.optimizer._target_=torch.optim.AdamW", "test=False"],
    RT: [
        *("algorithm=image_classifier", "algorithm/network=dense", "algorithm/optimizer=AdamW", "trainer=cpu"),
        *("datamodule=fashion_mnist", "datamodule.val_split=5000", "datamodule.num_workers=0"),
        *("datamodule.train_transforms=null", "trainer.max_epochs={}"),  # null: no augmentation, as in the others
        *("~trainer.gpus", "trainer.strategy=auto"),  # what it passes instead, Lightning refuses by now
    ],
}
SCRIPT = {LHT: str(Path("src", "train.py")), RT: str(Path("project", "main.py"))}
DATASET = {LHT: "MNIST", RT: "FashionMNIST"}  # the folder in data/ that torchvision's class reads
# What neither has a setting for, by its place in the copy.
FILES = {
    LHT: {},
    RT: {
        "project/configs/algorithm/network/dense.yaml": """
_target_: torch.nn.Sequential
_args_:
  - {_target_: torch.nn.Flatten}
  - {_target_: torch.nn.Linear, in_features: 784, out_features: 64}
  - {_target_: torch.nn.BatchNorm1d, num_features: 64}
  - {_target_: torch.nn.ReLU}
  - {_target_: torch.nn.Linear, in_features: 64, out_features: 128}
  - {_target_: torch.nn.BatchNorm1d, num_features: 128}
  - {_target_: torch.nn.ReLU}
  - {_target_: torch.nn.Linear, in_features: 128, out_features: 64}
  - {_target_: torch.nn.BatchNorm1d, num_features: 64}
  - {_target_: torch.nn.ReLU}
  - {_target_: torch.nn.Linear, in_features: 64, out_features: 10}
""",
        "project/configs/algorithm/optimizer/AdamW.yaml": "_target_: torch.optim.AdamW\n_partial_: true\nlr: 0.001\n",
    },
}
OURS, PLAIN = "this template", "plain Lightning"


@dataclass
class Contestant:
    """One that trains.

    Args:
        folder: where its commands are called.
        python: of its environment.
        script: that trains.
        arguments: of the script; {} in one is the number of epochs.
        variables: of its commands.
        has_help: whether `--help` shows anything.
    """

    folder: Path
    python: str
    script: str
    arguments: list[str]
    variables: dict[str, str]
    has_help: bool = True
    found: dict[str, list[float]] = field(default_factory=dict)

    def measure(self) -> None:
        """Add one measurement of each kind to what was found."""
        if self.has_help:
            self._note("help", self._run([self.script, "--help"]))
        self._note("first step", self._run(["-c", MEASURED, "first", *self._training()]))
        training = self._run(["-c", MEASURED, "all", *self._training()])
        said = json.loads(training.printed.rpartition("\nmeasured ")[2].splitlines()[0])
        if said["steps"] not in (429, 430):  # the last one is incomplete
            raise SystemExit(f"{self.script} of {self.folder} trains {said['steps']} steps an epoch, not 430")
        self.found.setdefault("epoch", []).extend(said["epochs"])
        self.found.setdefault("memory", []).append(training.memory)
        logged = {name.replace("acc_best", ""): value for name, value in said["logged"].items()}
        [accuracy] = {value for name, value in logged.items() if re.fullmatch("val/acc(uracy)?", name)}
        self.found.setdefault("accuracy", []).append(accuracy)

    def shown(self, kind: str, form: str) -> str:
        """Return the median of what was measured."""
        return form.format(statistics.median(self.found[kind])) if kind in self.found else "-"

    def _training(self) -> list[str]:
        shutil.rmtree(self.folder / "outputs" / "measured", ignore_errors=True)  # of this template
        return [self.script, *(each.replace("{}", str(EPOCHS)) for each in self.arguments)]

    def _note(self, kind: str, used: "Used") -> None:
        self.found.setdefault(kind, []).append(used.seconds)
        self.found.setdefault(f"{kind}, processors", []).append(used.processors)

    def _run(self, arguments: list[str]) -> "Used":
        """Run Python with the arguments; end the measurement if it fails."""
        with TemporaryDirectory() as place:
            printed, errors = Path(place, "printed"), Path(place, "errors")
            with printed.open("w") as out, errors.open("w") as err:
                started = time.perf_counter()
                process = subprocess.Popen(
                    [self.python, *arguments], cwd=self.folder, env=self.variables, stdout=out, stderr=err
                )
                _, status, used = os.wait4(process.pid, 0)
                seconds = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise SystemExit(f"{' '.join(arguments)}\n{printed.read_text()}\n{errors.read_text()}")
            return Used(printed.read_text(), seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


@dataclass
class Used:
    """What a command has printed, and taken: seconds, seconds of processors, and MiB of memory at its peak."""

    printed: str
    seconds: float
    processors: float
    memory: float


def contestants(project: Project, data: Path, clones: dict[str, Path], place: Path) -> dict[str, Contestant]:
    """Return all that are there by their names.

    Args:
        project: of this template.
        data: the folder of the unpacked files.
        clones: of the others, by name.
        place: for the copies of them.
    """
    variables = {name: value for name, value in project.environment.items() if name != "PYTHONPATH"}
    ours = [*project.settings, "model=mlp", "training.epochs={}", "hydra.run.dir=outputs/measured"]
    script = str(Path(__file__).with_name("plain_lightning.py").resolve())
    found = {OURS: Contestant(project.folder, sys.executable, "train.py", ours, project.environment)}
    for name, clone in clones.items():
        copy = shutil.copytree(clone, place / name, ignore=shutil.ignore_patterns(".git", ".venv"))
        for path, content in FILES[name].items():
            (copy / path).write_text(content)
        shutil.copytree(data, copy / "data" / DATASET[name] / "raw")
        python = clone / ".venv" / "bin" / "python"
        found[name] = Contestant(
            copy, str(python), SCRIPT[name], SETTINGS[name], {**variables, "PYTHONPATH": str(copy)}
        )
    (place / PLAIN).mkdir()
    found[PLAIN] = Contestant(place / PLAIN, sys.executable, script, [str(data), "{}"], variables, has_help=False)
    return found


def table(found: dict[str, Contestant]) -> str:
    """Return what was measured as Markdown: medians."""
    rows = {
        "an epoch": ("epoch", "{:.2f} s"),
        "until the first training step": ("first step", "{:.2f} s"),
        "the same, seconds of processors": ("first step, processors", "{:.2f} s"),
        "`--help`": ("help", "{:.2f} s"),
        "the same, seconds of processors ": ("help, processors", "{:.2f} s"),
        "memory at the peak of a training": ("memory", "{:.0f} MiB"),
        f"accuracy on the validation after {EPOCHS} epochs": ("accuracy", "{:.3f}"),
    }
    lines = [["measured", *found], ["---"] * (len(found) + 1)]
    lines += [[title, *(each.shown(*row) for each in found.values())] for title, row in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Measure all in turns, and print the table."""
    source = Path(sys.argv[2]).resolve()
    project = Project(Path(sys.argv[1]).resolve(), source)
    clones = dict(zip((LHT, RT), (Path(each).absolute() for each in sys.argv[3:]), strict=False))
    print(f"{machine()}, {ROUNDS} rounds", flush=True)
    with TemporaryDirectory() as folder:
        data = Path(folder, "raw")
        data.mkdir()
        for name in RAW:
            (data / name).write_bytes(gzip.decompress((source / f"{name}.gz").read_bytes()))
        found = contestants(project, data, clones, Path(folder))
        project.train(["train.py"], "model=mlp", "training.epochs=1")  # prepares the data
        for number in range(ROUNDS):
            for name, each in found.items():
                each.measure()
                print(f"round {number + 1}: {name}", flush=True)
    print(table(found))
    for name in (LHT, RT):
        if name not in found:
            print(f"{name} was left out: no folder was given")


if __name__ == "__main__":
    main()
