"""The configuration: everything composes, and mistakes end in one sentence before any work."""

import re
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import reproml
from reproml import help_page
from reproml.arrays.prepare import prepare_once
from reproml.config import combinations, usage
from reproml.config.arguments import read
from reproml.config.check import check
from reproml.config.explain import explain
from reproml.config.signatures import check_signatures
from reproml.errors import ConfigError
from reproml.packages import own_packages

from .conftest import PLAIN, ROOT, Command, composed

GROUPS = (
    "data",
    "folds",
    "model",
    "training",
    "training/optimizer",
    "training/scheduler",
    "training/loss",
    "trainer",
    "reproducibility",
    "callbacks",
    "experiment",
    "debug",
    "sweep",
)
CHOICES = [
    f"{group}={path.stem}"
    for group in GROUPS
    for path in sorted((ROOT / "configs" / group).glob("*.yaml"))
    # what is of the command tune, and data for a task of its own
    if "search" not in (content := OmegaConf.load(path)) and (group != "data" or "_target_" not in content)
]


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_composes_and_passes_the_check(choice: str) -> None:
    given = ["data=digits", choice]
    if choice.startswith("data=") and "target" in OmegaConf.load(ROOT / "configs" / "data" / f"{choice[5:]}.yaml"):
        given.append("task=regression")
    cfg = composed(*given)
    config = check(cfg)
    check_signatures(config)
    assert config.training.lr == cfg.training.lr


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.lr=-1", "training.lr=-1.0 is out of range: it must be greater than 0"),
        ("training.lr=nan", "training.lr=nan"),
        ("training.epochs=0", "training.epochs=0 is out of range: it must be 1 or greater"),
        ("training.epochs=abc", "training.epochs=abc"),
        ("training.optimizer=sgd", "as in training/optimizer=sgd"),
        ("training.scheduler=none", "as in training/scheduler=none"),
        ("training/optimizer=sgd +training.momentum=0.5", "the nearest is training.optimizer.momentum"),
        ("training/optimizer=sgd +training.optimizer.nestrov=true", "the nearest is training.optimizer.nesterov"),
        ("training/optimizer=adamw +training.optimizer.params=[1]", "training.optimizer.params is not an argument of"),
        ("training/optimizer=adamw training.optimizer.weight_decay=abc", "AdamW takes float there"),
        ("training/optimizer=adamw +training.optimizer.betas=[0.9]", "training.optimizer.betas=[0.9] is not valid"),
        ("training/optimizer=adamw training.optimizer._target_=torch.optim.Addam", "cannot be imported"),
        ("training/optimizer=adamw training.optimizer.lr=77", "set training.lr, and lr: ${training.lr}"),
        ("training/optimizer=adamw ~training.optimizer.lr", "training.lr would have no effect"),
        ("training/scheduler=cosine +training.scheduler.intervall=step", "the nearest is training.scheduler.interval"),
        ("training/scheduler=cosine training.scheduler.interval=batch", "it must be one of step, epoch"),
        ("training/scheduler=cosine training.scheduler.steps_as=T_min", "does not take T_min, which it is given"),
        ("training/scheduler=cosine training.scheduler.steps_as=null", "training.scheduler.T_max has no value"),
        ("training/scheduler=warmup_cosine training.scheduler.warmup=1.5", "it must be less than 1"),
        ("training.loss.label_smoothing=abc", "training.loss.label_smoothing=abc is not valid"),
        ("training/loss=cross_entropy +training.loss.weight=[1.0,2.0]", "CrossEntropyLoss takes"),
        ("+training.learning_rate=0.1", "the nearest is training.lr"),
        ("data.validation_fraction=1.5", "it must be between 0 and 1"),
        ("data.folds=5", "data.folds=5 and data.fold=None do not fit together"),
        ("data.fold=0", "data.folds=None and data.fold=0 do not fit together"),
        ("data.folds=5 data.fold=5", "data.folds=5 and data.fold=5 do not fit together"),
        ("sweep=search", "tune sweep="),
        ("+trainer.max_time=00:01:00", "reproducibility=fast"),
        ("seed=-1", "seed=-1 is out of range"),
        ("model.channels=abc", "model.channels=abc"),
        ("model.channels=[8,0]", "model.channels.1=0 is out of range: it must be greater than 0"),
        ("model.dropout=1.5", "model.dropout=1.5 is out of range: it must be less than 1"),
        ("model=mlp model.hidden=[-1]", "model.hidden.0=-1 is out of range"),
        ("trainer.num_nodes=0", "trainer.num_nodes=0 is out of range"),
        ("+trainer.max_epochs=3", "use training.epochs"),
        ("data.name=../x", "data.name=../x"),
        ("trainer.devices=3 training.batch_size=64", "training.batch_size=64 cannot be shared equally by 3 processes"),
        ("seed=null", "seed"),
        ("data.shard_bytes=0", "data.shard_bytes=0 is out of range"),
        ("data.window=2", "set data.shard_bytes=67108864 too"),
        ("data.storage=arrow", "choose storage=stream"),
        ("data.storage=tar", "it must be one of npy, arrow"),
        ("data.remote=https://example.com/digits", "set data.storage=arrow"),
        ("data.classes=null", "data.classes=None and data.target=None: give either the names of the classes or"),
        ("data.target=price", "and data.target=price: give either the names of the classes or"),
        ("data.unit=EUR", "data.unit=EUR is the unit of data.target, which is null"),
        ("task=regression", "Regression predicts a quantity, but data=digits has classes: choose task=classification"),
        ("data=diabetes", "data.split=stratified gives each split the same share of every class"),
        ("data=diabetes split=random", "Classification classifies, but data=diabetes names none"),
        ("data=diabetes task=regression split=stratified", "choose split=random"),
        ("data=diabetes task=regression folds=five split=stratified", "choose split=random"),
        ("data=diabetes task=regression trainer.precision=bf16-true", "would round the targets"),
        ("+task.names=[a]", "task.names is not an argument of"),
        ("task._target_=torch.nn.Linear", "does not take network, which it is given"),
    ],
)
def test_a_bad_value_is_named(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_signatures(check(composed(*PLAIN, "data=digits", "model=cnn", *override.split())))
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("training.learning_rate=0.1", "the nearest is training.lr"),
        ("model=cn", "the nearest is model=cnn"),
        ("training.lr=-1", "training.lr=-1"),
        ("training.lr", "training.lr"),
    ],
)
def test_a_command_fails_in_one_sentence_before_any_work(
    project: Path, command: Command, argument: str, message: str
) -> None:
    outputs = set(project.glob("outputs/**/model.safetensors"))
    result = command("train.py", "task=classification", "data=digits", argument, check=False, plain=True)
    assert result.returncode == 1
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert set(project.glob("outputs/**/model.safetensors")) == outputs


def test_the_names_that_the_machinery_offers_are_there() -> None:
    assert sorted(reproml.PLACES) == sorted(reproml.__all__)
    assert all(getattr(reproml, name).__doc__ for name in reproml.__all__)
    assert reproml.derive(1, "order", 2) != reproml.derive(1, "order", 3)


@pytest.mark.parametrize(
    ("named", "now"),
    [
        ("reproducibility.step_trace.StepTrace", "reproml.training.step_trace.StepTrace"),
        ("training.checkpoint.BestCheckpoint", "reproml.training.checkpoint.BestCheckpoint"),
        ("models.gone.Network", None),
        ("models.gone.Classifier", None),  # that of the machinery is another one
    ],
)
def test_a_class_that_has_moved_to_the_machinery_is_named(named: str, now: str | None) -> None:
    own = min(set(own_packages()) - {"reproml"})
    with pytest.raises(ConfigError) as error:
        check_signatures(check(composed(*PLAIN, "data=digits", f"+callbacks.mine._target_={own}.{named}")))
    said = explain(error.value)
    assert f"callbacks.mine._target_={own}.{named} cannot be imported" in said
    assert said.endswith(f"; {own}.{named} is {now} now") if now else " now" not in said


def test_data_that_import_what_has_moved_says_where_it_is(tmp_path: Path) -> None:
    own = min(set(own_packages()) - {"reproml"})
    data = check(composed(*PLAIN, "data=digits", f"data._target_={own}.errors.Mine")).data
    with pytest.raises(ConfigError) as error:
        prepare_once(data, tmp_path / "raw", tmp_path / "processed")
    assert f"No module named '{own}.errors'" in str(error.value)
    assert explain(error.value).endswith(f"; {own}.errors is reproml.errors now")


def test_a_mistake_in_a_file_is_named_with_its_line(project: Path, command: Command) -> None:
    broken = project / "configs" / "training" / "broken.yaml"
    broken.write_text("defaults: [default]\nepochs: [\n")
    try:
        result = command("train.py", "training=broken", check=False, plain=True)
    finally:
        broken.unlink()
    assert result.returncode == 1
    assert "broken.yaml, line" in result.stderr


def test_help_does_not_import_torch(project: Path, command: Command) -> None:
    result = command("train.py", "--help", plain=True, PYTHONPROFILEIMPORTTIME="1")
    imported = {line.rsplit("|", 1)[-1].strip() for line in result.stderr.splitlines()}
    assert "yaml" in imported  # the list is not empty
    assert re.search(r"^training/optimizer: .*\badamw\b", result.stdout, re.MULTILINE)
    assert "hydra/" not in result.stdout
    assert not imported & {"hydra", "omegaconf", "torch", "lightning", "sklearn", "matplotlib", "mlflow", "wandb"}


def test_help_is_answered_without_hydra_where_it_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config, page, group = Path("configs/config.yaml"), Path("configs/hydra/help/own.yaml"), Path("configs/model")
    page.parent.mkdir(parents=True)
    group.mkdir()
    (group / "small.yaml").write_text("{}")
    usual = "defaults:\n  - _self_\n  - override hydra/help: own\nhydra:\n  job: {chdir: false}\n"
    config.write_text(usual)
    page.write_text("template: |\n  Groups:\n  $APP_CONFIG_GROUPS\n  cost: $$1\n")

    def answered() -> str | None:
        return help_page.text(Path("configs"), "config")

    assert answered() == usage.text(read(["--help"]), "config", "train") == "Groups:\nmodel: small\n\ncost: $1\n"
    for asks_for_more in ("$CONFIG", "${hydra.job.name}", "x\nheader: y", "["):
        page.write_text(f"template: {asks_for_more}\n")
        assert answered() is None, asks_for_more
    page.write_text("template: x\n")
    assert answered() == "x"
    without = usual.replace("  - override hydra/help: own\n", "")
    for other in (usual + "  help: {header: y}\n", without, "", "x", "[1"):
        config.write_text(other)
        assert answered() is None, other
    config.unlink()
    assert answered() is None


def test_help_shows_what_the_arguments_choose(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Hydra itself would, whose own help makes the parts of every template, wanted or not."""
    monkeypatch.chdir(project)
    whole = "hydra.help.template=$CONFIG"  # ours shows the groups alone
    chosen = ["--help", "--resolve", "task=classification", "model=mlp", "training.lr=0.125", whole]
    shown = usage.text(read(chosen), "config", "train")
    assert "mlp.MLP" in shown
    assert shown.count("lr: 0.125") > 1
    assert "run: null" in usage.text(read(["--help", "-cn", "evaluate", whole]), "config", "train")
    parts = usage._Parts(OmegaConf.create(), resolve=False)
    assert "hydra/job_logging: console_and_file" in parts["HYDRA_CONFIG_GROUPS"]
    assert "--multirun" in parts["FLAGS_HELP"]


def test_a_stream_without_its_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(combinations, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"data.storage=arrow needs .* datasets, .*pip install -e '.\[stream\]'"):
        check(composed("data=digits", "data.storage=arrow", "data.shard_bytes=10000", "data.window=2"))


def test_shards_and_streams_are_chosen_by_one_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(combinations, "find_spec", lambda name: name)
    one_file, shards, stream = (
        check(composed("data=digits", f"storage={name}")).data for name in ("one_file", "shards", "stream")
    )
    assert one_file.shard_bytes is None
    assert shards.shard_bytes
    assert stream.shard_bytes
    assert stream.window
    assert [data.storage for data in (one_file, shards, stream)] == ["npy", "npy", "arrow"]
