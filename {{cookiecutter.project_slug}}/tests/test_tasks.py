"""Any task: what its hooks make, what it logs by names of ours, its hyperparameters, and calls of a tracker."""

import csv
import json
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, NotRequired, TypedDict

import pytest
import torch
from fastapi.testclient import TestClient
from lightning import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from pydantic import Field
from safetensors import safe_open
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from reproml import secrets
from reproml.config.check import check
from reproml.config.schema import OwnConfig, Restore
from reproml.errors import ConfigError
from reproml.models.description import read_description
from reproml.models.outputs import declared
from reproml.models.saved import load_into, load_model, save_model
from reproml.serving.app import build_app
from reproml.serving.inputs import declared as takes
from reproml.serving.limits import Limits
from reproml.tasks.build import build
from reproml.tasks.contents import contents, lines
from reproml.tracking.resilient import ResilientLogger
from reproml.training.checkpoint import AtomicCheckpointIO, load_checkpoint
from reproml.training.final import end_with
from reproml.training.history import History
from reproml.training.limits import refuse_none
from reproml.training.restore import refuse_unfit, restore
from reproml.training.steps import LOSS, StepLoss

from .conftest import PLAIN, Command, composed


class Examples(LightningDataModule):
    """Eight numbers and their doubles."""

    def train_dataloader(self) -> Any:
        numbers = torch.arange(8.0)[:, None]
        return DataLoader(TensorDataset(numbers, 2 * numbers), batch_size=4)

    test_dataloader = train_dataloader


class Plain(LightningModule):
    """A line. Its layer is made in the set-up of each stage, with random weights."""

    def __init__(self, token: str = "none") -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer: nn.Module | None = None

    def setup(self, stage: str) -> None:
        self.layer = nn.Linear(1, 1)

    def error(self, batch: Any) -> torch.Tensor:
        assert self.layer is not None
        return (self.layer(batch[0]) - batch[1]).square().mean()

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return self.error(batch)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.log("error", self.error(batch))

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.01)


class Naming(Plain):
    """Logs by names that the history and the trackers have, too."""

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        for name in ("epoch", "step", "lr", LOSS):
            self.log(name, -1.0)
        return self.error(batch)


class Noted(Logger):
    """Keeps what is logged."""

    name, version = "noted", "1"

    def __init__(self) -> None:
        self.metrics: list[dict[str, float]] = []
        self.calls: list[Any] = []

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.metrics.append(metrics)

    def log_hyperparams(self, params: Any, *arguments: Any, **named: Any) -> None:
        self.calls.append(params)

    def log_image(self, key: str) -> None:
        self.calls.append(key)


def trainer(folder: Path, *callbacks: Callback, logger: Any = False) -> Trainer:
    return Trainer(
        accelerator="cpu",
        max_epochs=2,
        logger=logger,
        callbacks=list(callbacks),
        log_every_n_steps=1,
        plugins=[AtomicCheckpointIO({})],
        enable_checkpointing=bool(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )


def trained(folder: Path) -> tuple[Trainer, Plain]:
    model, run = Plain(), trainer(folder)
    run.fit(model, Examples())
    return run, model


def test_a_layer_that_is_made_in_the_set_up_is_tested_as_it_was_trained(tmp_path: Path) -> None:
    run, model = trained(tmp_path)
    error = sum(float(model.error(batch).detach()) for batch in Examples().train_dataloader()) / 2
    end_with(run, model, "last")
    save_model(model, {"task": {"_target_": "a.Task"}}, tmp_path / "model.safetensors")
    assert run.test(model, Examples(), verbose=False) == [{"error": pytest.approx(error)}]
    again = trainer(tmp_path)
    load_into(tmp_path / "model.safetensors", again)
    assert again.test(Plain(), Examples(), verbose=False) == [{"error": pytest.approx(error)}]


def test_a_description_is_read_from_a_whole_file_alone(tmp_path: Path) -> None:
    place = tmp_path / "model.safetensors"
    _, model = trained(tmp_path)
    save_model(model, {"task": {"_target_": "a.Task"}}, place)
    with safe_open(place, framework="pt") as stream:
        assert read_description(place) == json.loads(stream.metadata()["description"])
    assert read_description(place) == {"task": {"_target_": "a.Task"}}
    content = place.read_bytes()
    for damaged in (content[:-1], content + b"0", content[:40], b"", bytes(8), b"\xff" * 40, b"[" * 100_000):
        place.write_bytes(damaged)
        assert read_description(place) is None


def test_weights_are_taken_over_into_layers_that_the_set_up_makes(tmp_path: Path) -> None:
    _, model = trained(tmp_path)
    save_model(model, {"task": {"_target_": "a.Task"}}, tmp_path / "model.safetensors")
    found = {}

    class Look(Callback):
        def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            found.update({name: tensor.clone() for name, tensor in pl_module.state_dict().items()})

    later, run = Plain(), trainer(tmp_path, Look())
    run.fit(later, Examples(), ckpt_path=restore(None, Restore("finetune", str(tmp_path), []), later, run))
    assert all(torch.equal(found[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    ("group", "named", "said"),
    [
        (
            "data",
            "lightning.LightningDataModule",
            "data._target_=lightning.LightningDataModule has no train_dataloader",
        ),
        ("task", "lightning.LightningModule", "task._target_=lightning.LightningModule has no training_step"),
    ],
)
def test_classes_that_cannot_be_trained_are_refused(group: str, named: str, said: str) -> None:
    groups = {"data": {"_target_": f"{__name__}.Examples"}, "task": {"_target_": f"{__name__}.Plain"}}
    groups[group] = {"_target_": named}
    common = {name: SimpleNamespace() for name in ("training", "reproducibility", "paths", "restore")}
    config = OwnConfig(seed=1, trainer={}, tracking={}, callbacks={}, **groups, **common)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"^{said}, which a training needs"):
        build(config)


def test_raw_files_of_a_class_that_is_not_for_arrays_are_refused() -> None:
    own = f"data._target_={__name__}.Examples"
    with pytest.raises(ConfigError, match=f"^{own} is no ArrayDataModule, which an argument `files`"):
        build(check(composed(*PLAIN, "data=digits", own)))


class Described(Examples):
    """Batches with named parts, and a test that is a stream."""

    def train_dataloader(self) -> Any:
        batches = [{"image": torch.tensor([[0.5, float("nan")]]), "name": ["a"], "size": (torch.tensor(3), 4)}]
        return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]

    def test_dataloader(self) -> Any:
        return iter([torch.zeros(0, 2)])


def test_the_first_batch_of_each_loader_is_shown() -> None:
    groups = {"data": {"_target_": f"{__name__}.Described"}, "task": {"_target_": f"{__name__}.Plain"}}
    common = {name: SimpleNamespace() for name in ("training", "reproducibility", "paths", "restore")}
    config = OwnConfig(seed=1, trainer={}, tracking={}, callbacks={}, **groups, **common)  # type: ignore[arg-type]
    found = contents(config)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["loaders"]["train"] == {
        "batches": 1,
        "examples": 1,
        "batch": [
            {"part": "['image']", "type": "float32", "shape": [1, 2], "smallest": 0.5, "largest": 0.5, "mean": 0.5},
            {"part": "['name']", "type": "list", "value": "['a']"},
            {"part": "['size'][0]", "type": "int64", "shape": [], "smallest": 3, "largest": 3, "mean": 3.0},
            {"part": "['size'][1]", "type": "int", "value": "4"},
        ],
    }
    assert "validation" not in found["loaders"]
    assert found["loaders"]["test"]["batch"] == [{"part": "batch", "type": "float32", "shape": [0, 2]}]
    shown = "\n".join(lines(found))
    assert "train: 1 examples, 1 batches; the first batch:" in shown
    assert "test: a stream, of unknown length; the first batch:" in shown


def test_prepared_arrays_are_shown(project: Path, command: Command) -> None:
    command("prepare.py", *PLAIN, "data=digits")
    config = check(composed(*PLAIN, "data=digits", f"paths.processed={project / 'data/processed/digits'}"))
    found = contents(config)
    assert found["inputs"]["shape"] == [1, 8, 8]
    assert (found["inputs"]["smallest"], found["inputs"]["largest"]) == (0, 16)
    counts = {name: sum(split["classes"].values()) for name, split in found["splits"].items()}
    assert counts == {name: split["examples"] for name, split in found["splits"].items()}
    assert sum(counts.values()) == 1797
    shown = "\n".join(lines(found))
    assert f"inputs  {found['inputs']['dtype']} (1, 8, 8), from 0" in shown
    assert "@@" in shown  # a picture


class Made(Plain):
    """Has its layer from the beginning."""

    def __init__(self, width: int = 1) -> None:
        super().__init__()
        self.layer = nn.Linear(1, width)

    setup = LightningModule.setup


@pytest.mark.parametrize(
    ("skip", "said"),
    [
        ([], r"has another layer\.\w+, layer\.\w+: choose the model of that run"),
        (
            ["layr"],
            r"restore\.skip names layr, but no tensor name starts with that: .* \(there are: layer\.weight, "
            r"layer\.bias\)",
        ),
        (["layer"], None),
    ],
)
@pytest.mark.parametrize("mode", ["finetune", "warmstart", "continue"])
def test_weights_that_do_not_fit_are_refused_before_anything_is_written(
    tmp_path: Path, mode: str, skip: list[str], said: str | None
) -> None:
    earlier, run = Made(), trainer(tmp_path)
    run.fit(earlier, Examples())
    run.save_checkpoint(tmp_path / "checkpoints" / "last.ckpt", weights_only=False)
    save_model(earlier, {"task": {"_target_": "Made"}}, tmp_path / "model.safetensors")
    settings = Restore(mode, str(tmp_path), [] if mode == "continue" else skip)  # which takes over everything
    refuse_unfit(Restore(mode, str(tmp_path), []), Made())
    refuse_unfit(settings, Plain())  # whose set-up makes its layer
    if mode == "continue":
        said = r"has another layer\.weight, layer\.bias: choose the model of that run$"
    if said is None:
        refuse_unfit(settings, Made(2))
    else:
        with pytest.raises(ConfigError, match=said):
            refuse_unfit(settings, Made(2))


def test_a_share_of_less_than_a_batch_is_refused_before_the_training() -> None:
    for limit, fits in ((0.4, False), (0.5, True), (1.0, True), (1, True)):
        for key in ("limit_train_batches", "limit_test_batches"):
            config: Any = SimpleNamespace(trainer={key: limit})
            if fits:
                refuse_none(config, Examples())
            else:
                with pytest.raises(ConfigError, match=rf"trainer\.{key}=0\.4 is less than one of the 2 batches"):
                    refuse_none(config, Examples())


def test_the_history_and_the_loss_of_steps_keep_their_names(tmp_path: Path) -> None:
    logger = Noted()
    run = trainer(tmp_path, History(tmp_path / "metrics.csv"), StepLoss(), logger=logger)
    run.fit(Naming(), Examples())
    with (tmp_path / "metrics.csv").open(newline="") as stream:
        rows = [(row["epoch"], row["step"], row["lr"]) for row in csv.DictReader(stream)]
    assert rows == [("0", "2", "0.01"), ("1", "4", "0.01")]
    assert [metrics[LOSS] for metrics in logger.metrics if LOSS in metrics] == [-1.0] * 4


def test_hyperparameters_tell_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "Sesame-0pen-97531")
    secrets.refresh()
    model, run = Plain("Sesame-0pen-97531"), trainer(tmp_path)
    run.fit(model, Examples())
    run.save_checkpoint(tmp_path / "last.ckpt", weights_only=False)
    assert load_checkpoint(tmp_path / "last.ckpt")["hyper_parameters"] == {"token": "***"}
    logger = Noted()
    guarded = ResilientLogger("noted", lambda: logger, tmp_path, 5)
    guarded.logger = logger
    guarded._given = {"seed": 1}
    guarded.log_hyperparams({"seed": 2, "token": "Sesame-0pen-97531", "network": Plain.error})
    guarded._calls.get()()  # type: ignore[misc]
    assert logger.calls == [{"token": "***", "network": repr(Plain.error).partition(" at 0x")[0] + ">"}]
    monkeypatch.undo()
    secrets.refresh()


def test_a_task_may_call_a_tracker_that_is_given_up(tmp_path: Path) -> None:
    logger = Noted()
    guarded = ResilientLogger("noted", lambda: logger, tmp_path, 5)
    guarded.logger = logger
    guarded.log_image("first")
    guarded._calls.get()()  # type: ignore[misc]
    guarded._missed = True
    guarded.log_image("second")
    guarded.experiment.add_image("second")
    assert logger.calls == ["first"]
    assert guarded._calls.empty()
    other = ResilientLogger("noted", None, tmp_path, 5)  # of another process than the first
    other.log_image("third")
    other.experiment.add_image("third")


class Place(TypedDict):
    """Where somebody is."""

    x: float


class Point(Place):
    """Where to look."""

    near: NotRequired[list[Place]]


class Answer(TypedDict):
    """What is there."""

    height: Annotated[float, Field(description="of the line")]


class Served(Plain):
    """Says what it takes and what it answers."""

    @torch.inference_mode()
    def predict(self, inputs: list[Point]) -> list[Answer]:
        """Return the height at each point."""
        assert self.layer is not None
        return [
            Answer(height=value) for value in self.layer(torch.tensor([[each["x"]] for each in inputs]))[:, 0].tolist()
        ]


class Silent(Plain):
    """Says nothing of what it takes."""

    def predict(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs


def test_a_task_with_a_typed_predict_is_served(tmp_path: Path) -> None:
    """Built from the model file alone, with the layer that its set-up makes."""
    _, model = trained(tmp_path)
    place = tmp_path / "model.safetensors"
    save_model(model, {"task": {"_target_": f"{__name__}.Served"}}, place)
    loaded, _ = load_model(place, trusted=True)
    said: Any = loaded.eval()
    outputs = declared(Served)
    predictor: Any = SimpleNamespace(
        interface=None,
        outputs=outputs,
        inputs=takes(outputs.item, Served),
        predict=said.predict,
        model_sha256="0" * 64,
        record=defaultdict(dict, sessions=[{"ended": "now"}], git=None, config={"task": {}}),
    )
    with TestClient(build_app(predictor, Limits(examples=2, size=1000))) as client:
        shown = client.get("/model").json()["inputs"]
        assert shown["blank"] == {"x": 0, "near": []} and shown["schema"]["required"] == ["x"]
        answer = client.post("/predict", json={"inputs": [{"x": 2}, {"x": 3, "near": [{"x": 1}]}]}).json()
        assert answer == {"model_sha256": "0" * 64, "predictions": said.predict([{"x": 2.0}, {"x": 3.0}])}
        refused = client.post("/predict", json={"inputs": [{"x": "far"}]})
        assert refused.status_code == 422 and refused.json()["detail"].startswith("inputs[0]x: Input should be a valid")
        assert client.post("/predict", json={"inputs": [{"x": 1}] * 3}).status_code == 422
        parts = client.get("/openapi.json").json()
        asked = parts["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert asked["$defs"]["Point"]["description"] == "Where to look."
        assert parts["components"]["schemas"]["Prediction"]["properties"]["height"]["description"] == "of the line"
        assert client.get("/examples").json() == {
            "examples": [],
            "missing": "only prepared arrays have test examples to show",
        }


def test_mlflow_is_told_what_a_task_takes() -> None:
    pytest.importorskip("mlflow")
    from reproml.tracking.pyfunc import signature

    said = signature(None, declared(Served))
    point = "{near: Array({x: double (required)}) (optional), x: double (required)}"
    assert str(said.inputs) == f"['inputs': {point} (required)]"
    assert str(said.outputs) == "['height': double (required)]"


def test_a_task_that_does_not_say_what_it_takes_is_not_served() -> None:
    with pytest.raises(ConfigError, match="Silent cannot be served, because its predict does not say what one input"):
        takes(declared(Silent).item, Silent)
    with pytest.raises(ConfigError, match="Plain cannot be served, because it has no predict"):
        declared(Plain)


class Needy(Plain):
    """Asks the trainer for what it is made of."""

    def setup(self, stage: str) -> None:
        self.layer = nn.Linear(1, self.trainer.num_devices)


def test_a_task_that_needs_a_trainer_to_be_made_is_named(tmp_path: Path) -> None:
    _, model = trained(tmp_path)
    save_model(model, {"task": {"_target_": f"{__name__}.Needy"}}, tmp_path / "model.safetensors")
    with pytest.raises(ConfigError, match=r"Needy cannot be built without a trainer \(.*\): let its constructor"):
        load_model(tmp_path / "model.safetensors", trusted=True)
