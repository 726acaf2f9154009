"""What is refused, in one sentence and before anything is written, and what is not."""

import json
import os
from pathlib import Path

import pytest
from conftest import run

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]

# All lines below run in one process, which loads torch once. It prints a sentence if a line is refused, else null.
TRY = """
import json, runpy, shlex, sys
from types import SimpleNamespace
import numpy as np
from reproml.catalog.find import with_named_runs
from reproml.config.check import check
from reproml.config.explain import explain
from reproml.arrays.chunk import as_stored, check_announced
from reproml.evaluation.targets import Targets
from reproml import Examples
from reproml.config.preflight import preflight
from reproml.runs.command import refuse_place, with_recorded_overrides
from reproml.runs.folder import read_config
from reproml.training import ready

def train(line):
    arguments = with_recorded_overrides(with_named_runs(shlex.split(line)))
    preflight(arguments, "config", "train", check, ready.ready_to_begin, refuse_place)

def ordered(line):
    written, expected = map(shlex.split, line.split(" -> "))
    assert with_recorded_overrides(written) == expected

def latin(line):
    from pathlib import Path
    from reproml import secrets
    Path(".env").write_bytes(line.encode("latin-1"))
    try:
        secrets.load()
    finally:
        Path(".env").unlink()

def cpu_build(line):
    true, runpy.run_path = runpy.run_path, lambda path: {"__version__": "2.0+cpu", "cuda": None}
    try:
        train(line)
    finally:
        runpy.run_path = true

def no_gpu(line):
    import torch
    ready._check_build, torch.cuda.is_available = lambda accelerator: None, lambda: False
    train(line)

def on_a_mac(line):
    true, sys.platform = sys.platform, "darwin"
    try:
        train(line)
    finally:
        sys.platform = true

def tune(line):
    from reproml.tuning.space import read  # loads torch
    search, seed, shared = read(shlex.split(line))
    assert (search.trials, search.pruner, shared) == (2, "none", ["model=mlp"])  # not given to trials

def chunk(line):
    inputs, targets, dtype = eval(line)
    examples = Examples(len(inputs), inputs.shape[1:], dtype, 0, iter([]))
    data = SimpleNamespace(_target_="mine.Data", name="mine", targets=Targets(classes=("no", "yes")))
    check_announced(examples, data)
    stored, labels = as_stored((inputs, targets), examples, data)
    assert stored.dtype == dtype and labels.dtype == np.int64
    np.testing.assert_allclose(stored, inputs, rtol=1e-6)
    np.testing.assert_array_equal(labels, targets)

def no_avx2(line):
    import tempfile
    from pathlib import Path
    from reproml.training import determinism
    with tempfile.NamedTemporaryFile("w") as processor:
        processor.write("flags: fpu sse avx")
        processor.flush()
        true, determinism._PROCESSOR = determinism._PROCESSOR, Path(processor.name)
        try:
            determinism.pin_environment(read_config_of(line).reproducibility)
        finally:
            determinism._PROCESSOR = true

def of_torchrun(line):
    import os
    from reproml.training import determinism
    config, true = read_config_of(line), determinism._pinned
    os.environ["TORCHELASTIC_RUN_ID"], determinism._pinned = "x", {}
    try:
        determinism.pin_environment(config.reproducibility)
    finally:
        del os.environ["TORCHELASTIC_RUN_ID"]
        determinism._pinned = true

def read_config_of(line):
    found = []
    preflight(shlex.split(line), "config", "train", lambda cfg: found.append(check(cfg)), None)
    return found[0]

def few_files(line):
    import resource
    from reproml.training.open_files import allow_workers
    raised, soft, hard, workers = [], *map(int, line.split())
    true = resource.getrlimit, resource.setrlimit
    resource.getrlimit, resource.setrlimit = lambda kind: (soft, hard), lambda kind, limits: raised.append(limits)
    try:
        allow_workers(workers)
    finally:
        resource.getrlimit, resource.setrlimit = true
    assert raised == ([(48, 100)] if line == "24 100 2" else [])

def keep(line):
    from reproml.tuning.keep import check_name
    check_name(line)

def promote(line):
    from reproml.tuning.promote import check_promotion
    check_promotion(line, [])

for way, line in json.load(sys.stdin):
    try:
        globals()[way](line)
        said = None
    except Exception as error:
        said = explain(error)
    print("said", json.dumps(said))
"""
MINE = """
from collections.abc import Sequence
from typing import Any
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy
from pydantic import PositiveInt
from torch import nn
from torch.optim import SGD

class CNN(nn.Linear):
    def __init__(
        self, input_shape: Sequence[int], outputs: int, width: PositiveInt, gain: float = 1.0,
        names: tuple[str, ...] = (), layer: nn.Module | None = None, step: int = None,
    ) -> None:
        super().__init__(width, outputs)

class Slow(SGD):
    def __init__(self, parameters: Any, lr: float, weight_decay: float = 0.0, pace: int = 1) -> None:
        super().__init__(parameters, lr / pace, weight_decay=weight_decay)

class Nothing:
    def __init__(self, *, lr: float) -> None:
        pass

class Open(nn.Linear):
    def __init__(self, **settings: Any) -> None:
        super().__init__(1, settings["outputs"])

class Closed(nn.Linear):
    def __init__(self, width: int) -> None:
        super().__init__(width, 2)

class Sharded(ModelParallelStrategy):
    pass

class Averaged(DDPStrategy):
    pass
"""
OUTSIDE = Path("/tmp").as_uri()  # a folder that is there, and not the project's
HYDRA = {
    "hydra.job.chdir=true": "hydra.job.chdir=true",
    f"hydra.searchpath=[{OUTSIDE}]": f"hydra.searchpath=[{OUTSIDE}] is not kept in the record",
    "+hydra.job.env_set.OMP_NUM_THREADS=4": "is not kept in the record",
    "+hydra.callbacks.mine._target_=os.system": "is not kept in the record",
    "hydra.overrides.task=[mine]": "is not kept in the record",
    "-cn elsewhere": f"hydra.searchpath={OUTSIDE} is outside of the project",
    "--config-dir /tmp": "--config-dir /tmp is not kept in the record",
    "hydra.output_subdir=checkpoints": "hydra.output_subdir=checkpoints",
    "hydra.run.dir=.": ". cannot be the folder of a run",
    "hydra.run.dir=src/my_project/run": "cannot be the folder of a run",
    "-m seed=1,2 hydra.sweep.subdir=same": "hydra.sweep.subdir=same is one folder for 2 runs",
    "hydra.job.nam=x": "the nearest is hydra.job.name",
    "experiment=../../elsewhere/payload": "experiment=../../elsewhere/payload is not a file in configs/experiment",
    "-m data=digits,../../elsewhere/payload": "data=../../elsewhere/payload is not a file in configs/data",
    "-cn pipeline +elsewhere=payload": "elsewhere=payload is not a file in configs/elsewhere",
    # what the project itself uses, and what changes no result
    "hydra.run.dir=/tmp/elsewhere hydra.job.name=other hydra.verbose=true hydra.output_subdir=null": None,
    "-m seed=1,2 hydra.sweep.dir=outputs/many 'hydra.sweep.subdir=s${seed}'": None,
    "-cn pipeline": None,
    "hydra/job_logging=none hydra/hydra_logging=none": None,
    "--cfg job hydra.job.chdir=true": None,  # only shown
}
KEYS = {
    "learning_rate=0.1": "the nearest is training.lr",
    "+training.learning_rate=0.1": "the nearest is training.lr",
    "epochs=3": "the nearest is training.epochs",
    "training.dropout=0.1": "the nearest is model.dropout",
    "sweep=search trials=2": "the nearest is search.trials",
    "qqq=1": "qqq is not a key of the configuration (there are: callbacks, data,",
    "callbacks.step_trace=null": "callbacks.step_trace=None names no class",
    "-m training.lr=0.01,-1": "training.lr=-1.0 is out of range",
    "seed=18446744073709551616": "seed=18446744073709551616 is out of range: it must be 0 or greater and below 2**64",
    "seed=18446744073709551615": None,
    "-m training.lr=0.01,0.02": None,
    "restore=finetune restore.run=outputs/nowhere": "restore.run=outputs/nowhere",
    "restore.skip=[network]": "restore.skip=['network'] changes nothing with restore=fresh",
    "callbacks=null": "callbacks=null does not choose a file of configs/callbacks: name one (there are: best, default,",
    "training/scheduler=null": "training/scheduler=null does not choose a file",
    "callbacks=[default,null]": "callbacks=[default,null] does not choose a file of configs/callbacks",
    "tracking=1": "tracking=1 does not choose a file of configs/tracking",
    "restore=hotstart": "restore=hotstart is now restore=warmstart",
    "callbacks.progress=null": "callbacks.progress=None names no class",
    "~callbacks.progress": None,
    "+trainer.limit_test_batches=0": "trainer.limit_test_batches=0 leaves nothing to test",
    "+trainer.limit_test_batches=0.0": "trainer.limit_test_batches=0.0 leaves nothing to test",
    "+trainer.max_steps=0": "trainer.max_steps=0 leaves nothing to train",
    "+trainer.limit_train_batches=0": "trainer.limit_train_batches=0 leaves nothing to train on",
}
# However Hydra lets a key and its value be written: outputs/first and outputs/sweep/1 hold finished runs.
FOLDERS = {
    **{f"{key}outputs/first": "outputs/first holds a finished run" for key in ("hydra.run.dir=", "++hydra.run.dir=")},
    """'hydra.run.dir="outputs/first"'""": "outputs/first holds a finished run",
    "hydra.run.dir=outputs/new hydra.run.dir=outputs/first": "outputs/first holds a finished run",
    "hydra.run.dir=outputs/first hydra.run.dir=outputs/new": None,
    "'hydra.run.dir=outputs/${oc.select:nothing,first}'": "outputs/first holds a finished run",
    "-m seed=1,2 hydra.sweep.dir=outputs/sweep": "outputs/sweep/1 holds a finished run",
    "-m seed=2 hydra.sweep.dir=outputs/sweep": None,
    "-m seed=1,2 hydra.sweep.dir=outputs/new hydra.sweep.dir=outputs/sweep": "outputs/sweep/1 holds a finished run",
    "-m seed=1,2 hydra.sweep.dir=outputs/first": "outputs/first holds a finished run",
    "-m seed=1,2 hydra.sweep.dir=outputs/sweep 'hydra.sweep.subdir=${oc.select:nothing,1}'": "holds a finished run",
    "-m seed=1,2 hydra.sweep.dir=outputs 'hydra.sweep.subdir=new${hydra.job.num}'": None,
    f"hydra.run.dir=outputs/{300 * 'a'}": "has 300 characters, and cannot be the name of a run",
    "hydra.run.dir=train.py": "train.py cannot be the folder of a run, since train.py is no folder",
    "hydra.run.dir=/proc/x": "/proc/x cannot be the folder of a run, since nothing can be created in /proc (No such",
    "hydra.run.dir=train.py/mine/first": "since train.py is no folder",
    "-m seed=1,2 hydra.sweep.dir=train.py": "since train.py is no folder",
    "hydra.run.dir=outputs/first resume=auto": None,  # it is looked into when the training begins
}
OPTIMIZER = "training.optimizer._target_=my_project.models.mine"
CLASSES = {
    "+model.lr_mult=banana": "model.lr_mult is not an argument of my_project.models.cnn.CNN",
    "model=mine": None,  # a class named CNN that is not ours
    "model=mine model.width=wide": "model.width=wide is not valid: my_project.models.mine.CNN takes int there",
    "model=mine model.width=2.5": "model.width=2.5 is not valid",
    "model=mine model.width=0": "model.width=0 is out of range: it must be greater than 0",
    f"{OPTIMIZER}.Slow": None,
    f"{OPTIMIZER}.Slow +training.optimizer.pace=fast": "takes int there",
    f"{OPTIMIZER}.Slow +training.optimizer.pac=2": "the nearest is training.optimizer.pace",
    f"{OPTIMIZER}.Nothing": "takes no positional argument, but it is given the parameters",
    "training/optimizer=sdg": "training/optimizer=sdg does not exist; the nearest is training/optimizer=sgd",
    "training.optimizer=sgd": "as in training/optimizer=sgd",
    "training.momentum=0.5 training/optimizer=sgd": "the nearest is training.optimizer.momentum",
    "training.optimizer.momentum=0.5 training/optimizer=sgd training/scheduler=plateau": None,
    "'+training.loss.weight={_target_: torch.tensor, data: [1.0, 2.0]}'": None,
    "model=mine +model.channels=[1]": "model.channels is not an argument of my_project.models.mine.CNN",
    "model=mine ~model.width": "model.width has no value",
    "model=mine +model.gain=2 +model.names=[a,b] +model.step=null": None,
    "model=mine +model.names=[1]": "model.names=[1] is not valid",
    "model=mine +model.layer._target_=torch.nn.ReLU": None,
    "model=mine +model.layer._target_=torch.nn.ReLU +model.layer.inplac=true": "the nearest is model.layer.inplace",
    "model=mine model._target_=my_project.models.mine.Open +model.any=1": None,
    "model=mine model._target_=my_project.models.mine.Closed": "does not take input_shape",
    "model=mine model._target_=my_project.models.mine.Missing": "mine.Missing cannot be imported",
    "+trainer.limit_train_batchs=3": "the nearest is trainer.limit_train_batches",
    "+trainer.limit_train_batches=abc": "trainer.limit_train_batches=abc is not valid",
    "+trainer.limit_train_batches=3": None,
    "+callbacks.step_trace.foldr=x": "the nearest is callbacks.step_trace.folder",
    "+callbacks.mine._target_=nowhere.Callback": "callbacks.mine._target_=nowhere.Callback cannot be imported",
    "tracking=mlflow +tracking.mlflow.experiment=x": "the nearest is tracking.mlflow.experiment_name",
    "tracking=[mlflow,wandb,tensorboard] callbacks=early_stopping": None,
    "debug=profile": None,
    "trainer.precision=bf16-mixed training.gradient_clip=1 +training.optimizer.fused=true": "leave one of the three",
    "trainer.precision=bf16-mixed training.gradient_clip=null +training.optimizer.fused=true": None,
}
STRATEGIES = "lightning.pytorch.strategies"
TRAINERS = {  # the mode alone, since another level needs another process
    "trainer.accelerator=mps": "trainer.accelerator=mps is not deterministic: on MPS, PyTorch's deterministic",
    "reproducibility.mode=fast trainer.accelerator=mps": "mps is not available on this machine, where Light",
    "trainer.accelerator=tpu": "is not one of those for which reproducibility=strict promises the same bits (cpu, gpu,",
    "reproducibility.mode=fast trainer.accelerator=tpu": "tpu is not available on this machine, where Light",
    "reproducibility.mode=fast trainer.accelerator=nothing": "nothing is not available on this machine",
    "trainer.accelerator=auto": "trainer.accelerator=auto leaves the choice to the machine",
    "trainer.devices=auto": "trainer.devices=auto leaves the choice to the machine, which reproducibility=strict",
    "reproducibility.mode=fast trainer.accelerator=auto trainer.devices=auto": None,
    "trainer.devices=0": "`Trainer(devices=0)` value is not a valid input",
    "trainer.strategy=nothing": "invalid strategy name: `strategy='nothing'`",
    "trainer.devices=2": None,
    "trainer=ddp trainer.strategy=ddp_find_unused_parameters_true": None,
    f"trainer=ddp 'trainer.strategy={{_target_: {STRATEGIES}.DDPStrategy, static_graph: true}}'": None,
    f"trainer=ddp 'trainer.strategy={{_target_: {STRATEGIES}.DDPStrategy, model_averaging_period: 2}}'": (
        "trainer.strategy.model_averaging_period of DDPStrategy keeps a state that no checkpoint holds"
    ),
    f"trainer=ddp 'trainer.strategy={{_target_: {STRATEGIES}.DDPStrategy, start_method: fork}}'": "hand nothing back",
    "trainer=ddp trainer.strategy=ddp_notebook": "trains in processes that hand nothing back to the test that follows",
    **{
        f"reproducibility.mode={mode} trainer=ddp trainer.strategy={name}": f"{name} divides weights or optimizer"
        for mode in ("strict", "fast")
        for name in ("fsdp", "fsdp_cpu_offload", "deepspeed", "deepspeed_stage_3")
    },
    **{
        f"trainer=ddp 'trainer.strategy={{_target_: {place}}}'": f"{place.rpartition('.')[2]} divides weights or"
        for place in (
            f"{STRATEGIES}.FSDPStrategy",
            f"{STRATEGIES}.ModelParallelStrategy",
            "my_project.models.mine.Sharded",
        )
    },
    "trainer=ddp 'trainer.strategy={_target_: my_project.models.mine.Averaged}'": "Averaged is not known to",
    "reproducibility.mode=fast trainer=ddp 'trainer.strategy={_target_: my_project.models.mine.Averaged}'": None,
}
SEARCHES = {
    "sweep=search search.trials=2 search.pruner=none model=mlp": None,
    "sweep=search search.trials=0": "search.trials=0 is out of range",
    "sweep=search search.trials=abc": "search.trials=abc",
    "sweep=search search.trails=2": "search.trails is not a key of the configuration; the nearest is search.trials",
    "sweep=search trials=2": "the nearest is search.trials",
    "search.trials=2": "sweep=null is not a search",
    "sweep=misspelt": "search.patience is not a key of the configuration",
}
CHUNKS = {
    "np.ones((2, 3)), np.array([0, 1]), 'float32'": None,  # as announced, with fewer digits
    "np.ones((2, 3), 'uint8'), np.array([0.0, 1.0]), 'float32'": None,
    "np.array([[255], [0]]), np.array([True, False]), 'uint8'": None,
    "np.ones((0, 3)), np.zeros(0), 'float32'": "announces 0 examples",
    "np.ones((2, 3)), np.array([0.9, 1.0]), 'float32'": "yields the target 0.9",
    "np.ones((2, 3)), np.array([np.nan, 1.0]), 'float32'": "yields the target nan",
    "np.ones((2, 3)), np.array([0, 2**63 + 1], 'uint64'), 'float32'": "name every class",
    "np.ones((2, 3)), np.array([0, -1]), 'float32'": "name every class",
    "np.ones((2, 3)), np.array(['a', 'b']), 'float32'": "targets of the type <U1",
    "np.ones((2, 3, 3)), np.ones((2, 3, 3), int), 'float32'": "targets of shape (2, 3, 3)",
    "np.ones((2, 3)), np.array([0]), 'float32'": "for 1 targets",
    "np.array([[300], [0]]), np.array([0, 1]), 'uint8'": "yields 300, which it cannot hold",
    "np.array([[-1], [0]]), np.array([0, 1]), 'uint8'": "yields -1, which it cannot hold",
    "np.array([[0.5], [0]]), np.array([0, 1]), 'uint8'": "yields 0.5, which it cannot hold",
    "np.array([[1e300], [0]]), np.array([0, 1]), 'float32'": "yields 1e+300, which it cannot hold",
    "np.array([[2**24 + 1], [0]]), np.array([0, 1]), 'float32'": "yields 16777217, which it cannot hold",
    "np.array([[2**63 + 5], [0]], 'uint64'), np.array([0, 1]), 'int64'": "which it cannot hold",
    "np.array([[np.inf], [0]]), np.array([0, 1]), 'float32'": "not numbers",
    "np.array([['a'], ['b']]), np.array([0, 1]), 'float32'": "inputs of the type <U1",
    "np.ones((2, 3)), np.array([0, 1]), 'flote32'": "inputs of the type flote32",
}


RUNS = {
    ("read_config", "outputs/nowhere"): "outputs/nowhere is not the folder of a run; the newest that is finished is "
    "run=outputs/first",
    **{
        ("train", argument): "resume=outputs/nowhere is not the folder of a run; the newest that is not finished is "
        "resume=outputs/second"
        for argument in (
            *(f"{sign}resume=outputs/nowhere" for sign in ("", "+", "++")),
            """'resume="outputs/nowhere"'""",
        )
    },
    ("train", """'resume="outputs/a=b"'"""): "resume=outputs/a=b is not the folder of a run",
    ("train", """"resume=outputs/it's a, b\""""): "resume=outputs/it's a, b is not the folder of a run",
    **{
        (way, f"{key}{300 * 'a'}"): "has 300 characters, and cannot be the name of a run"
        for way, key in (("train", "resume="), ("train", "restore=finetune restore.run="), ("read_config", ""))
    },
    ("train", "resume=[a,b]"): "resume=['a', 'b'] is not the folder of a run",
    ("train", "resume={a:b}"): "resume={'a': 'b'} is not the folder of a run",
    ("train", "resume=outputs/second ~callbacks.progress"): "leave ~callbacks.progress out",
    ("train", "resume=outputs/second,outputs/first"): "resume one after the other",
    ("ordered", "trainer=ddp debug=fast -cn config -> -cn config trainer=ddp debug=fast"): None,
    ("ordered", "seed=1,2 -m training.lr=0.1 -> -m seed=1,2 training.lr=0.1"): None,
    ("latin", "NAME=J\xe4ger"): ".env cannot be read (invalid continuation byte): save it as text in UTF-8",
    ("latin", "NAME=a\0b"): ".env cannot be read (embedded null byte)",
    **{(way, name): f"{name} is no" for way in ("keep", "promote") for name in ("gut\xfc", "null", "on", "a-b", "1")},
    ("no_avx2", "reproducibility=portable"): "reproducibility=portable needs a processor with AVX2, and this one has",
    ("of_torchrun", "reproducibility.threads=7"): "start it as OMP_NUM_THREADS=7 torchrun ...",
    ("few_files", "24 24 2"): "may have 24 files open at once, and 2 data workers need 48",
    ("few_files", "24 100 2"): None,  # which this process may allow itself
    ("few_files", "24 24 0"): None,
    ("few_files", "1024 1024 100"): None,
    **{(way, "good_1"): None for way in ("keep", "promote")},
    ("cpu_build", "trainer=gpu"): "2.0+cpu is for CPUs only: install another (with pip, make setup",
    ("cpu_build", "-m trainer=cpu,gpu"): "make setup TORCH_INDEX=",
    ("cpu_build", "trainer=cpu"): None,
    ("on_a_mac", "trainer=gpu"): "for a Mac: choose trainer=cpu, or trainer.accelerator=mps",
    ("no_gpu", "trainer=gpu"): "nvidia-smi",
    ("no_gpu", "trainer=cpu"): None,
}
CASES: dict[tuple[str, str], str | None] = {
    **{("train", line): expected for line, expected in (HYDRA | KEYS | FOLDERS | CLASSES | TRAINERS).items()},
    **{("tune", line): expected for line, expected in SEARCHES.items()},
    **{("chunk", line): expected for line, expected in CHUNKS.items()},
    **RUNS,
}


@pytest.fixture(scope="module")
def environment(full_environment: Path) -> Path:
    """Return the environment with every tracker."""
    return full_environment


@pytest.fixture(scope="module")
def said(shared_project: Path) -> dict[tuple[str, str], str | None]:
    """Return the answer to each line. Nothing is written meanwhile."""
    files = {
        "try.py": TRY,
        "try.json": json.dumps(list(CASES)),
        "src/my_project/models/mine.py": MINE,
        "configs/model/mine.yaml": "_target_: my_project.models.mine.CNN\nwidth: 3\n",
        "configs/elsewhere.yaml": f"defaults: [config]\nhydra:\n  searchpath: [{OUTSIDE}]\n",
        "configs/sweep/misspelt.yaml": "# @package _global_\ndefaults: [search]\nsearch: {patience: 3}\n",
        "elsewhere/payload.yaml": "# @package _global_\nseed: 1\n",
        "outputs/sweep/1/run.json": '{"status": "finished"}',
        "outputs/first/run.json": '{"status": "finished"}',
        "outputs/second/run.json": '{"status": "running"}',  # newer, and of no use to anyone who wants a model
        "outputs/third/run.json": "{",
        "outputs/it's a, b/note": "",
    }
    for number, (name, content) in enumerate(files.items()):
        (shared_project / name).parent.mkdir(parents=True, exist_ok=True)
        (shared_project / name).write_text(content)
        os.utime(shared_project / name, (number, number))
    before = tree(shared_project)
    output = run("python -B try.py < try.json", shared_project, PYTHONPATH="src", PYTHONHASHSEED="0").stdout
    assert tree(shared_project) == before
    lines = [line.removeprefix("said ") for line in output.splitlines() if line.startswith("said ")]
    return dict(zip(CASES, map(json.loads, lines), strict=True))


def tree(project: Path) -> list[Path]:
    """Return the files and folders of a project, without its environment."""
    return sorted(path for path in project.glob("[!.]*/**/*")) + sorted(project.glob("*"))


@pytest.mark.parametrize(("way", "line"), CASES)
def test_it_is_refused_or_not(said: dict[tuple[str, str], str | None], way: str, line: str) -> None:
    found, expected = said[way, line], CASES[way, line]
    if expected is None:
        assert found is None
    else:
        assert expected in str(found)
        assert len(str(found).splitlines()) == 1
