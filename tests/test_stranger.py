"""A run folder that somebody else made: reading it does no harm, and nothing runs unannounced."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, run
from runs import record, train

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]

PROFILER = "reproml.training.profiler.Profile"
SETTINGS = ("experiment=canonical", "tracking=none", "training.epochs=1")


@pytest.fixture(scope="module")
def reference(shared_project: Path) -> Path:
    return train(shared_project, " ".join(SETTINGS), "reference")


@pytest.fixture
def strange(reference: Path) -> Path:
    """Return a copy of a run that a test may spoil."""
    shutil.rmtree(reference.with_name("strange"), ignore_errors=True)
    return Path(shutil.copytree(reference, reference.with_name("strange")))


@pytest.fixture
def canary(shared_project: Path) -> Path:
    """Return a folder beside the project that nothing may touch."""
    folder = shared_project.parent / "canary"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "verification").mkdir(parents=True)
    (folder / "verification" / "file").write_text("mine")
    return folder


def said(project: Path, command: str, code: int | None = None) -> str:
    """Return what a command prints; it exits with that code, or at least not with 0."""
    result = run(f"python {command}", project, check=False, PYTHONPATH="src")
    output = result.stdout + result.stderr
    assert result.returncode == code if code is not None else result.returncode, output
    assert "Traceback" not in output
    return output


def spoil(folder: Path, *keys: str, value: Any) -> None:
    """Set a field of the record in a folder."""
    found = record(folder)
    part = found
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    (folder / "run.json").write_text(json.dumps(found))


def test_no_field_of_a_record_harms_or_confuses(shared_project: Path, strange: Path, canary: Path) -> None:
    result = run(f"python '{ROOT / 'tests' / 'hostile.py'}' outputs/strange", shared_project, PYTHONPATH="src")
    counts = json.loads(result.stdout.splitlines()[-1])
    assert counts["tried"] > 2 * counts["accepted"] > 1000
    assert counts["read"] > 15
    assert counts["begun"] > 30


@pytest.mark.parametrize("command", ["report", "archive", "check"])
def test_a_commit_is_no_option_of_git(shared_project: Path, strange: Path, canary: Path, command: str) -> None:
    file = canary / "verification" / "file"
    spoil(strange, "git", "commit", value=f"--output={file}")
    assert "git.commit has a form" in said(shared_project, f"-m my_project {command} outputs/strange", 2)
    assert file.read_text() == "mine"


LINKED = """
import json, subprocess, sys
from pathlib import Path
from reproml.errors import UserError
from reproml.files import file_digest
from reproml.verify import rerun
from reproml.verify.verify import verify

rerun.subprocess = None  # nothing trains here
run, canary = Path("outputs/strange"), Path(sys.argv[1])
good = (run / "run.json").read_text()

def git(folder, *arguments):
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True).stdout

def refused(name, **parts):
    found = json.loads(good)
    for key, part in parts.items():
        found[key] = {**found[key], **part}
    (run / "run.json").write_text(json.dumps(found))
    try:
        verify(run)
    except UserError as error:
        said[name] = str(error)

said = {}
git(".", "clone", "--quiet", ".", str(canary.parent / "clone"))
clone = canary.parent / "clone"
for name, target in (("outputs", canary), ("inner", canary / "verification")):
    (clone / name).symlink_to(target)
    git(clone, "add", "--force", name)
patch = git(clone, "diff", "--cached", "--binary")
(run / "changes.patch").write_bytes(patch)
linked = {"patch_sha256": file_digest(run / "changes.patch"), "dirty": True}
refused("a link in the patch", git=linked)
refused("a folder behind a link", git={**linked, "folder": "inner/"})
git(clone, "commit", "--quiet", "--message", "links")
git(".", "fetch", "--quiet", str(clone), "HEAD")
(run / "changes.patch").write_bytes(b"")  # as the record says
refused("a link in the commit", git={"commit": git(clone, "rev-parse", "HEAD").decode().strip()})
evil = {
    "a class": "+callbacks.x._target_=os.mkdir",
    "a class in a list": "+trainer.plugins=[{_target_: os.mkdir, path: made}]",
    "a file of the run": "model=../../outputs/strange/evil",
    "a resolver": "data.source=${oc.env:HOME}",
    "a place": f"callbacks.step_trace.folder={canary}",
    "a place behind ..": "callbacks.last_checkpoint.folder=../../x",
    "hydra": "++hydra.run.dir=/tmp",
}
for name, override in evil.items():
    refused(name, command={"overrides": ["experiment=canonical", override]})
print(json.dumps(said))
"""


def test_verify_stays_in_its_checkout_and_builds_nothing_strange(
    shared_project: Path, strange: Path, canary: Path
) -> None:
    result = run(f"python -c '{LINKED.replace(chr(39), chr(34))}' '{canary}'", shared_project, PYTHONPATH="src")
    sentences = json.loads(result.stdout.splitlines()[-1])
    assert (canary / "verification" / "file").read_text() == "mine"
    assert not (shared_project / "made").exists()
    expected = {
        "a link in the patch": "paths.run=outputs/verification is outside of the project",
        "a folder behind a link": "git.folder=inner/ is not a folder of the commit",
        "a link in the commit": "paths.run=outputs/verification is outside of the project",
        "a class": "callbacks.x._target_=os.mkdir",
        "a class in a list": "trainer.plugins.0._target_=os.mkdir",
        "a file of the run": "does not fit configs/",
        "a resolver": "data.source=${oc.env:HOME}",
        "a place": "callbacks.step_trace.folder=",
        "a place behind ..": "callbacks.last_checkpoint.folder=../../x is outside",
        "hydra": "command.overrides.1 has a form",
    }
    for name, sentence in expected.items():
        assert sentence in sentences.get(name, "it was begun"), (name, sentences.get(name))
    shutil.rmtree(canary.parent / "clone")
    assert "changes the code of commit" in result.stderr  # the patch is announced


NAMED = """
import json, os, shutil, sys
from pathlib import Path
import torch
from omegaconf import OmegaConf
from reproml.config import trust
from reproml.runs.completed import CompletedRun
from reproml.runs.folder import RunFolder
from reproml.errors import UserError
from reproml.models.saved import load_model, load_weights, save_model
from reproml.runs import record
from reproml.training import session
from reproml.tracking.sync import _settings

run = Path("outputs/strange")
said = {}

def tried(name, read, *arguments):
    try:
        read(*arguments)
        said[name] = "nothing"
    except UserError as error:
        said[name] = str(error)
    except Exception as error:  # of what was built
        said[name] = repr(error)

config = (run / "config.yaml").read_text()
profiler = {"_target_": "reproml.training.profiler.Profile"}
for name, change in {"ours": {}, "theirs": {"name": "theirs"}}.items():  # prepared data beside the project
    shutil.copytree("data/processed/digits", Path("..", name))
    manifest = json.loads(Path("..", name, "manifest.json").read_text())
    manifest["settings"] |= change
    Path("..", name, "manifest.json").write_text(json.dumps(manifest))
settings = {
    "an honest configuration": {},
    "a trainer": {"trainer": {"_target_": "os.mkdir"}},
    "a part of the trainer": {"trainer": {"plugins": [{"_target_": "os.mkdir", "path": "made"}]}},
    "a function of another module": {"trainer": {"_target_": "reproml.files.os.mkdir"}},
    "a function of this package": {"trainer": {"_target_": "reproml.files.write_text"}},
    "data of any class": {"data": {"_target_": "os.system"}},
    "data of a function": {"data": {"_target_": "reproml.files.file_digest"}},
    "a raw file elsewhere": {"data": {"files": {"../../made": "0" * 64}}},
    "a resolver": {"data": {"source": "https://example.com/${oc.env:HOME}"}},
    "raw data into a folder of mine": {"paths": {"raw": str(Path.home())}},
    "raw data into a folder above": {"paths": {"raw": "../made"}},
    "prepared data into a folder of mine": {"paths": {"processed": str(Path.home() / "made")}},
    "raw data that is there": {"paths": {"raw": str(Path("data/raw/digits").resolve())}},
    "raw data among the code": {
        "paths": {"raw": ".", "processed": "data/made"}, "data": {"files": {"hydra.py": "0" * 64}}
    },
    "prepared data among the code": {"paths": {"processed": "src/made"}},
    "a place behind another key": {"model": {"where": "../made"}, "paths": {"processed": "${model.where}"}},
    "prepared data of another project": {"paths": {"processed": "../theirs"}},
    "prepared data that is there": {"paths": {"processed": "../ours"}},
    "a profiler elsewhere": {"trainer": {"profiler": {**profiler, "folder": str(Path.home())}}},
    "a profiler of a run that was moved": {
        "paths": {"run": "/was"}, "trainer": {"profiler": {**profiler, "folder": "/was"}}
    },
    "a variable": {"reproducibility": {"environment": {"PYTHONPATH": "outputs/evil"}}},
    "another value of a variable": {"reproducibility": {"environment": {"PYTHONHASHSEED": "0.1"}}},
    "a variable behind another key": {
        "model": {"all": {"LD_PRELOAD": "evil.so"}}, "reproducibility": {"environment": "${model.all}"}
    },
    "data behind another key": {"model": {"all": "os.system"}, "data": {"_target_": "${model.all}"}},
    "a resolver of the model": {"model": {"s": "${oc.env:HOME}"}, "data": {"source": "https://x/${model.s}"}},
    "a nested resolver": {"model": {"a": "oc.env"}, "data": {"source": "https://x/${${model.a}:HOME}"}},
    "a known resolver by another way": {
        "model": {"mode": "${oc.env:WANDB_MODE,offline}"}, "data": {"source": "https://x/${model.mode}"}
    },
    "an interpolation": {"data": {"source": "https://x/${data.name}"}},
}
good = (run / "run.json").read_text()
for name, change in settings.items():
    changed = OmegaConf.create(config)
    if change.get("data") == "${model.all}":
        changed.data = {}
    if isinstance(change.get("reproducibility", {}).get("environment"), str):
        changed.reproducibility.environment = None
    changed = OmegaConf.merge(changed, change)
    (run / "config.yaml").write_text(OmegaConf.to_yaml(changed))
    (run / "run.json").write_text(json.dumps({**json.loads(good), "config": OmegaConf.to_container(changed)}))
    tried(name, lambda: CompletedRun.named(str(run)).config)
(run / "config.yaml").write_text(config)
(run / "run.json").write_text(good)
(run / "evil.yaml").write_text("{}")
trackers = {
    "a tracker of the project": ("mlflow", {"tracking": {"mlflow": {"store": "https://x"}}}),
    "a tracker of the run": ("../../outputs/strange/evil", {}),
    "a setting of a tracker": ("mlflow", {"tracking": {"mlflow": {"more": "https://x"}}}),
    "a resolver of a tracker": ("mlflow", {"model": {"s": "${oc.env:HOME}"}}),
}
for name, (tracker, change) in trackers.items():
    tried(name, _settings, tracker, OmegaConf.merge(OmegaConf.create(config), change), run)
assert _settings("mlflow", OmegaConf.create(config), run)["folder"] == str(run)

model, description = load_model(run / "model.safetensors")
plain = {**description, "model": {"_target_": "os.mkdir", "path": "made"}}
nested = {**description, "model": {**description["model"], "hidden": {"_target_": "os.mkdir", "path": "made"}}}
task = {**description, "task": {"_target_": "os.mkdir", "path": "made"}}
older = {key: value for key, value in description.items() if key != "task"}
others = {"a model": plain, "a part of a model": nested, "a task": task, "no task": older}
others["no description"] = {"model": 3}
for name, other in others.items():
    save_model(model, other, run / "model.safetensors")
    tried(name, load_model, run / "model.safetensors")
save_model(model, nested, run / "model.safetensors")
assert load_weights(run / "model.safetensors")[0].keys() == model.state_dict().keys()  # builds nothing
(run / "wandb" / "offline-run" / "logs").mkdir(parents=True)
(run / "wandb" / "offline-run" / "logs" / "debug-core.log").symlink_to("/etc/hostname")
tried("a link of W&B", record.read, run)
(run / "test" / "notes.csv").symlink_to("/etc/hostname")
tried("a link", record.read, run)
tried("a link, of a configuration", CompletedRun.named, str(run))
tried("a link, of the run in this folder", session._interrupted, RunFolder(run), False)
assert not Path("made").exists()

trust.accept(["--trust"])
tried("a link that is trusted", record.read, run)
tried("a part of a model that is trusted", load_model, run / "model.safetensors")
assert Path("made").is_dir()  # which shows that it would have been built
Path("made").rmdir()
print(json.dumps(said))
"""


def test_only_what_the_project_names_is_built(shared_project: Path, strange: Path) -> None:
    result = run(f"python -c '{NAMED.replace(chr(39), chr(34))}'", shared_project, PYTHONPATH="src")
    sentences = json.loads(result.stdout.splitlines()[-1])
    expected = {
        "an honest configuration": "nothing",
        "a trainer": "config.yaml asks for trainer._target_=os.mkdir",
        "a part of the trainer": "config.yaml asks for trainer.plugins.0._target_=os.mkdir",
        "a function of another module": "asks for trainer._target_=reproml.files.os.mkdir",
        "a function of this package": "asks for trainer._target_=reproml.files.write_text",
        "data of any class": "asks for data._target_=os.system",
        "data of a function": "asks for data._target_=reproml.files.file_digest",
        "a raw file elsewhere": "config.data.files has a form that no training writes: '../../made'",
        "a resolver": "asks for data.source=https://example.com/${oc.env:HOME}",
        "raw data into a folder of mine": "config.yaml asks to write into paths.raw=",
        "raw data into a folder above": "config.yaml asks to write into paths.raw=../made, outside of data/",
        "prepared data into a folder of mine": "config.yaml asks to write into paths.processed=",
        "raw data that is there": "nothing",
        "raw data among the code": "config.yaml asks to write into paths.raw=., outside of data/",
        "prepared data among the code": "config.yaml asks to write into paths.processed=src/made",
        "a place behind another key": "config.yaml asks to write into paths.processed=../made",
        "prepared data of another project": "config.yaml asks to write into paths.processed=../theirs",
        "prepared data that is there": "nothing",
        "a profiler elsewhere": "config.yaml asks to write into trainer.profiler.folder=",
        "a profiler of a run that was moved": "nothing",
        "a variable": "asks for reproducibility.environment.PYTHONPATH=outputs/evil",
        "another value of a variable": "asks for reproducibility.environment.PYTHONHASHSEED=0.1",
        "a variable behind another key": "asks for reproducibility.environment.LD_PRELOAD=evil.so",
        "data behind another key": "asks for data._target_=os.system",
        "a resolver of the model": "asks for model.s=${oc.env:HOME}",
        "a nested resolver": "asks for data.source=https://x/${${model.a}:HOME}",
        "a known resolver by another way": "asks for data.source=https://x/${model.mode}",
        "an interpolation": "nothing",
        "a tracker of the project": "nothing",
        "a tracker of the run": "../../outputs/strange/evil is not a tracker of this project",
        "a setting of a tracker": "config.yaml asks for tracking.mlflow.more=https://x, which configs/tracking",
        "a resolver of a tracker": "config.yaml asks for model.s=${oc.env:HOME}",
        "a link of W&B": "nothing",
        "a model": "model.safetensors asks for model._target_=os.mkdir",
        "a part of a model": "model.safetensors asks for model.hidden._target_=os.mkdir",
        "a task": "model.safetensors asks for task._target_=os.mkdir",
        "no task": "model.safetensors was written by an earlier version, which names no task: train it again",
        "no description": "is not a model written by train.py",
        "a link": "notes.csv is a link to /etc/hostname",
        "a link, of a configuration": "notes.csv is a link to /etc/hostname",
        "a link, of the run in this folder": "notes.csv is a link to /etc/hostname",
        "a link that is trusted": "nothing",
    }
    wrong = {name: sentences[name] for name, sentence in expected.items() if sentence not in sentences[name]}
    assert not wrong


def test_a_resume_runs_no_strange_command(shared_project: Path, strange: Path) -> None:
    spoil(strange, "status", value="running")
    (strange / "evil.yaml").write_text("_target_: os.mkdir\npath: made\n")
    hydra = "hydra: {callbacks: {x: {_target_: os.mkdir, path: made}}}\n"  # which Hydra would build by itself
    (strange / "payload.yaml").write_text(f"# @package _global_\n{hydra}")
    elsewhere = {
        "model=../../outputs/strange/evil": ("config", "outputs/strange/evil is not a file in configs/model"),
        "experiment=../../outputs/strange/payload": ("config", "strange/payload is not a file in configs/experiment"),
        "+outputs/strange=payload": ("pipeline", "outputs/strange=payload is not a file in configs/outputs/strange"),
    }
    for override, (name, sentence) in elsewhere.items():
        spoil(strange, "command", value={"script": "train.py", "config": name, "overrides": [override]})
        refusal = said(shared_project, "train.py resume=outputs/strange", 1)
        assert sentence in refusal
    spoil(strange, "command", "config", value="config")
    evil = {
        "+callbacks.x={_target_: os.mkdir, path: made}": "callbacks.x._target_=os.mkdir",
        "callbacks.step_trace.folder=../made": "callbacks.step_trace.folder=../made, outside of this project",
        f"+trainer.profiler={{_target_: {PROFILER}, folder: /made}}": "trainer.profiler.folder=/made, outside",
        "tracking.mlflow.store=sqlite:////made": "tracking.mlflow.store=/made, outside",
        "+reproducibility.environment.PYTHONPATH=outputs": "reproducibility.environment.PYTHONPATH=outputs",
    }
    for override, named in evil.items():
        tracked = ["tracking=mlflow"] if "mlflow" in override else []
        spoil(strange, "command", "overrides", value=[*SETTINGS, *tracked, override])
        refusal = said(shared_project, "train.py resume=outputs/strange", 1)
        assert re.search(rf"outputs/strange/run.json asks (for|to write into) {re.escape(named)}", refusal)
        assert "add --trust if you trust" in refusal
    assert not (shared_project / "made").exists()
    # with --trust it is built, and turns out not to be a callback
    spoil(strange, "command", "overrides", value=[*SETTINGS, "+callbacks.x={_target_: os.mkdir, path: made}"])
    spoil(strange, "config", "callbacks", "x", value={"_target_": "os.mkdir", "path": "made"})
    said(shared_project, "train.py resume=outputs/strange --trust", 1)
    (shared_project / "made").rmdir()
