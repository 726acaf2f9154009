"""Verification from the record alone, and the explanation where bits differ."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import TEMPLATE, digest, metrics, run
from golden import SHORTEN
from indexes import torch_index
from runs import SHORT, go_on, interrupted, outcome, record, script, train

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]


def verify(project: Path, arguments: str, **environment: str) -> tuple[int, str]:
    """Return the exit code and what `python -m my_project verify ARGUMENTS` printed."""
    result = run(f"python -m my_project verify {arguments}", project, check=False, PYTHONPATH="src", **environment)
    return result.returncode, result.stderr + result.stdout


def diff(project: Path, first: Path, second: Path) -> str:
    """Return what the comparison of two runs that differ says."""
    result = run(f"python -m my_project diff '{first}' '{second}'", project, check=False, PYTHONPATH="src")
    assert result.returncode == 1, result.stdout + result.stderr
    return result.stdout


def without_order(folder: Path) -> Path:
    """Return a copy of a run as left by a sampler without digests of the order."""
    copy = folder.with_name(f"{folder.name}-without-order")
    shutil.copytree(folder, copy)
    entries = [json.loads(line) for line in (copy / "trace.jsonl").read_text().splitlines()]
    lines = [[*entry[:2], None, *entry[3:]] if isinstance(entry, list) else entry for entry in entries]
    (copy / "trace.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    changed = {**record(copy), "trace_sha256": digest(copy / "trace.jsonl")}
    (copy / "run.json").write_text(json.dumps(changed))
    return copy


def commit(project: Path) -> None:
    run("git add --all && git commit --quiet --message change", project)


@pytest.fixture(scope="module")
def reference(shared_project: Path) -> Path:
    """Return a run that others are compared with."""
    return train(shared_project, SHORT, "reference")


def test_a_run_is_reproduced_bit_for_bit(shared_project: Path, reference: Path) -> None:
    code, said = verify(shared_project, "outputs/reference")
    assert code == 0
    assert said.splitlines()[-1].startswith("reproduced bit for bit: weights, test metrics, history, step trace (")
    assert not run("git status --porcelain", shared_project).stdout  # nothing was left behind


def test_the_record_alone_is_enough_in_another_clone(shared_project: Path, reference: Path, tmp_path: Path) -> None:
    """Where the environment has changed since, that is explained."""
    recorded = record(reference)
    recorded["environment"]["packages"]["torch"] = "2.12.0"
    recorded["environment"]["cpu"]["model"] = "Another Processor"
    alone = tmp_path / "record"
    alone.mkdir()
    (alone / "run.json").write_text(json.dumps(recorded))
    shutil.copy(reference / "changes.patch", alone)
    clone = tmp_path / "elsewhere" / "clone of it"
    run(f"git clone --quiet '{shared_project}' '{clone}'", shared_project)
    (clone / ".venv").symlink_to(shared_project / ".venv")
    code, said = verify(clone, f"'{alone}'")
    assert code == 0, said
    assert "torch was 2.12.0, is 2.13.0" in said
    assert "Another Processor" in said


def test_variables_whose_names_sound_secret_change_nothing(
    shared_project: Path, reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The values are words of the project: some are masked in the log, and none in what is used or read again."""
    words = {"SONAR_PROJECT_KEY": "my_project", "DB_PASSWORD": "my_project", "A_TOKEN": "accuracy"}
    for name, value in words.items():
        monkeypatch.setenv(name, value)
    folder = interrupted(shared_project, SHORT, "named")
    said = go_on(shared_project, folder)
    assert "test        ***" in said
    assert re.search(r"val loss [\d.]+, \*\*\* ", (folder / "train.log").read_text())
    assert outcome(folder) == outcome(reference)
    assert "***" not in (folder / "config.yaml").read_text() + (folder / "run.json").read_text()
    run("python evaluate.py run=outputs/named", shared_project)
    assert digest(folder / "evaluation" / "metrics.json") == digest(reference / "test" / "metrics.json")
    code, said = verify(shared_project, "outputs/named")
    assert code == 0, said


def test_uncommitted_changes_and_new_files_are_part_of_the_record(project: Path) -> None:
    (project / "removed.txt").write_text("my key is hunter2hunter2\n")
    commit(project)
    package = project / "src" / "my_project"
    source = package / "models" / "mlp.py"
    source.write_text(source.read_text().replace("nn.ReLU()", "activation()") + "\n\nfrom .extra import activation\n")
    (package / "models" / "extra.py").write_text("from torch.nn import GELU as activation\n")
    (package / "picture.bin").write_bytes(bytes(range(256)))
    (project / "CITATION.cff").unlink()
    for name in ("secrets.pem", "prod.env", ".npmrc", "secrets.yaml"):
        (project / name).write_text("private")
    (project / "copied.txt").write_text("-----BEGIN PRIVATE KEY-----\nprivate\n-----END PRIVATE KEY-----\n")
    (project / "large.csv").write_text("1\n" * 3_000_000)
    (project / "noted.txt").write_text("my key is hunter2hunter2\n")
    (project / "removed.txt").write_text("no key here\n")  # but in the commit, whose lines a patch shows
    run("git config diff.noprefix true && git add src noted.txt", project)  # staged or not makes no difference
    staged = run("git status --porcelain", project).stdout
    folder = train(project, SHORT, "dirty", MY_API_KEY="hunter2hunter2")
    assert run("git status --porcelain", project).stdout == staged
    git = record(folder)["git"]
    assert git["dirty"]
    assert {item["path"]: item["reason"] for item in git["left_out"]} == {
        **dict.fromkeys(["secrets.pem", "prod.env", ".npmrc", "secrets.yaml"], "named like a secret"),
        "copied.txt": "holding a secret",
        "large.csv": "large",
        "noted.txt": "holding a secret",
        "removed.txt": "holding a secret",
    }
    patch = (folder / "changes.patch").read_text()
    assert "private" not in patch
    assert "hunter2" not in patch
    run("git stash --include-untracked --quiet", project)
    code, said = verify(project, "outputs/dirty")
    assert code == 0, said
    plain = train(project, SHORT, "clean")
    assert digest(plain / "model.safetensors") != digest(folder / "model.safetensors")
    lines = diff(project, plain, folder)
    assert "code: src/my_project/models/mlp.py changed" in lines
    assert "code: src/my_project/models/extra.py was added" in lines


# What `verify` says of each of several runs, and its exit code; torch is imported once for all.
ASKED = """
import contextlib, io, json, sys
from reproml import __main__ as commands
said = []
for run in sys.argv[1:]:
    sys.argv[1:] = ["verify", run]
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = commands.main()
    said.append([code, output.getvalue()])
print(json.dumps(said))
"""


def test_what_cannot_be_tried_is_said(shared_project: Path, reference: Path) -> None:
    tries: dict[str, Path] = {"does not exist": reference.with_name("nowhere")}

    def copied(sentence: str) -> Path:
        tries[sentence] = reference.with_name(f"tried{len(tries)}")
        return Path(shutil.copytree(reference, tries[sentence]))

    git = record(reference)["git"]
    for sentence, parts in {
        "is not in this repository": {"git": {**git, "commit": "0" * 40}},
        "changes.patch is not the file in the record": {"git": {**git, "dirty": True, "patch_sha256": "0" * 64}},
        "is not finished": {"status": "running"},
        "has no commit in its record": {"git": None},
        "guarantees no bits": {"reproducibility": {"level": "fast", "text": ""}},
        "schema version 99": {"schema_version": 99},
        "is not the file in the record": {"model_sha256": "0" * 64},
    }.items():
        (copied(sentence) / "run.json").write_text(json.dumps({**record(reference), **parts}))
    for name in ("metrics.csv", "config.yaml"):
        file = copied(f"{name} is not") / name
        file.write_text(file.read_text().replace("2", "3"))
    file = copied("is damaged") / "run.json"
    file.write_text(file.read_text()[:100])
    names = [f"outputs/{folder.name}" for folder in tries.values()]
    answers = json.loads(script(shared_project, ASKED, *names).splitlines()[-1])
    for sentence, (code, said) in zip(tries, answers, strict=True):
        assert code == 2, said
        assert sentence in said
        assert said.splitlines()[-1].startswith("could not be verified: ")


def test_a_run_in_a_folder_of_its_own_is_not_touched(shared_project: Path, tmp_path: Path) -> None:
    arguments = f"{SHORT} paths.run={tmp_path / 'run'}"
    run(f"python train.py {arguments}", shared_project)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    code, said = verify(shared_project, f"{tmp_path / 'run'}")
    assert code == 0, said
    after = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert after.pop(tmp_path / "run" / "verification.json")
    assert after == before
    run(f"python train.py -cn pipeline paths.run={tmp_path / 'mine'} training.epochs=1", shared_project)
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    code, said = verify(shared_project, f"{tmp_path / 'mine'}")
    assert code == 2
    assert "is outside of the project" in said
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"
    shutil.rmtree(shared_project / "models" / "checkpoints")  # params.yaml names this place for them
    outside = f"{SHORT} callbacks.last_checkpoint.folder={tmp_path / 'elsewhere'}"
    code, said = verify(shared_project, str(train(shared_project, outside, "outside")))
    assert code == 2
    assert "callbacks.last_checkpoint.folder=" in said


def test_every_kind_of_run_is_verified(shared_project: Path) -> None:
    """One of a sweep, one that was restored, one with odd arguments, and one without a step trace."""
    run(f"python train.py --multirun training.lr=0.001,0.003 {SHORT} hydra.sweep.dir=outputs/sweep", shared_project)
    train(shared_project, f"{SHORT} restore=finetune restore.run=outputs/sweep/0", "tuned")
    train(
        shared_project, f"{SHORT} '+trainer.limit_val_batches=3' ~callbacks.step_trace 'model.hidden=[32, 16]'", "odd"
    )
    train(shared_project, f"{SHORT} reproducibility=portable", "portable")
    assert metrics(shared_project / "outputs" / "portable" / "test")["accuracy"] > 0.5
    for name in ("sweep/1", "tuned", "odd", "portable"):
        code, said = verify(shared_project, f"outputs/{name}")
        assert code == 0, said
        assert ("step trace" in said.splitlines()[-1]) is (name != "odd")
    first = run(
        "python -m my_project diff outputs/tuned outputs/sweep/1", shared_project, check=False, PYTHONPATH="src"
    )
    assert "1. restored weights: restored" in first.stdout


def test_unfinished_runs_are_compared_as_far_as_they_go(shared_project: Path) -> None:
    long = "tracking=none model=mlp training.epochs=100000"
    for seed, name in ((1, "left1"), (2, "left2"), (1, "left3")):
        interrupted(shared_project, f"{long} seed={seed}", name)
    said = diff(shared_project, shared_project / "outputs/left1", shared_project / "outputs/left2")
    assert "weights at the start first" in said
    same = run("python -m my_project diff outputs/left1 outputs/left3", shared_project, check=False, PYTHONPATH="src")
    assert same.returncode == 2
    assert re.search(r"equal up to step [1-9]\d*, and unfinished", same.stdout)


def test_another_result_than_the_recorded_one_is_found(shared_project: Path, reference: Path, tmp_path: Path) -> None:
    claimed = record(reference)
    claimed["metrics"]["accuracy"] += 0.01  # a number in the paper that the code does not give
    (tmp_path / "run.json").write_text(json.dumps(claimed))
    code, said = verify(shared_project, f"'{tmp_path}'")
    assert code == 1
    assert said.splitlines()[-1].startswith("differs: metrics")


def test_missing_data_comes_from_dvc(project: Path, tmp_path: Path) -> None:
    """The raw file has no other source any more, and this clone has no data at all."""
    store = tmp_path / "store"
    raw = project / "data" / "raw" / "digits"
    run(f"{SHORTEN} && python prepare.py", project)
    raw.rename(tmp_path / "original")
    config = project / "configs" / "data" / "digits.yaml"
    config.write_text(re.sub(r"source: sklearn", f"source: {tmp_path / 'original'}", config.read_text()))
    run(f"dvc remote modify local url '{store}'", project)
    run("dvc repro --quiet && dvc push --quiet", project)
    commit(project)
    folder = train(project, SHORT, "with-data")
    shutil.rmtree(tmp_path / "original", ignore_errors=True)
    for path in (*project.glob("data/raw/*/"), *project.glob("data/processed/*/"), project / ".dvc" / "cache"):
        subprocess.run(["chmod", "-R", "u+w", path], check=True)
        shutil.rmtree(path)
    code, said = verify(project, "outputs/with-data")
    assert code == 0, said
    code, said = verify(project, "models")  # the pipeline's own run
    assert code == 0, said
    assert folder.exists()
    subprocess.run(["chmod", "-R", "u+w", store], check=True)
    shutil.rmtree(store)
    shutil.rmtree(project / ".dvc" / "cache")
    code, said = verify(project, "outputs/with-data")
    assert code == 2
    assert "digits" in said


def test_a_fresh_environment_from_the_lock_reproduces(shared_project: Path, reference: Path, tmp_path: Path) -> None:
    with torch_index(tmp_path / "index") as address:
        # pip need not compile what nothing imports; 0 because the option is a negation
        code, said = verify(shared_project, "--clean outputs/reference", TORCH_INDEX=address, PIP_NO_COMPILE="0")
    assert code == 0, said
    code, said = verify(shared_project, "--clean outputs/reference", PYTHON="nowhere")
    assert code == 2
    assert said.startswith(
        "could not be verified: make setup failed in the checked-out project: error: nowhere is not installed"
    )


def test_the_statistical_level(shared_project: Path, reference: Path) -> None:
    code, said = verify(shared_project, "outputs/reference --tolerance 0.1 --seeds 2")
    assert code == 0, said
    assert re.search(r"mean 0\.\d+, deviation .*95 % confidence interval of the mean", said)
    code, said = verify(shared_project, "outputs/reference --tolerance 0.000001 --metric loss --seeds 2")
    assert code == 1
    assert "differs: loss recorded" in said
    assert verify(shared_project, "outputs/reference --tolerance 0.1 --metric recall")[0] == 2


# Planted causes: each must be found and named.


def test_cause_threads(shared_project: Path) -> None:
    arguments = "tracking=none training.epochs=2 training.batch_size=256"
    one = train(shared_project, arguments, "one-thread")
    two = train(shared_project, f"{arguments} reproducibility.threads=2", "two-threads")
    said = diff(shared_project, one, two)
    assert "1. threads: torch.threads was 1, is 2" in said
    assert "configuration: reproducibility.threads was 1, is 2" in said
    assert re.search(r"units? in the last place", said)
    assert re.search(r"(loss|weights) first at step \d+ \(epoch \d\)", said)


def test_cause_threads_of_the_environment_in_fast_mode(shared_project: Path) -> None:
    """The other run is made from this one: test_cause_threads has two that really differ."""
    two = train(shared_project, f"{SHORT} reproducibility=fast", "fast2", OMP_NUM_THREADS="2")
    assert metrics(two / "test")["accuracy"] > 0.5
    one = Path(shutil.copytree(two, two.with_name("fast1")))
    trace = (one / "trace.jsonl").read_text().splitlines()
    step = next(place for place, line in enumerate(trace) if line.startswith("[3,"))
    entry = json.loads(trace[step])
    trace[step] = json.dumps([*entry[:3], entry[3] + 1e-6, *entry[4:]])
    (one / "trace.jsonl").write_text("".join(f"{line}\n" for line in trace))
    recorded = {**record(two), "trace_sha256": digest(one / "trace.jsonl"), "weights_sha256": "0" * 64}
    recorded["environment"]["torch"]["threads"] = 1
    recorded["environment"]["variables"]["OMP_NUM_THREADS"] = "1"
    (one / "run.json").write_text(json.dumps(recorded))
    said = diff(shared_project, one, two)
    assert "loss first at step 3 (epoch 0)" in said
    assert "1. threads: torch.threads was 1, is 2" in said
    assert "environment variable: OMP_NUM_THREADS was 1, is 2" in said


def test_cause_data(shared_project: Path, reference: Path) -> None:
    """One pixel of one image differs, and configs/ names the altered file."""
    altered = "import gzip, hashlib, pathlib, sys; p = pathlib.Path('outputs/altered'); p.mkdir(parents=True);"
    altered += "t = gzip.open('data/raw/digits/digits.csv.gz').read(); t = t.replace(b'0,0,5,13', b'0,0,5,12', 1);"
    altered += "(p / 'digits.csv.gz').write_bytes(gzip.compress(t)); print(hashlib.sha256(t).hexdigest())"
    sha = run(f'python -c "{altered}"', shared_project).stdout.strip()
    places = "data.source=outputs/altered paths.raw=outputs/raw paths.processed=outputs/processed"
    other = train(shared_project, f"{SHORT} {places} data.files='{{digits.csv.gz: {sha}}}'", "altered-data")
    said = diff(shared_project, reference, other)
    assert re.search(r"1\. data: .*digits\.csv\.gz changed", said)
    assert "first at step" in said or "weights at the start first" in said  # the mean of the inputs is a weight too


def test_cause_setting_of_torch(shared_project: Path) -> None:
    arguments = "tracking=none training.epochs=1"
    usual = train(shared_project, arguments, "usual")
    wrapped = "import runpy, sys, torch; torch.backends.mkldnn.enabled = False; sys.argv = sys.argv[1:];"
    wrapped += "runpy.run_path('train.py', run_name='__main__')"
    pins = {"PYTHONHASHSEED": "0", "CUBLAS_WORKSPACE_CONFIG": ":4096:8", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = f'python -c "{wrapped}" train.py {arguments} hydra.run.dir=outputs/unusual'
    run(command, shared_project, **pins)
    said = diff(shared_project, usual, shared_project / "outputs" / "unusual")
    assert "1. setting of PyTorch: torch.mkldnn was True, is False" in said


def test_cause_seed_and_hyperparameter(shared_project: Path, reference: Path) -> None:
    said = diff(shared_project, reference, train(shared_project, f"{SHORT} seed=1", "seed1"))
    assert "weights at the start first" in said
    assert "1. seed: seed was 42, is 1" in said
    said = diff(shared_project, reference, train(shared_project, f"{SHORT} training.weight_decay=0.02", "decay"))
    assert "1. configuration: training.weight_decay was 0.01, is 0.02" in said
    assert "weights first at step 1 (epoch 0)" in said
    assert re.search(
        r"\d+ of the \d+ tensors with the same name differ after step 1, first network\.\d\.\w+: for ", said
    )
    assert "the order was equal" in said
    forgotten = [without_order(folder) for folder in (reference, reference.with_name("decay"))]
    for runs in ((reference, forgotten[1]), (forgotten[0], forgotten[1])):
        said = diff(shared_project, *runs)
        assert "weights first at step 1 (epoch 0)" in said  # null is not another order
        assert "the order is not known" in said  # and not an equal one
        assert "the order was equal" not in said


COMPARED = """
from pathlib import Path
import torch
from safetensors.torch import save_file
from reproml.verify.tensors import at_step, final_weights
from reproml.runs.trace import Steps

def weights(**shapes):
    return {name: torch.full(shape, float(value)) for name, (shape, value) in shapes.items()}

networks = {
    "one": weights(a=([2], 1), b=([2], 1), c=([3], 1), x=([1], 1)),
    "same": weights(a=([2], 1), b=([2], 1), c=([3], 1), x=([1], 1)),
    "values": weights(a=([2], 1), b=([2], 2), c=([3], 1), x=([1], 1)),
    "other": weights(a=([2], 2), b=([2], 1), c=([4], 1), y=([1], 1), z=([1], 1)),
    "foreign": weights(y=([1], 1)),
}
for name, network in networks.items():
    Path(name).mkdir()
    save_file(network, f"{name}/model.safetensors")

def trace(network):
    return Steps(weights={3: {name: (str(tensor.tolist()), tensor.tolist()) for name, tensor in network.items()}})

for name in ("same", "values", "other", "foreign"):
    print(name, final_weights(Path("one"), Path(name)), at_step(trace(networks["one"]), trace(networks[name]), 3))
"""


def test_of_different_networks_only_what_can_be_compared_is_counted(environment: Path, tmp_path: Path) -> None:
    shutil.copytree(TEMPLATE / "src" / "reproml", tmp_path / "src" / "reproml")
    (tmp_path / ".venv").symlink_to(environment)
    (tmp_path / "compare.py").write_text(COMPARED)
    said = dict(line.split(" ", 1) for line in run("python compare.py", tmp_path, PYTHONPATH="src").stdout.splitlines())
    assert said["same"] == "[] []"
    assert "final weights: 1 of the 4 tensors with the same name and shape differ, most b, by up to " in said["values"]
    assert "1 of the 4 tensors with the same name differ after step 3, first b: for example 1 and 2" in said["values"]
    assert "only in" not in said["values"]
    assert "final weights: 1 of the 2 tensors with the same name and shape differ, most a" in said["other"]
    assert "1 has the same name and another shape or type" in said["other"]
    assert said["other"].count("1 is only in the first run; 2 are only in the second run") == 2
    assert "2 of the 3 tensors with the same name differ after step 3, first a" in said["other"]
    assert said["foreign"].count("4 are only in the first run; 1 is only in the second run") == 2


def test_cause_line_of_code(shared_project: Path, reference: Path) -> None:
    source = next((shared_project / "src").glob("*/models/mlp.py"))
    good = source.read_text()
    try:
        source.write_text(good.replace("nn.ReLU()", "nn.GELU()"))
        after = train(shared_project, SHORT, "after")
    finally:
        source.write_text(good)
    said = diff(shared_project, reference, after)
    assert "1. code: src/my_project/models/mlp.py changed" in said
    assert re.search(r"mlp\.py: \+.*nn\.GELU\(\)", said)
    assert "loss first at step 1 (epoch 0)" in said


def test_cause_randomness_without_a_key(project: Path) -> None:
    """A layer whose weights come from the system's random numbers, and noise that begins at the seventh step."""
    source = next((project / "src").glob("*/models/mlp.py"))
    good = source.read_text()
    random = "torch.Generator().manual_seed(torch.seed())"
    unseeded = f"\n        torch.nn.init.normal_(self[-1].weight, generator={random})\n"
    source.write_text(good.replace("    def forward", f"{unseeded}\n    def forward", 1))
    assert source.read_text() != good
    runs = [train(project, SHORT, f"unseeded{number}") for number in (1, 2)]
    said = diff(project, *runs)
    assert "weights at the start first" in said
    assert re.search(r"1 of the \d+ tensors with the same name differ, first network\.10\.weight", said)
    assert "no recorded input differs" in said
    code, said = verify(project, "outputs/unseeded1")
    assert code == 1
    assert said.splitlines()[-1] == "differs: weights at the start first"
    noise = "        self.calls = getattr(self, 'calls', 0) + self.training\n"
    noise += "        if self.training and self.calls == 7:\n"
    # one number for all pixels would not do: batch normalisation takes it out again, and the loss often stays as it was
    noise += f"            inputs = inputs + torch.randn(inputs.shape, generator={random}) * 1e-2\n"
    source.write_text(good.replace("        return super().forward", f"{noise}        return super().forward"))
    runs = [train(project, SHORT, f"noise{number}") for number in (1, 2)]
    said = diff(project, *runs)
    assert "loss first at step 7 (epoch 0)" in said
    assert "the weights before the step were equal: the forward pass differs" in said
    assert outcome(runs[0]) != outcome(runs[1])
