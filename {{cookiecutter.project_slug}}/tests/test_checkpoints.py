"""What a checkpoint holds, which files a run may remove, and whose checkpoints it refuses."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.fabric.plugins.environments.lightning import LightningEnvironment

from reproml.errors import DataError
from reproml.runs.record import identity
from reproml.training import checkpoint
from reproml.training.checkpoint import (
    AtomicCheckpointIO,
    BestCheckpoint,
    CheckpointMetadata,
    LastCheckpoint,
    best_files,
    load_checkpoint,
    peek,
    refuse_other_run,
)

ADDED = "hunter2"  # to an address, as a password


def best(run: Path) -> BestCheckpoint:
    """Return the callback of a run that is about to train."""
    made = BestCheckpoint(run / "checkpoints", filename="best", monitor="val/loss")
    trainer = Trainer(
        accelerator="cpu",
        plugins=[LightningEnvironment()],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run,
    )
    made.setup(trainer, LightningModule(), "fit")
    return made


def test_the_best_epochs_are_found_where_a_run_was_moved_to(tmp_path: Path) -> None:
    first = best(tmp_path / "first")
    files = [f"{first.dirpath}/{name}" for name in ("best.ckpt", "top/best-v1.ckpt")]
    first.best_model_path, first.kth_best_model_path = files
    first.best_k_models = dict(zip(files, map(torch.tensor, (1.0, 2.0)), strict=True))
    first.best_model_score, first.current_score = torch.tensor(1.0), torch.tensor(3.0)
    state = first.state_dict()
    assert str(tmp_path) not in repr(state)
    assert (state["dirpath"], state["best_model_path"]) == ("checkpoints", "best.ckpt")
    second = best(tmp_path / "second")
    second.load_state_dict(state)
    there = [file.replace("/first/", "/second/") for file in files]
    assert [second.best_model_path, second.kth_best_model_path] == [*second.best_k_models] == there
    assert there != files
    assert second.last_model_path == ""
    assert [float(each) for each in second.best_k_models.values()] == [1.0, 2.0]
    scores: Any = (second.best_model_score, second.current_score)
    assert scores == (1.0, 3.0)
    assert second.dirpath == str(tmp_path / "second" / "checkpoints")


@pytest.mark.parametrize(
    ("named", "taken"),
    [
        ("best.ckpt", "best.ckpt"),
        ("top/best.ckpt", "top/best.ckpt"),
        ("../../thesis.txt", "thesis.txt"),
        ("top/../../thesis.txt", "thesis.txt"),
        ("/home/me/thesis.txt", "thesis.txt"),
    ],
)
def test_a_path_in_a_checkpoint_of_somebody_else_leads_nowhere_else(tmp_path: Path, named: str, taken: str) -> None:
    made = best(tmp_path)
    score = torch.tensor(1.0)
    state = {**made.state_dict(), "best_model_path": named, "best_k_models": {named: score}, "current_score": score}
    made.load_state_dict(state)
    assert made.best_model_path == str(tmp_path / "checkpoints" / taken)
    assert list(made.best_k_models) == [made.best_model_path]


def test_the_files_of_the_best_epochs_are_named_within_the_run() -> None:
    ours = {"dirpath": "checkpoints", "best_k_models": {"b.ckpt": 1, "a.ckpt": 2, "../../c.ckpt": 3, "/d.ckpt": 4}}
    other = {"dirpath": "/elsewhere", "best_k_models": {"e.ckpt": 1}}
    states = {"ours": ours, "other": other, "counter": {"rows": []}, "text": "best_k_models"}
    assert best_files({"callbacks": states}) == ["checkpoints/a.ckpt", "checkpoints/b.ckpt"]
    assert best_files({}) == []


def test_a_checkpoint_has_the_batches_and_losses_of_its_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "batches_done", lambda trainer: 7)
    history: Any = SimpleNamespace(rows=[])
    callback, held = CheckpointMetadata(history), dict[str, Any]()
    callback.on_save_checkpoint(None, None, held)  # type: ignore[arg-type]
    assert held == {"batches": 7, "loss": {}}
    history.rows = [{"train/loss": 2.0}, {"train/loss": 1.0, "val/loss": 1.5, "val/accuracy": 0.5}]
    callback.on_save_checkpoint(None, None, held)  # type: ignore[arg-type]
    assert held["loss"] == {"train/loss": 1.0, "val/loss": 1.5}


def test_the_last_checkpoint_is_one_to_continue_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []
    monkeypatch.setattr(checkpoint, "forget_finished_epoch", lambda trainer: done.append("epoch forgotten"))
    trainer: Any = SimpleNamespace(save_checkpoint=lambda *given, **named: done.append((given, named)))
    LastCheckpoint(str(tmp_path)).save(trainer)
    assert done == ["epoch forgotten", ((tmp_path / "last.ckpt",), {"weights_only": False})]


def test_hyperparameters_are_text_without_secrets(tmp_path: Path) -> None:
    address = f"https://me:{ADDED}@example.com/x"
    parameters = {"lr": 0.1, "net": torch.nn.Linear(1, 1), "of": {1: (2, address)}}
    given = {"hyper_parameters": parameters, "datamodule_hyper_parameters": {"source": print}, "hparams_type": dict}
    AtomicCheckpointIO({"seed": 1}).save_checkpoint({**given, "state_dict": {}}, path := tmp_path / "last.ckpt")
    assert AtomicCheckpointIO({}).load_checkpoint(path) == {
        "hyper_parameters": {
            "lr": 0.1,
            "net": "Linear(in_features=1, out_features=1, bias=True)",
            "of": {"1": [2, "https://me:***@example.com/x"]},
        },
        "datamodule_hyper_parameters": {"source": "<built-in function print>"},
        "state_dict": {},
        "config": {"seed": 1},
        "run": None,
    }
    assert ADDED.encode() not in path.read_bytes()
    assert given["hparams_type"] is dict  # what is saved is left as it was
    assert parameters["of"] == {1: (2, address)}


def test_only_what_has_new_types_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []
    monkeypatch.setattr(checkpoint, "check_loads", lambda saved, path: read.append(saved["value"]))
    io = AtomicCheckpointIO({})
    for value in (1, 2, 1.5, [3], 2.5):
        io.save_checkpoint({"value": value}, tmp_path / "last.ckpt")
    assert read == [1, 1.5, [3]]


def test_a_checkpoint_names_the_run_that_wrote_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"data": {}, "paths": {"run": str(tmp_path)}}
    sessions = [{"started": "1", "from_batch": 0}]
    record = {"config": config, "command": {}, "git": None, "code": {}, "sessions": sessions}
    monkeypatch.setattr(checkpoint, "read", lambda folder: record)

    def wrote() -> Any:
        AtomicCheckpointIO(config).save_checkpoint({}, tmp_path / "last.ckpt")
        return load_checkpoint(tmp_path / "last.ckpt")["run"]

    assert wrote() is None  # before there is a record
    (tmp_path / "run.json").touch()
    first = wrote()
    assert first == identity(record)
    sessions[0]["started"] = "2"
    assert wrote() not in (first, None)


def test_a_run_removes_only_where_it_writes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run, kept, elsewhere = tmp_path / "run", tmp_path / "kept", tmp_path / "elsewhere"
    files = [folder / "old.ckpt" for folder in (run / "checkpoints", kept, elsewhere)]
    for file in files:
        file.parent.mkdir(parents=True)
        file.touch()
    (run / "link").symlink_to(elsewhere)
    io = AtomicCheckpointIO({"paths": {"run": str(run)}})
    with caplog.at_level(logging.WARNING):
        for path in (*files, run / "link" / "old.ckpt", run / "checkpoints" / ".." / ".." / "elsewhere", run, tmp_path):
            io.remove_checkpoint(path)
    assert [file.exists() for file in files] == [False, True, True]
    assert run.exists()
    assert caplog.text.count("is not removed, because this run did not write it") == 6
    io.save_checkpoint({}, kept / "new.ckpt")  # from now on, it writes there too
    for path in (files[1], kept):
        io.remove_checkpoint(str(path))
    assert [path.name for path in kept.iterdir()] == ["new.ckpt"]
    AtomicCheckpointIO({}).remove_checkpoint(files[2])  # a run without a folder has no files
    assert files[2].exists()


def test_nothing_in_a_checkpoint_can_run(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    for content in ({"value": Path("x")}, {"value": print}, [1], torch.ones(1)):
        torch.save(content, path)
        for load in (load_checkpoint, peek):
            with pytest.raises(DataError, match=r"last\.ckpt is damaged.*: take it from where the run was made"):
                load(path)
    torch.save({"value": 1}, path)
    assert load_checkpoint(path) == peek(path) == {"value": 1}
    path.unlink()
    for load in (load_checkpoint, peek):
        with pytest.raises(DataError, match=r"last\.ckpt does not exist: take it from where the run was made"):
            load(path)


def test_a_look_into_a_checkpoint_does_not_read_its_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, load, asked = tmp_path / "last.ckpt", torch.load, list[Any]()

    def noted(*given: Any, **named: Any) -> Any:
        asked.append((named["mmap"], named["map_location"]))
        return load(*given, **named)

    torch.save({"weights": torch.ones(3)}, path)
    monkeypatch.setattr(torch, "load", noted)
    assert peek(path)["weights"].sum() == load_checkpoint(path)["weights"].sum() == 3
    assert asked == [(True, "cpu"), (False, "cpu")]


def test_a_checkpoint_of_another_configuration_is_refused_by_the_key_that_differs() -> None:
    config = {"seed": 1, "data": {}, "paths": {"run": "outputs/one"}}
    path = Path("last.ckpt")
    refuse_other_run(path, {**config, "paths": {"run": "outputs/moved"}}, config)
    end = r"\): remove it, or restore the run's own file$"
    with pytest.raises(DataError, match=rf"^last\.ckpt belongs to another run \(.*seed was 1, is 2{end}"):
        refuse_other_run(path, {**config, "seed": 2}, config)
    others: tuple[Any, ...] = (None, [], {}, {"seed": 1})
    for nothing in others:
        with pytest.raises(DataError, match=rf"belongs to another run \(it holds no configuration{end}"):
            refuse_other_run(path, nothing, config)
