"""Every command that reads a run refuses files that its record does not name."""

import contextlib
import copy
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Render, metrics, run
from reproml import programs, recipe
from reproml.errors import RecordError
from reproml.runs import integrity, schema
from reproml.runs.completed import CompletedRun
from reproml.runs.record import identity, read
from reproml.runs.tables import figure_digests, table_digests
from reproml.verify.rerun import outer_environment
from runs import record, script, train

pytestmark = pytest.mark.preloaded

DAMAGED = Path(__file__).with_name("damaged.py")
FILES = ("model.safetensors", "metrics.csv", "trace.jsonl", "config.yaml")
# Which of these files each command reads, and so refuses.
READS = {
    "evaluate": {"model.safetensors", "metrics.csv", "config.yaml"},
    "Predictor": {"model.safetensors", "config.yaml"},
    "finetune": {"model.safetensors"},
    "continue": {"trace.jsonl"},
    "report RUN": {"metrics.csv", "config.yaml"},
    "spread RUN OTHER": {"metrics.csv"},
    "compare OTHER RUN": {*FILES},
    "diff RUN OTHER": {*FILES},
    "archive RUN": {*FILES},
    "verify RUN": {*FILES},
    "sync RUN --to mlflow": {*FILES},
}
ASK = """
import contextlib, io, json, shutil, sys
from pathlib import Path
import evaluate
from reproml import __main__ as commands
from reproml.runs.completed import CompletedRun
from reproml.config.explain import explain
from reproml.training.earlier import built_on
from reproml.serving.predictor import Predictor
from omegaconf import OmegaConf

def restore(run, mode):
    config = CompletedRun.named("outputs/good").config
    config.restore.run, config.restore.mode, config.paths.run, config.training.epochs = run, mode, "outputs/new", 3
    built_on(config)

actions = {
    "evaluate": lambda run: evaluate.main(OmegaConf.create({"run": run, "output": f"{run}/evaluation"})),
    "Predictor": lambda run: Predictor(Path(run)),
    "finetune": lambda run: restore(run, "finetune"),
    "continue": lambda run: restore(run, "continue"),
}
said = {}
for run, command in json.loads(sys.argv[1]):
    output = io.StringIO()
    with contextlib.redirect_stderr(output), contextlib.redirect_stdout(io.StringIO()):
        try:
            if command in actions:
                actions[command](run)
            else:
                words = [{"RUN": run, "OTHER": "outputs/other"}.get(word, word) for word in command.split()]
                sys.argv[1:] = words
                commands.main()
        except Exception as error:
            output.write(explain(error))
    said[f"{run} {command}"] = output.getvalue()
print(json.dumps(said))
"""


EDITING = """
from pathlib import Path
from lightning import Callback

class Edit(Callback):
    def on_train_start(self, trainer, pl_module):
        with Path(__file__).open("a") as file:
            file.write("# edited\\n")
"""
SETTINGS = (
    "tracking=none model=mlp training.epochs=2 data.train_examples=200 training/scheduler=none callbacks=best "
    "+callbacks.edit._target_=my_project.editing.Edit"
)
RECORD: dict[str, Any] = {  # as a training writes it, on a machine that does not exist
    "schema_version": 4,
    "reproml": "0.1.0",
    "status": "finished",
    "reproducibility": {"level": "strict", "text": "the same bits"},
    "command": {"script": "train.py", "config": "config", "overrides": []},
    "config": {
        "seed": 42,
        "paths": {"run": "outputs/run", "raw": "data/raw/few", "processed": "data/processed/few"},
        "data": {
            "name": "few",
            "_target_": "few",
            "source": "sklearn",
            "files": {},
            "classes": ["a", "b"],
            "validation_fraction": 0.2,
            "test_fraction": 0.15,
        },
        "model": {"_target_": "torch.nn.Identity"},
        "trainer": {
            "_target_": "lightning.Trainer",
            "accelerator": "cpu",
            "devices": 1,
            "num_nodes": 1,
            "log_every_n_steps": 10,
        },
        "training": {
            "epochs": 1,
            "batch_size": 8,
            "accumulate": 1,
            "lr": 0.1,
            "optimizer": {"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.1},
            "scheduler": {},
            "loss": {"_target_": "torch.nn.CrossEntropyLoss"},
        },
        "callbacks": {},
        "tracking": {},
        "restore": {"mode": "fresh", "run": None, "skip": []},
        "reproducibility": {"mode": "strict"},
    },
    "seeds": {"seed": 42},
    "git": None,
    "code": {},
    "data": {"name": "few", "raw": {}, "prepared": {}},
    "inputs": {},
    "locks": {},
    "environment": {
        "python": "3.11.9",
        "os": {"system": "Linux", "release": "6.1", "libc": "2.36"},
        "cpu": {"machine": "x86_64", "model": "A Processor", "capability": "AVX2", "flags": []},
        "gpu": None,
        "torch": {"threads": 1},
        "variables": {},
        "packages": {"torch": "2.13.0"},
        "hash_randomization": False,
    },
    "restored": None,
    "sessions": [
        {
            "started": "2026-01-31T12:00:00+00:00",
            "from_batch": 0,
            "ended": "2026-01-31T12:01:00+00:00",
            "seconds": 60.0,
            "changed": [],
            "edited": [],
        }
    ],
    "metrics": {"accuracy": 0.5},
    "tables": {},
    "figures": {},
    "weights_sha256": "0" * 64,
}


GIT = {"commit": "0" * 40, "branch": "main", "folder": "", "dirty": False, "left_out": []}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a finished run of a few files, as far as its files are compared with its record, in a project's folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "known.yaml").write_text(
        "trainer: {_target_: lightning.Trainer}\nmodel: {_target_: torch.nn.Identity}\ndata: {_target_: few}\n"
        "optimizer: {_target_: torch.optim.SGD}\nloss: {_target_: torch.nn.CrossEntropyLoss}\n"
    )
    content = {"model.safetensors": "weights", "metrics.csv": "epoch\n0\n", "trace.jsonl": "{}\n"}
    keys = ("model_sha256", "history_sha256", "trace_sha256")
    digests = {key: hashlib.sha256(text.encode()).hexdigest() for key, text in zip(keys, content.values(), strict=True)}
    found = {**RECORD, **digests}
    content |= {"run.json": json.dumps(found), "config.yaml": json.dumps(found["config"])}
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_refused_where_it_is_read(folder: Path, name: str) -> None:
    assert CompletedRun.read(folder, needs=FILES).record["status"] == "finished"
    text = (folder / name).read_text()
    (folder / name).write_text(text.replace("0.15", "0.25") if name == "config.yaml" else f"{text} ")
    for reader in (CompletedRun.read, integrity.intact):
        with pytest.raises(RecordError, match=rf"{name} is not the file in the record"):
            reader(folder, reads=[name])  # type: ignore[operator]
    with pytest.raises(RecordError, match=rf"{name} is not the file in the record"):
        CompletedRun.named(folder, needs=FILES)
    CompletedRun.read(folder, needs=[other for other in FILES if other != name])  # the others are not checked
    (folder / name).unlink()
    with pytest.raises(RecordError, match=rf"{name} does not exist"):
        CompletedRun.read(folder, needs=[name])
    CompletedRun.read(folder, reads=[name])


def test_a_record_of_version_3_is_still_read(folder: Path) -> None:
    """It called the reproducibility level a promise. Those of earlier versions are refused."""
    now = CompletedRun.read(folder).record
    earlier = {**now, "schema_version": 3, "promise": {"mode": "strict", "text": "the same bits"}}
    del earlier["reproducibility"]
    (folder / "run.json").write_text(json.dumps(earlier))
    assert CompletedRun.read(folder, needs=FILES).record == now
    for key, value in (("promise", {"mode": "strict"}), ("promise", []), ("schema_version", 2)):
        (folder / "run.json").write_text(json.dumps({**earlier, key: value}))
        with pytest.raises(RecordError, match=r"not a valid record: reproducibility|schema version 2, but"):
            CompletedRun.read(folder)


@pytest.mark.parametrize("name", ["", ".", "src"])
def test_a_folder_without_a_record_is_no_run_whatever_links_it_holds(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir(exist_ok=True)
    (tmp_path / name / ".venv").symlink_to("/")
    with contextlib.chdir(tmp_path), pytest.raises(RecordError, match=r"run\.json does not exist: name the folder"):
        CompletedRun.read(Path(name))


def test_a_file_that_no_record_can_vouch_for_is_refused(folder: Path) -> None:
    """A step trace beside a run that wrote none, and a file that is not a configuration."""
    found = record(folder)
    (folder / "run.json").write_text(json.dumps({**found, "trace_sha256": None}))
    with pytest.raises(RecordError, match=r"trace\.jsonl is not the file"):
        CompletedRun.read(folder, reads=["trace.jsonl"])
    for text in ("seed: [", "42", ""):
        (folder / "config.yaml").write_text(text)
        with pytest.raises(RecordError, match=r"config\.yaml is not the file"):
            CompletedRun.read(folder, reads=["config.yaml"])


def test_the_figures_of_a_test_are_the_recorded_ones(folder: Path) -> None:
    """Those of evaluate.py, whose metrics have intervals, may be drawn by another matplotlib."""
    figure = folder / "test" / "figures" / "curves.png"
    figure.parent.mkdir(parents=True)
    figure.write_bytes(b"one")
    (folder / "test" / "metrics.json").write_text(json.dumps(record(folder)["metrics"]))
    evaluation = folder / "test" / "evaluation.json"
    evaluation.write_text(json.dumps({"metrics": {"accuracy": {"value": 0.5, "interval": None}}}))
    found = {**record(folder), "figures": figure_digests(folder / "test")}
    assert schema.problem(found) is None
    assert CompletedRun(folder, found).test_folder() == folder / "test"
    figure.write_bytes(b"another")
    with pytest.raises(RecordError, match=r"figures/curves\.png is not the file in the record"):
        CompletedRun(folder, found).test_folder()
    assert CompletedRun(folder, record(folder)).test_folder() == folder / "test"  # it has recorded none
    evaluation.write_text(json.dumps({"metrics": {"accuracy": {"value": 0.5, "interval": [0.4, 0.6]}}}))
    assert CompletedRun(folder, found).test_folder() == folder / "test"


def test_the_tables_of_a_test_are_the_recorded_ones(folder: Path) -> None:
    """The report, the archive, the trackers and the checklist show them."""
    test = folder / "test"
    test.mkdir()
    (test / "metrics.json").write_text(json.dumps(record(folder)["metrics"]))
    (test / "tables").mkdir()
    for name in ("tables/per_class.csv", "predictions.csv"):
        (test / name).write_text("class,f1\na,0.5\n")
    found = {**record(folder), "tables": table_digests(test)}
    assert schema.problem(found) is None
    assert CompletedRun(folder, found).test_folder() == test
    (test / "tables" / "per_class.csv").write_text("class,f1,f1_low,f1_high\na,0.5,0.4,0.6\n")  # of evaluate.py
    assert CompletedRun(folder, found).test_folder() == test
    (test / "tables" / "per_class.csv").unlink()  # what is not there says nothing wrong
    assert CompletedRun(folder, found).test_folder() == test
    cuts = test / "tables" / "cuts.csv"
    cuts.write_text("class,cut_low\na,0.1\n")  # no end of an interval: there is no cut
    cut = {**found, "tables": table_digests(test)}
    assert CompletedRun(folder, cut).test_folder() == test
    cuts.write_text("class,cut_low\na,0.2\n")
    with pytest.raises(RecordError, match=r"cuts\.csv is not the file in the record"):
        CompletedRun(folder, cut).test_folder()
    cuts.unlink()
    (test / "predictions.csv").write_text("class,f1\na,0.9\n")
    with pytest.raises(RecordError, match=r"test/predictions\.csv is not the file in the record"):
        CompletedRun(folder, found).test_folder()
    assert CompletedRun(folder, record(folder)).test_folder() == test
    (test / "metrics.json").write_text("{}")  # of another training
    assert CompletedRun(folder, found).test_folder() is None


def test_the_patch_of_a_run_is_the_recorded_one(folder: Path) -> None:
    """A run of a commit alone may have no patch, or an empty one; every other has the one that was recorded."""
    patch = folder / "changes.patch"
    for git in (None, {**GIT, "patch_sha256": hashlib.sha256(b"").hexdigest()}):
        (folder / "run.json").write_text(json.dumps({**record(folder), "git": git}))
        patch.unlink(missing_ok=True)
        CompletedRun.read(folder, reads=integrity.EVERYTHING)
        patch.write_bytes(b"")
        CompletedRun.read(folder, needs=integrity.EVERYTHING)
        patch.write_bytes(b"+ more")
        with pytest.raises(RecordError, match=r"changes\.patch is not the file in the record"):
            CompletedRun.read(folder, reads=integrity.EVERYTHING)
    dirty = {**GIT, "dirty": True, "patch_sha256": hashlib.sha256(b"+ more").hexdigest()}
    (folder / "run.json").write_text(json.dumps({**record(folder), "git": dirty}))
    CompletedRun.read(folder, reads=integrity.EVERYTHING)
    patch.write_bytes(b"+ other")
    with pytest.raises(RecordError, match=r"changes\.patch is not the file in the record"):
        integrity.intact(folder)
    patch.unlink()
    with pytest.raises(RecordError, match=r"changes\.patch does not exist"):
        CompletedRun.read(folder, reads=integrity.EVERYTHING)


def test_a_training_is_the_same_in_a_folder_that_was_moved() -> None:
    moved = copy.deepcopy(RECORD)
    moved["config"]["paths"]["run"] = "outputs/moved"
    assert identity(moved) == identity(RECORD)
    moved["config"]["training"]["lr"] = 0.2
    assert identity(moved) != identity(RECORD)


@pytest.mark.parametrize(
    ("group", "key", "value", "readable"),
    [
        ("training", "epochs", 2_000_000, True),
        ("trainer", "log_every_n_steps", 10**9, True),
        ("data", "source", "", True),
        ("", "seed", 2**64 - 1, True),
        ("", "seed", 2**64, False),
        ("training", "epochs", 0, False),
        ("data", "source", "--option", False),
    ],
)
def test_what_may_be_configured_can_be_read_again(
    folder: Path, group: str, key: str, value: Any, readable: bool
) -> None:
    found = copy.deepcopy(record(folder))
    (found["config"][group] if group else found["config"])[key] = value
    (folder / "run.json").write_text(json.dumps(found))
    assert (schema.problem(found) is None) is readable
    if readable:
        read(folder)
    else:
        with pytest.raises(RecordError, match=rf"{key} (is out of range|is too large|has a form)"):
            read(folder)


def test_a_command_in_a_stage_or_a_job_does_not_pass_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    of_this_process = (
        "DVC_STAGE",
        "DVC_ROOT",
        "LOCAL_WORLD_SIZE",
        "MASTER_ADDR",
        "MASTER_PORT",
        "RANK",
        "SLURM_JOB_ID",
    )
    for name in (*of_this_process, "DATA_URL"):
        monkeypatch.setenv(name, "1")
    assert "DATA_URL" in outer_environment()
    assert not {*of_this_process} & {*outer_environment()}


COMMANDS = ("train.py", "prepare.py", "evaluate.py", "document.py", "configure.py", "-m my_project", "-m reproml")


@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_ends_a_command_in_one_line_while_it_imports(render: Render, tmp_path: Path, command: str) -> None:
    for library in ("omegaconf", "hydra", "yaml"):  # whichever is asked for first
        (tmp_path / f"{library}.py").write_text("raise KeyboardInterrupt")
    project = render()
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{project / 'src'}"}
    said = subprocess.run(
        [sys.executable, *command.split()], cwd=project, env=environment, capture_output=True, text=True
    )
    assert (said.returncode, said.stdout, said.stderr) == (130, "", "error: interrupted\n")


def test_ctrl_c_inside_a_library_that_makes_an_error_of_it_is_still_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # which is set inside

    def load() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise ImportError("cannot load module") from error

    with pytest.raises(SystemExit) as stop, recipe.one_sentence():
        load()
    assert stop.value.code == 130
    assert capsys.readouterr().err == "error: interrupted\n"


# A command that waits for another program, as `verify` waits for a training, and is told to end.
WAITING = """
import sys
from reproml import __main__, programs
from reproml.cli import check
def wait(arguments):
    programs.CALL[sys.executable, "-c", "import os, time; os.write(3, b'%d' % os.getpid()); time.sleep(60)"],
                  pass_fds=[3])
check._check = wait
sys.argv[1:] = ["check"]
__main__.main()
"""


@pytest.mark.parametrize("call", ["waited_for(", "followed(show=print, command="])
def test_a_command_does_not_leave_its_training_behind(call: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    source = Path(programs.__file__).parents[1]
    read, write = os.pipe()
    script = f"import os; os.dup2({write}, 3); " + "exec(open('waiting.py').read())"
    (tmp_path / "waiting.py").write_text(WAITING.replace("CALL", call))
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(source)}, pass_fds=[write]
    )
    child = int(os.read(read, 20))
    process.terminate()
    assert process.wait(30) == 143
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@pytest.mark.parametrize(("name", "resume"), [("config", "python train.py resume="), ("pipeline", "dvc repro resumes")])
def test_an_unfinished_run_says_how_to_resume_it(folder: Path, name: str, resume: str) -> None:
    command = {**RECORD["command"], "config": name}
    found = {**record(folder), "status": "running", "model_sha256": None, "command": command}
    (folder / "run.json").write_text(json.dumps(found))
    with pytest.raises(RecordError, match=f"is not finished: {resume}"):
        CompletedRun.named(folder, needs=["model.safetensors"])
    integrity.intact(folder)  # as diff reads it: only the configuration is recorded yet


@pytest.fixture(scope="module")
def runs(shared_project: Path) -> Path:
    """Return the folder of two runs that differ in their learning rate, and copies of one with a file of the other."""
    (shared_project / "src" / "my_project" / "editing.py").write_text(EDITING)
    good = train(shared_project, SETTINGS, "good")
    other = train(shared_project, f"{SETTINGS} training.lr=0.01", "other")
    for name in FILES:
        shutil.copytree(good, good.with_name(f"with-{name}"))
        shutil.copy(other / name, good.with_name(f"with-{name}"))
    return good.parent


def ask(project: Path, questions: list[tuple[str, str]]) -> dict[str, str]:
    """Return what each command says of a run; all are asked in one process."""
    answer: dict[str, Any] = json.loads(script(project, ASK, json.dumps(questions)).splitlines()[-1])
    return answer


@pytest.mark.slow
def test_every_command_refuses_what_it_reads_and_the_record_does_not_name(shared_project: Path, runs: Path) -> None:
    questions = [(f"outputs/with-{name}", command) for command, reads in READS.items() for name in sorted(reads)]
    # the same commands accept the unchanged run; those left out change or train something, and are tested elsewhere
    taken = ["finetune", "continue", "report RUN", "spread RUN OTHER", "compare OTHER RUN", "diff RUN OTHER"]
    said = ask(shared_project, [*questions, *(("outputs/good", command) for command in taken)])
    for folder, command in questions:
        name = folder.removeprefix("outputs/with-")
        assert f"{name} is not the file in the record" in said[f"{folder} {command}"], command
    left = ("evaluation", "report.html", "verification.json")
    assert not [path for path in runs.glob("with-*/*") if path.name in left]
    assert not (shared_project / "archives").exists()
    assert [command for command in taken if said[f"outputs/good {command}"]] == []


@pytest.mark.slow
def test_a_test_is_of_the_data_that_was_trained_with(shared_project: Path, runs: Path) -> None:
    """Prepared again by code that was edited, it is refused if its arrays are others, and taken if they are not."""
    command = "python evaluate.py run=outputs/good output=outputs/good/evaluation"
    digits = shared_project / "src" / "my_project" / "data" / "digits.py"
    good = digits.read_text()
    try:
        digits.write_text(good.replace("table[:, :64]", "table[:, 63::-1]"))
        refused = run(command, shared_project, check=False)
        assert refused.returncode == 1
        assert "digits/inputs.npy is not the file that the run was trained and tested with" in refused.stderr
        assert not (runs / "good" / "evaluation").exists()
        digits.write_text(f"{good}# a remark\n")
        run(command, shared_project)
    finally:
        digits.write_text(good)
    assert metrics(runs / "good" / "evaluation") == record(runs / "good")["metrics"]
    shutil.rmtree(runs / "good" / "evaluation")


@pytest.mark.slow
def test_evaluate_needs_the_history(shared_project: Path, runs: Path) -> None:
    """It draws it; so a run without one is refused before the test."""
    shutil.copytree(runs / "good", runs / "unhistoric")
    (runs / "unhistoric" / "metrics.csv").unlink()
    said = ask(shared_project, [("outputs/unhistoric", "evaluate")])["outputs/unhistoric evaluate"]
    assert "metrics.csv does not exist" in said
    assert not (runs / "unhistoric" / "evaluation").exists()


@pytest.mark.slow
def test_a_file_that_is_edited_during_the_training_is_recorded(shared_project: Path, runs: Path) -> None:
    """What the record holds is the version from before, which was imported."""
    before = hashlib.sha256(EDITING.encode()).hexdigest()
    found = record(runs / "good")
    assert found["code"]["src/my_project/editing.py"] == before
    assert [session["edited"] for session in found["sessions"]] == [["src/my_project/editing.py"]]
    assert "editing.py was edited while the run trained" in " ".join((runs / "good" / "train.log").read_text().split())


@pytest.mark.slow
def test_a_checkpoint_of_another_run_is_refused(shared_project: Path, runs: Path) -> None:
    """As the one to start from, as the point to resume, and as the best epoch."""
    mixed, interrupted = runs / "mixed", runs / "interrupted"
    for folder in (mixed, interrupted):
        shutil.copytree(runs / "good", folder)
    foreign = (runs / "other" / "checkpoints" / "last.ckpt").read_bytes()
    (mixed / "checkpoints" / "last.ckpt").write_bytes(foreign)
    checksum = hashlib.sha256(foreign).hexdigest()[:16]
    (interrupted / "checkpoints" / f"resume-0000000002-{checksum}.ckpt").write_bytes(foreign)
    (interrupted / "run.json").write_text(json.dumps({**record(interrupted), "status": "running"}))
    reason = "belongs to another run (configuration: training.lr was 0.003, is 0.01)"
    said = ask(shared_project, [("outputs/mixed", "continue"), ("outputs/good", "continue")])
    assert reason in said["outputs/mixed continue"]
    assert said["outputs/good continue"] == ""
    before = {
        path: path.read_bytes()
        for path in interrupted.rglob("*.*")
        if path.is_file() and ".log" not in path.name and ".hydra" not in path.parts
    }
    refused = run("python train.py resume=outputs/interrupted", shared_project, check=False)
    assert refused.returncode == 1
    assert reason in refused.stderr
    assert {path: path.read_bytes() for path in before} == before
    code = (
        "from pathlib import Path; from types import SimpleNamespace as Object\n"
        "import torch\n"
        "from hydra.utils import instantiate\n"
        "from reproml.training.checkpoint import AtomicCheckpointIO, load_checkpoint\n"
        "from reproml.training.final import final_weights\n"
        "own, other = (next(Path('outputs', name, 'checkpoints').glob('best*.ckpt')) for name in ('good', 'other'))\n"
        "content = load_checkpoint(own)\n"
        "[state] = [each for each in content['callbacks'].values() if 'best_model_score' in each]\n"
        "def end(path, score, mode):\n"
        "    config = {**content['config'], 'restore': {'mode': mode}}\n"
        "    callback = instantiate(config['callbacks']['best_checkpoint'])\n"
        "    callback.best_model_path, callback.best_model_score = str(path), score\n"
        "    strategy = Object(checkpoint_io=AtomicCheckpointIO(config))\n"
        "    trainer = Object(checkpoint_callbacks=[callback], strategy=strategy)\n"
        "    try: return len(final_weights(trainer, None, 'best')) > 0\n"
        "    except Exception as error: return str(error)\n"
        "score = state['best_model_score']\n"
        "def without(name):\n"
        "    torch.save({key: value for key, value in content.items() if key != name}, 'without.ckpt')\n"
        "    return 'without.ckpt'\n"
        "print(end(own, score, 'fresh'), end(own, score, 'continue'))\n"
        "print(end(without('config'), score, 'fresh'), end(without('config'), score, 'continue'), sep='\\n')\n"
        "print(end(without('callbacks'), score, 'fresh'))\n"
        "print(end(other, score, 'fresh'), end(other, score, 'continue'), end(own, score + 1, 'fresh'), sep='\\n')\n"
    )
    taken, *lines = script(shared_project, code).strip().splitlines()
    assert taken == "True True"
    assert all("belongs to another run (it holds no configuration)" in line for line in lines[:2])
    assert "is not the best epoch of this run (it holds no score" in lines[2]
    assert reason in lines[3]
    assert all("is not the best epoch of this run" in line for line in lines[4:])
    assert len(lines) == 6
    # resume=auto promises a run from its beginning where it cannot be resumed
    run(f"python train.py {SETTINGS} resume=auto hydra.run.dir=outputs/interrupted", shared_project)
    assert "belongs to another run" in (interrupted / "train.log").read_text().replace("\n", " ")
    assert [session["from_batch"] for session in record(interrupted)["sessions"]] == [0, 0]
    assert record(interrupted)["weights_sha256"] == record(runs / "good")["weights_sha256"]


@pytest.mark.slow
def test_a_training_whose_record_could_not_be_read_is_refused(shared_project: Path, runs: Path) -> None:
    shutil.copytree(runs / "good", runs / "earlier")
    (runs / "earlier" / "run.json").write_text(json.dumps({**record(runs / "good"), "status": "running"}))
    command = f"python train.py {SETTINGS} 'data.source=--option' resume=auto hydra.run.dir=outputs/earlier"
    before = {path: path.read_bytes() for path in (runs / "earlier").rglob("*.*t*") if path.suffix != ".log"}
    refused = run(command, shared_project, check=False)
    assert refused.returncode == 1
    assert "config.data.source has a form that no training writes" in refused.stderr
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.slow
def test_every_reader_refuses_every_damage_in_one_sentence(shared_project: Path) -> None:
    command = [shared_project / ".venv" / "bin" / "python", DAMAGED]
    result = subprocess.run(command, cwd=shared_project, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    assert json.loads(result.stdout) == []
