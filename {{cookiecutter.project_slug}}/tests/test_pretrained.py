"""Weights from elsewhere: read from every form, matched by name, recorded by their digest."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning import LightningModule, Trainer
from safetensors.torch import save_file
from torch import nn

from reproml.config.schema import Restore
from reproml.errors import ConfigError, DataError, RecordError
from reproml.models.pretrained import Match, load_pretrained, match
from reproml.runs.pretrained import is_pretrained, pretrained_digest
from reproml.training.earlier import built_on
from reproml.training.restore import refuse_unfit, restore, starting_file
from reproml.verify.rerun import _restored

Tensors = dict[str, torch.Tensor]


class Net(LightningModule):
    """A network with a part that may be pretrained, and a head."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, classes))


def weights_of(model: nn.Module, before: str = "network.", now: str = "network.") -> Tensors:
    named = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    return {now + name.removeprefix(before): tensor for name, tensor in named.items()}


def sharded(tensors: Tensors, folder: Path) -> Path:
    folder.mkdir()
    files = {name: f"model-0000{number % 2 + 1}-of-00002.safetensors" for number, name in enumerate(tensors)}
    for file in set(files.values()):
        save_file({name: tensor for name, tensor in tensors.items() if files[name] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))
    return folder


def folder_with(name: str, write: Callable[[Tensors, Path], Any]) -> Callable[[Tensors, Path], Path]:
    def made(tensors: Tensors, folder: Path) -> Path:
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        write(tensors, folder / name)
        return folder

    return made


def written(name: str, write: Callable[[Tensors, Path], Any]) -> Callable[[Tensors, Path], Path]:
    def made(tensors: Tensors, folder: Path) -> Path:
        folder.mkdir()
        write(tensors, folder / name)
        return folder / name

    return made


FORMS: dict[str, Callable[[Tensors, Path], Path]] = {
    "safetensors": written("a.safetensors", save_file),
    "state dict": written("a.pt", torch.save),
    "bin": written("a.bin", torch.save),
    "old file": written("a.pth", lambda each, path: torch.save(each, path, _use_new_zipfile_serialization=False)),
    "lightning": written("a.ckpt", lambda each, path: torch.save({"epoch": 3, "state_dict": each}, path)),
    "saved with more": written("a.pt", lambda each, path: torch.save({"model_state_dict": each, "step": 1}, path)),
    "hub": folder_with("model.safetensors", save_file),
    "hub, pickled": folder_with("pytorch_model.bin", torch.save),
    "hub, sharded": sharded,
}


@pytest.mark.parametrize("prefix", ["network.", "", "model.", "module.network."])
@pytest.mark.parametrize("form", FORMS)
def test_weights_of_every_form_are_taken_over(
    form: str, prefix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, model = Net(), Net()
    path = FORMS[form](weights_of(source, now=prefix), tmp_path / "source")
    settings = Restore("finetune", str(path), [])
    refuse_unfit(settings, model)
    caplog.set_level(logging.INFO)
    assert restore(None, settings, model, Trainer(accelerator="cpu", logger=False)) is None
    assert all(torch.equal(tensor, source.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert f"restore.run={path}: 4 tensors are taken over" in caplog.text
    assert "stay as they are" not in caplog.text


def test_what_does_not_match_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source, model = Net(5), Net(2)
    before = weights_of(model)
    save_file(weights_of(source) | {"extra": torch.zeros(1)}, tmp_path / "a.safetensors")
    caplog.set_level(logging.INFO)
    settings = Restore("finetune", str(tmp_path / "a.safetensors"), [])
    restore(None, settings, model, Trainer(accelerator="cpu", logger=False))
    said = caplog.text
    assert "2 tensors are taken over: network.0" in said
    assert "2 of this model stay as they are: network.2.weight, network.2.bias" in said
    assert "3 of it are not used: extra, network.2.bias, network.2.weight" in said
    assert torch.equal(model.state_dict()["network.0.weight"], source.state_dict()["network.0.weight"])
    assert torch.equal(model.state_dict()["network.2.weight"], before["network.2.weight"])


@pytest.mark.parametrize(
    ("tensors", "skip", "sentence"),
    [
        (
            {"x": torch.zeros(7)},
            [],
            "has no tensor that is one of this model by name and shape: it has x, and the model",
        ),
        ({"a.0.bias": torch.zeros(4)}, ["network.2", "network.0.w", "netw"], "has no tensor that is one of this model"),
        (
            {"network.0.bias": torch.zeros(4)},
            ["nothing"],
            r"restore\.skip names nothing, but no tensor name starts with that",
        ),
    ],
)
def test_what_cannot_be_taken_over_is_refused(tensors: Tensors, skip: list[str], sentence: str, tmp_path: Path) -> None:
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(ConfigError, match=sentence):
        refuse_unfit(Restore("finetune", str(tmp_path / "a.safetensors"), skip), Net())


class Twins(LightningModule):
    """Two parts that the same weights fit."""

    def __init__(self) -> None:
        super().__init__()
        self.student, self.teacher = nn.Linear(3, 4), nn.Linear(3, 4)


def test_a_prefix_that_is_not_the_only_one_is_refused(tmp_path: Path) -> None:
    save_file(weights_of(nn.Linear(3, 4), now="net."), tmp_path / "a.safetensors")
    path = str(tmp_path / "a.safetensors")
    with pytest.raises(ConfigError, match=r"fits student\.\* .* or teacher\.\* .* equally well.*restore\.skip"):
        refuse_unfit(Restore("finetune", path, []), Twins())
    refuse_unfit(Restore("finetune", path, ["teacher."]), Twins())


def shapes(**tensors: int) -> Tensors:
    return {name.replace("__", "."): torch.zeros(size) for name, size in tensors.items()}


def test_a_prefix_needs_more_than_a_chance_likeness() -> None:
    """One tensor of many, in another place of another network, has the name and shape of one of the model by chance."""
    source = shapes(a__w=1, a__v=2, b__w=3, c__bias=4)
    model = shapes(x__k=1, x__l=2, y__m=3, z__bias=4)
    assert match(source, model) == Match({}, list(source), list(model))
    assert match(shapes(c__w=1), shapes(c__w=2)) == Match({}, ["c.w"], ["c.w"])


def test_layers_that_share_a_tensor_are_filled_together() -> None:
    shared = torch.zeros(3)
    found = match({"m.embed": torch.ones(3)}, {"n.embed": shared, "n.head": shared})
    assert isinstance(found, Match)
    assert (found.names, found.left) == ({"m.embed": "n.embed"}, [])


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.safetensors", b"text", "is not a safetensors file, or is damaged"),
        ("a.pt", b"text", r"is not a file of torch\.save, or is damaged"),
        ("a.pt", nn.Linear(1, 1), "holds more than tensors and plain data, which could run any code"),
        ("a.pt", {"step": 3}, "holds no tensors by name: save a state_dict"),
        ("a.ckpt", [torch.zeros(1)], "holds no tensors by name"),
    ],
)
def test_a_file_that_holds_no_weights_is_refused(name: str, content: Any, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(DataError, match=sentence) as caught:
        load_pretrained(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["../a.safetensors", "missing.safetensors", "config.json"])
def test_an_index_names_files_beside_it_only(name: str, tmp_path: Path) -> None:
    folder = sharded(weights_of(Net()), tmp_path / "hub")
    save_file(weights_of(Net()), tmp_path / "a.safetensors")
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(DataError, match="which is no file of weights beside it"):
        load_pretrained(folder)


def test_a_run_is_no_pretrained_model(tmp_path: Path) -> None:
    """Nor is one that has lost its record: what is checked of runs would not be checked."""
    save_file(weights_of(Net()), tmp_path / "model.safetensors")
    assert not is_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert is_pretrained(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    assert not is_pretrained(tmp_path)
    missing = Restore("finetune", str(tmp_path / "b.safetensors"), [])
    with pytest.raises(DataError, match=r"or weights from elsewhere, a file \.safetensors, \.ckpt"):
        starting_file(missing)
    (tmp_path / "b.safetensors").touch()
    with pytest.raises(DataError, match="holds nothing that restore=warmstart can start from"):
        starting_file(Restore("warmstart", str(tmp_path / "b.safetensors"), []))


@pytest.mark.parametrize("form", ["safetensors", "lightning", "hub", "hub, sharded"])
def test_the_record_holds_the_digest_and_a_verification_sees_a_change(form: str, tmp_path: Path) -> None:
    tensors = weights_of(Net())
    path = FORMS[form](tensors, tmp_path / "source")
    config: Any = SimpleNamespace(
        restore=Restore("finetune", str(path), []), paths=SimpleNamespace(run=str(tmp_path / "run"))
    )
    found = built_on(config)
    assert found == {"mode": "finetune", "run": str(path), "file": None, "sha256": pretrained_digest(path), "skip": []}
    if path.is_dir():
        (path / "README.md").write_text("what is beside the weights decides nothing")
    assert _restored({"restored": found}) == [f"restore.run='{path}'"]
    changed = FORMS[form]({**tensors, "network.0.bias": tensors["network.0.bias"] + 1}, tmp_path / "other")
    if path.is_dir():
        for file in changed.iterdir():
            file.replace(path / file.name)
    else:
        changed.replace(path)
    assert pretrained_digest(path) != found["sha256"]
    with pytest.raises(RecordError, match="which the run was built on, is missing or not the one in the record"):
        _restored({"restored": found})
