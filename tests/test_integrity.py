"""Every command that reads a run refuses files that its record does not name."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import run
from package_name.check import check_run
from package_name.errors import RecordError
from package_name.reproducibility import integrity
from runs import record, train

FILES = ("model.safetensors", "metrics.csv", "trail.jsonl", "config.yaml")
# What each command reads of these files, and so refuses.
READS = {
    "evaluate": {"model.safetensors", "metrics.csv", "config.yaml"},
    "Predictor": {"model.safetensors", "config.yaml"},
    "finetune": {"model.safetensors"},
    "continue": {"trail.jsonl"},
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
sys.path.insert(0, "src")
import evaluate
from my_project import __main__ as commands
from my_project.check import check_run
from my_project.cli import explain
from my_project.reproducibility.earlier import built_on
from my_project.serving.predictor import Predictor
from omegaconf import OmegaConf

def restore(run, mode):
    config = check_run("outputs/good")
    config.restore.run, config.restore.mode, config.paths.run, config.training.epochs = run, mode, "outputs/new", 3
    built_on(config)

actions = {
    "evaluate": lambda run: evaluate.main(OmegaConf.create({"run": run, "output": f"{run}/evaluation"})),
    "Predictor": lambda run: Predictor(Path(run)),
    "finetune": lambda run: restore(run, "finetune"),
    "continue": lambda run: restore(run, "continue"),
}
said = {}
for run, command in json.load(sys.stdin):
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
RECORD: dict[str, Any] = {  # as a training writes it, of a machine that is none
    "schema_version": 1,
    "status": "finished",
    "promise": {"mode": "strict", "text": "the same bits"},
    "command": {"script": "train.py", "config": "config", "overrides": []},
    "config": {
        "seed": 42,
        "paths": {"run": "outputs/run", "raw": "data/raw/few", "processed": "data/processed/few"},
        "data": {
            "name": "few",
            "reader": "few",
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
            "optimizer": "sgd",
            "scheduler": "none",
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
    "weights_sha256": "0" * 64,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a finished run of a few files, as far as its files are compared with its record."""
    monkeypatch.setenv("RUN_FOLDER_IS_TRUSTED", "1")  # as --trust does: there are no configs/ here
    content = {"model.safetensors": "weights", "metrics.csv": "epoch\n0\n", "trail.jsonl": "{}\n"}
    keys = ("model_sha256", "history_sha256", "trail_sha256")
    digests = {key: hashlib.sha256(text.encode()).hexdigest() for key, text in zip(keys, content.values(), strict=True)}
    found = {**RECORD, **digests}
    content |= {"run.json": json.dumps(found), "config.yaml": json.dumps(found["config"])}
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_refused_where_it_is_read(folder: Path, name: str) -> None:
    assert integrity.finished(folder, needs=FILES)["status"] == "finished"
    text = (folder / name).read_text()
    (folder / name).write_text(text.replace("0.15", "0.25") if name == "config.yaml" else f"{text} ")
    for read in (integrity.finished, integrity.intact):
        with pytest.raises(RecordError, match=rf"{name} is not the file that the record names"):
            read(folder, reads=[name])  # type: ignore[operator]
    with pytest.raises(RecordError, match=rf"{name} is not the file that the record names"):
        check_run(str(folder), needs=FILES)
    integrity.finished(folder, needs=[other for other in FILES if other != name])  # the others are not looked at
    (folder / name).unlink()
    with pytest.raises(RecordError, match=rf"{name} does not exist"):
        integrity.finished(folder, needs=[name])
    integrity.finished(folder, reads=[name])


def test_a_file_that_no_record_can_vouch_for_is_refused(folder: Path) -> None:
    """A trail beside a run that wrote none, and a configuration that is none."""
    found = record(folder)
    (folder / "run.json").write_text(json.dumps({**found, "trail_sha256": None}))
    with pytest.raises(RecordError, match=r"trail\.jsonl is not the file"):
        integrity.finished(folder, reads=["trail.jsonl"])
    for text in ("seed: [", "42", ""):
        (folder / "config.yaml").write_text(text)
        with pytest.raises(RecordError, match=r"config\.yaml is not the file"):
            integrity.finished(folder, reads=["config.yaml"])


@pytest.mark.parametrize(("name", "resume"), [("config", "python train.py resume="), ("pipeline", "dvc repro resumes")])
def test_an_unfinished_run_says_how_to_resume_it(folder: Path, name: str, resume: str) -> None:
    command = {**RECORD["command"], "config": name}
    found = {**record(folder), "status": "running", "model_sha256": None, "command": command}
    (folder / "run.json").write_text(json.dumps(found))
    with pytest.raises(RecordError, match=f"is not finished: {resume}"):
        check_run(str(folder), needs=["model.safetensors"])
    integrity.intact(folder)  # as diff reads it, since nothing but the configuration is recorded yet


@pytest.fixture(scope="module")
def runs(shared_project: Path) -> Path:
    """Return the folder of two runs that differ in their learning rate, and copies of one with a file of the other."""
    (shared_project / "src" / "my_project" / "editing.py").write_text(EDITING)
    short = "tracking=none model=mlp training.epochs=2 data.train_examples=200 training.scheduler=none callbacks=best"
    short += " +callbacks.edit._target_=my_project.editing.Edit"
    good = train(shared_project, short, "good")
    other = train(shared_project, f"{short} training.lr=0.01", "other")
    for name in FILES:
        shutil.copytree(good, good.with_name(f"with-{name}"))
        shutil.copy(other / name, good.with_name(f"with-{name}"))
    return good.parent


def ask(project: Path, questions: list[tuple[str, str]]) -> dict[str, str]:
    """Return what each command says of a run; all are asked in one process."""
    (project / "questions.json").write_text(json.dumps(questions))
    (project / "ask.py").write_text(ASK)
    try:
        answer: dict[str, Any] = json.loads(run("python ask.py < questions.json", project).stdout.splitlines()[-1])
    finally:
        (project / "questions.json").unlink()
        (project / "ask.py").unlink()
    return answer


@pytest.mark.slow
def test_every_command_refuses_what_it_reads_and_the_record_does_not_name(shared_project: Path, runs: Path) -> None:
    questions = [(f"outputs/with-{name}", command) for command, reads in READS.items() for name in sorted(reads)]
    # the same commands take the run as it was made; those left out are tested elsewhere, and change or train something
    taken = ["finetune", "continue", "report RUN", "spread RUN OTHER", "compare OTHER RUN", "diff RUN OTHER"]
    said = ask(shared_project, [*questions, *(("outputs/good", command) for command in taken)])
    for folder, command in questions:
        name = folder.removeprefix("outputs/with-")
        assert f"{name} is not the file that the record names" in said[f"{folder} {command}"], command
    left = ("evaluation", "report.html", "verification.json")
    assert not [path for path in runs.glob("with-*/*") if path.name in left]
    assert not (shared_project / "archives").exists()
    assert [command for command in taken if said[f"outputs/good {command}"]] == []


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
    script = (
        "import sys; sys.path.insert(0, 'src'); from pathlib import Path; from types import SimpleNamespace as Object\n"
        "from my_project.training.checkpoint import PlainContent, final_weights, load_checkpoint\n"
        "own, other = (next(Path('outputs', name, 'checkpoints').glob('best*.ckpt')) for name in ('good', 'other'))\n"
        "content = load_checkpoint(own)\n"
        "[(key, state)] = [item for item in content['callbacks'].items() if 'best_model_score' in item[1]]\n"
        "def end(path, score, mode):\n"
        "    config = {**content['config'], 'restore': {'mode': mode}}\n"
        "    callback = Object(best_model_path=str(path), best_model_score=score, state_key=key)\n"
        "    trainer = Object(checkpoint_callbacks=[callback], callbacks=[PlainContent(config, None)])\n"
        "    try: return len(final_weights(trainer, None)) > 0\n"
        "    except Exception as error: return str(error)\n"
        "score = state['best_model_score']\n"
        "print(end(own, score, 'fresh'), end(own, score, 'continue'))\n"
        "print(end(other, score, 'fresh'), end(other, score, 'continue'), end(own, score + 1, 'fresh'), sep='\\n')\n"
    )
    taken, *lines = run(f'python -c "{script}"', shared_project).stdout.strip().splitlines()
    assert taken == "True True"
    assert reason in lines[0]
    assert all("is not the best epoch of this run" in line for line in lines[1:])
