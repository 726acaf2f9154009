"""Data and task of a user's own: two files in configs/ name a LightningDataModule and a LightningModule, unchanged."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, NotRequired, TypedDict
from zipfile import ZipFile

import pytest
import yaml
from conftest import Render, digest, metrics, run
from golden import STAGES, stages_run
from runs import go_on, interrupted, record, train

pytestmark = pytest.mark.preloaded

PAGE = re.compile(r"`((?:src|configs)/[^`]+)`:\n\n```(?:python|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATIENTS = "tracking=[none] data=patients task=progression training.epochs=30"
LETTERS = "tracking=[none] data=letters task=next_letter training.epochs=4"
RESULTS = ("model.safetensors", "metrics.csv", "trace.jsonl", "test/metrics.json")

# A language model as Lightning's pages would have people write it: padded batches, tied weights, a loss for each step.
LANGUAGE = {
    "src/my_project/data/letters.py": '''
"""Words from a file, as codes of their letters."""

from pathlib import Path

import torch
from lightning import LightningDataModule
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, random_split


class Letters(LightningDataModule):
    def __init__(self, file: str, batch_size: int = 16) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.file, self.batch_size = file, batch_size

    def setup(self, stage: str) -> None:
        words = Path(self.file).read_text().split()
        codes = [torch.tensor([0, *(ord(letter) - 96 for letter in word), 0]) for word in words]
        self.train, self.val, self.test = random_split(codes, [0.8, 0.1, 0.1])

    def loader(self, words, shuffle=False):
        collate = lambda batch: pad_sequence(batch, batch_first=True)
        return DataLoader(words, self.batch_size, shuffle=shuffle, collate_fn=collate)

    def train_dataloader(self):
        return self.loader(self.train, shuffle=True)

    def val_dataloader(self):
        return self.loader(self.val)

    def test_dataloader(self):
        return self.loader(self.test)
''',
    "src/my_project/models/next_letter.py": '''
"""Which letter comes next."""

import torch
from lightning import LightningModule
from torch import nn
from torch.nn import functional as F


class NextLetter(LightningModule):
    def __init__(self, width: int, lr: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.letters = nn.Embedding(27, width)
        self.memory = nn.GRU(width, width, batch_first=True)
        self.output = nn.Linear(width, 27)
        self.output.weight = self.letters.weight  # tied

    def loss(self, codes):
        hidden, _ = self.memory(self.letters(codes[:, :-1]))
        return F.cross_entropy(self.output(hidden).flatten(0, 1), codes[:, 1:].flatten())

    def training_step(self, batch, batch_idx):
        loss = self.loss(batch)
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.loss(batch))

    def test_step(self, batch, batch_idx):
        self.log("perplexity", self.loss(batch).exp())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.hparams.lr)
''',
    "configs/data/letters.yaml": "_target_: my_project.data.letters.Letters\nfile: data/external/words.txt\n",
    "configs/task/next_letter.yaml": """
_target_: my_project.models.next_letter.NextLetter
width: 16
lr: ${training.lr}
""",
}
WORDS = "data/external/words.txt"  # which git ignores

# Says of each configuration in one process why it is refused, without Hydra's start and torch for each.
CHECKS = """
import json, sys
from pathlib import Path
from hydra import compose, initialize_config_dir
from reproml import recipe
from reproml.config.check import check
from reproml.errors import ConfigError
said = []
with initialize_config_dir(str(Path("configs").resolve()), version_base="1.3"):
    for overrides in json.loads(sys.argv[1]):
        try:
            config = check(compose("config", overrides))
            if len(sys.argv) > 2:
                from reproml.config.signatures import check_signatures
                check_signatures(config)
            said.append("")
        except ConfigError as error:
            said.append(str(error))
print(json.dumps(said))
"""


def write(project: Path, files: dict[str, str]) -> None:
    """Write files that are not there yet."""
    for name, text in files.items():
        assert not (project / name).exists(), name
        (project / name).write_text(text.lstrip())


def page(project: Path) -> dict[str, str]:
    """Return the files that docs/tasks.md of a project shows."""
    return dict(PAGE.findall((project / "docs/tasks.md").read_text()))


def refused(project: Path, python: str, *commands: str, deep: bool = False) -> list[str]:
    """Return what the check says of configurations, nothing where it accepts one."""
    asked = json.dumps([command.split() for command in commands])
    more = ["and their signatures"] if deep else []
    result = subprocess.run(
        [python, "-c", CHECKS, asked, *more],
        cwd=project,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": "src", "PATH": "/usr/bin:/bin"},
    )
    assert result.returncode == 0, result.stderr
    said: list[str] = json.loads(result.stdout)
    return said


def outcome(folder: Path) -> dict[str, str]:
    """Return the digests of what a run leaves."""
    return {name: digest(folder / name) for name in RESULTS}


def test_the_two_groups_compose_without_what_belongs_to_arrays_and_are_checked_together(render: Render) -> None:
    project = render(tracker="none")
    write(project, page(project) | LANGUAGE)
    own, letters = "data=patients task=progression", "data=letters task=next_letter"
    said = refused(
        project,
        sys.executable,
        own,
        letters,
        "data=digits",
        "data=patients",
        "task=progression",
        f"{own} +model=mlp",
        f"{letters} +model=mlp +task.network=${{model}}",
        f"{own} ~task._target_",
        f"{own} training.epochs=0",
        f"{own} data.batch_size=${{oc.env:PATH}}",
    )
    assert said[:3] == ["", "", ""]
    assert "choose your own task too, task=NAME" in said[3]
    assert "data=digits are prepared arrays" in said[4]
    assert "would not be used: let an argument in configs/task take it" in said[5]
    assert said[6] == ""
    assert "task names no class" in said[7]
    assert "training.epochs=0 is out of range" in said[8]
    assert "data.batch_size=${oc.env:PATH} would decide about the result without being recorded" in said[9]


def test_a_record_of_either_kind_is_accepted_and_a_mixture_is_not() -> None:
    from reproml.runs import schema

    description = {"task": {"_target_": "my_project.models.progression.Progression", "hidden": 3}}
    assert schema.problem(description, "model") is None
    assert schema.problem({**description, "more": 1}, "model") is not None
    arrays = {"model": {"_target_": "a.B"}, "input_shape": [3], "input_dtype": "float32", "classes": ["x"]}
    assert schema.problem(arrays, "model") is None
    assert schema.problem({**arrays, "input_shape": [-1]}, "model") == "input_shape.0 is out of range: -1"
    assert schema.problem({**description, **arrays, "target": "price", "unit": "EUR"}, "model") is None


class Answer(TypedDict):
    """What is said.

    In more words.
    """

    value: Annotated[float, "in metres"]
    notes: NotRequired[list[str]]


class Answering:
    def predict(self, inputs: object) -> list[Answer]:
        """Say it."""
        return []


class Unannotated:
    def predict(self, inputs):  # type: ignore[no-untyped-def]
        return []


def test_what_a_task_predicts_is_read_from_its_types() -> None:
    from reproml.errors import ConfigError
    from reproml.models import outputs

    found = outputs.declared(Answering)
    assert (found.doc, found.method) == ("What is said.", "Say it.")
    assert [(field.name, field.type, field.always) for field in found.fields] == [
        ("value", Annotated[float, "in metres"], True),
        ("notes", list[str], False),
    ]
    assert found.item is None  # of no list
    assert outputs.declared(Unannotated).fields == ()
    with pytest.raises(ConfigError, match="str cannot be served, because it has no predict: let predict"):
        outputs.declared(str)


def test_what_would_not_reach_the_task_is_refused() -> None:
    """A key of the group `training`, or a file of it."""
    from omegaconf import OmegaConf
    from reproml.config.own import refuse_unused
    from reproml.errors import ConfigError

    training = {"lr": 0.1, "weight_decay": 0.1, "optimizer": {"lr": "${training.lr}"}}
    groups = {"training": training, "data": {"_target_": "a.Data"}}
    plain = OmegaConf.create({**groups, "task": {"_target_": "a.Task"}})
    taking = OmegaConf.create({**groups, "task": {"_target_": "a.Task", "optimizer": "${training.optimizer}"}})
    for key in ("training/optimizer", "training.optimizer.lr", "training.lr"):
        with pytest.raises(ConfigError, match=f"^{key} would not reach a.Task: "):
            refuse_unused(plain, [key])
        refuse_unused(taking, [key, "training.epochs", "training/optimizer@task.optimizer"])
    with pytest.raises(ConfigError, match=r"^training\.weight_decay would not reach a\.Task: "):
        refuse_unused(taking, ["training.weight_decay"])


def test_named_files_are_those_that_exist_outside_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reproml.errors import RecordError
    from reproml.runs.named import bring, changed, named_files

    monkeypatch.chdir(tmp_path)
    for name in ("data/raw/a.csv", "data/photos/1.png", "data/photos/2.png", "outputs/run/cache.bin", "data/.env"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    settings = {
        "file": "data/raw/a.csv",
        "nested": [{"folder": "data/photos"}],
        "split": "data",  # a word
        "cache": "outputs/run/cache.bin",
        "missing": "data/raw/b.csv",
        "number": 3,
        "long": "x/" * 5000,
        "separator": "/",  # not all that is on this machine
        "here": "./",
        "token": "data/.env",  # whose digest a record would tell
    }
    found = named_files(settings, but=[Path("outputs/run")])
    assert list(found) == ["data/raw/a.csv", "data/photos"]
    inside = {**settings, "one": "data/photos/1.png"}
    assert list(named_files(inside, but=[Path("outputs/run"), Path("data/photos")])) == ["data/raw/a.csv"]
    assert changed(found) is None
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    bring(found, checkout)
    assert (checkout / "data/photos/2.png").read_text() == "data/photos/2.png"
    bring(found, checkout)  # what is there already stays
    Path("data/photos/2.png").rename("data/photos/3.png")
    assert changed(found) == "data/photos"
    (checkout / "data/photos").unlink()
    with pytest.raises(RecordError, match="data/photos, which the run read, is missing or not"):
        bring(found, checkout)
    with pytest.raises(RecordError, match="cannot be put into the code"):
        bring({"../outside/a.csv": digest(Path("data/raw/a.csv"))}, _with_outside(tmp_path))


def _with_outside(folder: Path) -> Path:
    """Return a checkout beside which nothing must be written, while the same name leads to a file from here."""
    (folder.parent / "outside").mkdir(exist_ok=True)
    shutil.copy(folder / "data/raw/a.csv", folder.parent / "outside/a.csv")
    inner = folder / "deep" / "checkout"
    inner.mkdir(parents=True)
    return inner


@pytest.fixture(scope="module")
def project(shared_project: Path) -> Path:
    """Return a project with the page's example and a language model, committed."""
    write(shared_project, page(shared_project) | LANGUAGE)
    words = [first + second + third for first in "bdfgklm" for second in "aeiou" for third in ("n", "r", "st", "")]
    (shared_project / WORDS).write_text(" ".join(words))
    run("git add . && git commit --quiet --message 'Tasks of our own'", shared_project)
    assert not run(f"git ls-files {WORDS}", shared_project).stdout
    return shared_project


@pytest.fixture(scope="module")
def patients(project: Path) -> Path:
    """Return the folder of an uninterrupted regression."""
    return train(project, PATIENTS, "patients")


@pytest.fixture(scope="module")
def letters(project: Path) -> Path:
    """Return the folder of an uninterrupted language model."""
    return train(project, LETTERS, "letters")


@pytest.mark.slow
def test_mistakes_end_in_one_sentence_that_knows_the_class(project: Path) -> None:
    own = "data=patients task=progression"
    said = refused(
        project,
        str(project / ".venv/bin/python"),
        own,
        f"{own} +task.hiden=3",
        f"{own} task.hidden=many",
        f"{own} ~data.batch_size",
        f"{own} data._target_=my_project.models.progression.Progression",
        f"{own} task._target_=my_project.models.cnn.CNN",
        f"{own} task._target_=my_project.models.gone.Model",
        deep=True,
    )
    assert said[0] == ""
    assert "task.hiden is not an argument of" in said[1] and "the nearest is task.hidden" in said[1]
    assert said[2] == "task.hidden=many is not valid: my_project.models.progression.Progression takes int there"
    assert "data.batch_size has no value, but my_project.data.patients.Patients needs one" in said[3]
    assert "is no LightningDataModule: derive it from lightning.LightningDataModule" in said[4]
    assert "task._target_=my_project.models.cnn.CNN is no LightningModule" in said[5]
    assert "task._target_=my_project.models.gone.Model cannot be imported" in said[6]
    unused = run(f"python train.py {own} training.lr=1", project, check=False)
    assert "training.lr would not reach my_project.models.progression.Progression" in unused.stderr
    assert len(unused.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_regression_from_the_page_is_trained_tested_and_recorded(project: Path, patients: Path) -> None:
    rows = list(csv.DictReader((patients / "metrics.csv").open()))
    assert list(rows[0]) == ["epoch", "step", "lr", "train/loss", "val/loss"]
    assert len(rows) == 30
    assert float(rows[-1]["train/loss"]) < 0.2 * float(rows[0]["train/loss"])
    found = record(patients)
    assert found["metrics"] == metrics(patients / "test")
    assert list(found["metrics"]) == ["mean_absolute_error"]
    assert found["data"] == {"name": "Patients", "raw": {}, "prepared": {}, "files": {}}
    assert "model" not in found["config"] and "window" not in found["config"]["data"]
    assert sorted(path.name for path in (patients / "test").iterdir()) == [
        "evaluation.json",
        "figures",
        "metrics.json",
        "predictions.csv",
        "tables",
    ]
    assert not (patients / "test/predictions.csv").read_text()
    run("python evaluate.py run=outputs/patients", project)
    assert metrics(patients / "evaluation") == found["metrics"]


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "whole"), [(PATIENTS, "patients"), (LETTERS, "letters")])
def test_a_killed_run_ends_with_the_same_bits_and_another_seed_does_not(
    project: Path, request: pytest.FixtureRequest, arguments: str, whole: str
) -> None:
    expected = outcome(request.getfixturevalue(whole))
    killed = interrupted(project, arguments, f"{whole}-killed", points=1)
    assert not (killed / "model.safetensors").exists()
    go_on(project, killed)
    sessions = record(killed)["sessions"]
    assert len(sessions) == 2 and sessions[1]["from_batch"] > 0
    assert outcome(killed) == expected
    other = outcome(train(project, f"{arguments} seed=43", f"{whole}-other"))
    assert all(other[name] != expected[name] for name in RESULTS)


@pytest.mark.slow
def test_runs_are_verified_compared_and_archived(project: Path, patients: Path) -> None:
    verb = "PYTHONPATH=src python -m my_project"
    said = run(f"{verb} verify outputs/patients", project).stdout
    assert said.splitlines()[-1].startswith("reproduced bit for bit: weights, test metrics, history, step trace")
    train(project, f"{PATIENTS} task.hidden=16", "narrow")
    different = run(f"{verb} diff outputs/patients outputs/narrow", project, check=False)
    assert different.returncode == 1 and "configuration: task.hidden was 32, is 16" in different.stdout
    run(f"{verb} compare outputs/patients outputs/narrow --output outputs/compare.html", project)
    assert "mean_absolute_error" in (project / "outputs/compare.html").read_text()
    run(f"{verb} report outputs/patients", project)
    text = (patients / "report.html").read_text()
    assert "Progression on Patients" in text and "classes" not in text and "are missing" not in text
    archived = run(f"{verb} archive outputs/patients", project).stdout.strip()
    with ZipFile(project / archived) as crate:
        assert {"model.safetensors", "run.json", "test/metrics.json"} <= set(crate.namelist())
    checked = run(f"{verb} check outputs/patients --json", project, check=False).stdout
    items = {item["name"]: item for item in json.loads(checked)["items"]}
    assert "Progression" in items["the model is saved with metadata"]["evidence"]
    assert "mean_absolute_error" in items["the results are documented"]["evidence"]
    assert items["the data is versioned by DVC"]["status"] == "not applicable"


@pytest.mark.slow
def test_a_run_that_continues_another_keeps_the_arguments_of_its_task(project: Path, patients: Path) -> None:
    longer = f"{PATIENTS.replace('epochs=30', 'epochs=32')} restore=continue restore.run=outputs/patients"
    assert len((train(project, longer, "longer") / "metrics.csv").read_text().splitlines()) == 33
    refused = run(f"python train.py {longer} task.hidden=3", project, check=False)
    assert "task.hidden=3 cannot be changed with restore=continue" in refused.stderr


@pytest.mark.slow
def test_a_file_that_an_argument_names_is_an_input(project: Path, letters: Path) -> None:
    """The file is not in git: a verification links it into the checkout, where it is as recorded."""
    verify = "PYTHONPATH=src python -m my_project verify outputs/letters"
    words, content = project / WORDS, (project / WORDS).read_text()
    assert record(letters)["data"]["files"] == {WORDS: digest(words)}
    assert run(verify, project).stdout.splitlines()[-1].startswith("reproduced bit for bit")
    words.write_text(content.replace("ban", "bun"))
    try:
        for command in (verify, "python evaluate.py run=outputs/letters"):
            result = run(command, project, check=False)
            assert result.returncode and f"{WORDS}" in result.stderr and "is missing or not" in result.stderr
        changed = train(project, LETTERS, "letters-changed")
        diff = run(f"PYTHONPATH=src python -m my_project diff {letters} {changed}", project, check=False)
        assert f"data: files.{WORDS} changed" in diff.stdout
    finally:
        words.write_text(content)


@pytest.mark.slow
def test_a_file_that_is_an_input_by_name_is_recorded_once(project: Path, letters: Path) -> None:
    """And a verification, which reads it where it lies, sees no other file."""
    named = train(project, f"{LETTERS} 'data.file=${{inputs.words}}' +inputs.words={WORDS}", "named")
    assert record(named)["inputs"] == {"words": digest(project / WORDS)}
    assert record(named)["data"]["files"] == {}
    assert outcome(named)["model.safetensors"] == outcome(letters)["model.safetensors"]
    said = run("PYTHONPATH=src python -m my_project verify outputs/named", project)
    assert said.stdout.splitlines()[-1].startswith("reproduced bit for bit")
    assert "differs" not in said.stdout + said.stderr


@pytest.mark.slow
def test_the_chosen_task_goes_through_the_pipeline(project: Path) -> None:
    """The project's own choice, which its own tests live with."""
    config = project / "configs/config.yaml"
    before = config.read_text()
    for group, chosen in (("task", "progression"), ("data", "patients")):
        text, found = re.subn(rf"^  - {group}: \w+", f"  - {group}: {chosen}", config.read_text(), flags=re.M)
        assert found == 1
        config.write_text(text)
    config.write_text(f"{config.read_text()}training:\n  epochs: 2\n")
    try:
        assert stages_run(run("dvc repro", project).stdout) == STAGES
        assert yaml.safe_load((project / "models/config.yaml").read_text())["task"]["hidden"] == 32
        assert metrics(project / "reports") == record(project / "models")["metrics"]
        card, data = ((project / name).read_text() for name in ("MODEL_CARD.md", "DATA_CARD.md"))
        assert "- Task: `my_project.models.progression.Progression`, with `hidden=32`" in card
        assert re.search(r"^\| mean\\_absolute\\_error \| \d+\.\d \|$", card, re.M)
        assert "(reports/figures/learning_curves.png)" in card
        assert "`my_project.data.patients.Patients` reads and splits the data" in data
        assert json.loads((project / "reports/croissant.json").read_text())["name"] == "Patients"
        assert "up to date" in run("dvc status", project).stdout
        run("sed -i 's/^batch_size: .*/batch_size: 16/' configs/data/patients.yaml", project)
        dry = stages_run(run("dvc repro --dry", project).stdout)
        assert dry >= {"configure"}
        checked = run("PYTHONPATH=src python -m my_project check --json", project, check=False)
        assert checked.returncode in (0, 1), checked.stderr
        assert " passed" in run("pytest -q tests/test_config.py -k 'composes or sentence'", project).stdout
    finally:
        config.write_text(before)
        run("git checkout --quiet .", project)
