"""Inputs outside of the data: their digests, what is refused, and where a run that is made again finds them."""

import hashlib
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reproml.checklist.before import _loose_input, _own_data
from reproml.checklist.facts import Facts
from reproml.checklist.item import PASS
from reproml.config import trust
from reproml.config.check import check
from reproml.config.schema import Config, OwnConfig, Paths
from reproml.errors import ConfigError, RecordError
from reproml.files import file_digest
from reproml.report.collect import collect
from reproml.report.render import report
from reproml.report.shareable import refuse_home
from reproml.runs import digest_cache, record, schema
from reproml.runs.inputs import check_inputs, digests, locate, refuse_changed
from reproml.runs.named import recorded_files
from reproml.tasks.data import data_of
from reproml.training import ready

from .conftest import PLAIN, composed

FILES = {"vocab.txt": b"one\ntwo\n", "weights/first.bin": b"\0" * 5000, "weights/.hidden": b""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "bert", FILES)


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def digest(path: Path) -> str:
    return digests({"it": str(path)})["it"]


def test_the_digest_of_a_file_is_that_of_its_content(folder: Path) -> None:
    assert digest(folder / "vocab.txt") == hashlib.sha256(FILES["vocab.txt"]).hexdigest()


def test_the_digest_of_a_folder_depends_on_names_and_contents_alone(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = digest(folder)
    assert digest(written(tmp_path / "copy", dict(reversed(FILES.items())))) == first  # elsewhere, in another order
    (tmp_path / "link").symlink_to(folder)
    assert digest(tmp_path / "link") == first
    blob = tmp_path / "blob"  # as in a cache of the Hugging Face Hub
    (folder / "vocab.txt").rename(blob)
    (folder / "vocab.txt").symlink_to(blob)
    os.utime(blob, (0, 0))
    (folder / "empty").mkdir()
    assert digest(folder) == first
    walk = os.walk
    monkeypatch.setattr(os, "walk", lambda *given, **named: reversed(list(walk(*given, **named))))  # another disk
    assert digest(folder) == first


@pytest.mark.parametrize(
    "other",
    [
        {**FILES, "vocab.txt": b"one\ntwo\r\n"},
        {**FILES, "more.txt": b""},
        {name: content for name, content in FILES.items() if name != "weights/.hidden"},
        {**{name: content for name, content in FILES.items() if name != "vocab.txt"}, "words.txt": FILES["vocab.txt"]},
        {**{name: content for name, content in FILES.items() if "first" not in name}, "first.bin": b"\0" * 5000},
    ],
)
def test_another_folder_has_another_digest(folder: Path, tmp_path: Path, other: dict[str, bytes]) -> None:
    assert digest(written(tmp_path / "other", other)) != digest(folder)


def test_every_file_is_read_once_and_by_the_record_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def counted(path: Path) -> str:
        read.append(path)
        return file_digest(path)

    monkeypatch.setattr(digest_cache, "file_digest", counted)
    check_inputs({"bert": str(folder)})
    assert read == []
    digests({"bert": str(folder)})
    assert sorted(path.relative_to(folder).as_posix() for path in read) == sorted(FILES)


def test_what_cannot_be_read_is_refused_in_one_sentence(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder.parent / "dangling").mkdir()
    (folder.parent / "dangling" / "weights").symlink_to("nowhere")
    (folder.parent / "round").mkdir()
    (folder.parent / "round" / "again").symlink_to(folder.parent / "round")
    (folder.parent / "nothing" / "in it").mkdir(parents=True)
    for name, sentence in {
        "absent": "inputs.it=.*absent is not there: fetch it",
        "dangling": "is not there because .*weights leads nowhere",
        "round": "again, a link to a folder: put the folder itself there",
        "nothing": "inputs.it=.*nothing holds no file",
        "bert": "holds .*pipe, which is not a file",
        "bert/pipe": "inputs.it=.*pipe",
    }.items():
        for act in (digests, check_inputs):
            with pytest.raises(ConfigError, match=sentence) as caught:
                act({"it": str(folder.parent / name)})
            assert "\n" not in str(caught.value)


def test_a_file_without_the_right_to_read_it_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system says it; a test that is run by root could read any file."""
    monkeypatch.setattr("os.access", lambda path, mode: Path(path).name != "vocab.txt")
    with pytest.raises(ConfigError, match=r"cannot be read: give yourself permission to read .*vocab.txt"):
        check_inputs({"bert": str(folder)})
    monkeypatch.undo()
    check_inputs({"bert": str(folder)})


def test_what_the_system_does_not_let_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or its files would be missing in the digest."""
    scandir = os.scandir

    def refusing(path: Path) -> Any:
        if Path(path).name == "weights":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(ConfigError, match=r"inputs.bert=.* cannot be read: .*weights: Permission denied"):
        digests({"bert": str(folder)})
    monkeypatch.undo()

    def failing(path: Path) -> str:
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(digest_cache, "file_digest", failing)
    with pytest.raises(ConfigError, match=r"inputs.bert=.* cannot be read: .*: Input/output error"):
        digests({"bert": str(folder)})


def configured(*arguments: str) -> Config:
    return check(composed(*PLAIN, "data=digits", *arguments))


def test_a_class_gets_the_path_from_the_configuration() -> None:
    config = configured("+inputs.words=data/external/words.txt", "+callbacks.step_trace.words=${inputs.words}")
    assert config.callbacks["step_trace"]["words"] == config.inputs["words"] == "data/external/words.txt"


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("++inputs={a.b: c}", r"inputs.a.b=c: use letters"),
        ("+inputs.words=.env", r"inputs.words=.env is named like a file with secrets"),
        ("+inputs.words=/home/somebody/.ssh/id_rsa", r"is named like a file with secrets"),
    ],
)
def test_names_and_secrets_are_refused(argument: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        configured(argument)


def test_an_absent_input_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"inputs.words=.*words.txt is not there"):
        ready.ready(composed(*PLAIN, "data=digits", f"+inputs.words={tmp_path}/words.txt"))


def test_a_stage_of_dvc_has_to_watch_an_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, {"data/external/words.txt": b"one", "other.txt": b"two"})
    (tmp_path / "dvc.yaml").write_text("stages: {train: {deps: [data/external, 'data/processed/${data.name}']}}")
    check_inputs({"other": "other.txt"})
    monkeypatch.setenv("DVC_STAGE", "train")
    check_inputs({"words": "data/external/words.txt"})
    with pytest.raises(ConfigError, match=r"inputs.other=other.txt: .* add it to the deps of the stage train"):
        check_inputs({"words": "data/external/words.txt", "other": "other.txt"})


def test_a_stage_of_dvc_has_to_watch_what_an_argument_of_the_data_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(written(tmp_path, {"data/words.txt": b"one", "dvc.yaml": b"stages: {train: {deps: [data]}}"}))
    own: dict[str, Any] = {"data": {"_target_": "a.Words", "file": "data/words.txt"}, "task": {"_target_": "a.Task"}}
    empty: Any = {key: {} for key in ("training", "trainer", "reproducibility", "tracking", "callbacks", "restore")}
    config = OwnConfig(seed=1, **own, **empty, paths=Paths("raw", "made", "models"))
    monkeypatch.setenv("DVC_STAGE", "train")
    data: Any = None
    assert list(data_of(config, own, data)["files"]) == ["data/words.txt"]
    (tmp_path / "dvc.yaml").write_text("stages: {train: {deps: [src]}}")
    with pytest.raises(ConfigError, match=r"^data/words.txt, which an argument of data or task names: `dvc repro`"):
        data_of(config, own, data)


def test_what_is_read_for_a_stranger_lies_in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = written(
        tmp_path / "project", {"words.txt": b"one", "configs/config.yaml": b"inputs: {known: /etc/hosts}"}
    )
    monkeypatch.chdir(project)
    monkeypatch.delenv("RUN_FOLDER_IS_TRUSTED", raising=False)
    source = Path("outputs/theirs/run.json")
    trust.check_inputs({"words": "words.txt", "known": "/etc/hosts"}, source)
    (project / "link").symlink_to("/etc/hosts")
    for path in ("/etc/hosts", "../other", "link"):
        with pytest.raises(ConfigError, match=r"run.json asks to read inputs.theirs=.*, which is outside"):
            trust.check_inputs({"theirs": path}, source)
    monkeypatch.setenv("RUN_FOLDER_IS_TRUSTED", "1")
    trust.check_inputs({"theirs": "/etc/hosts"}, source)


def test_classes_are_pointed_at_places_in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named_there = b"data: {_target_: my.Data, root: /srv/photos}\npaths: {processed: /srv/processed}"
    monkeypatch.chdir(written(tmp_path / "project", {"configs/photos.yaml": named_there}))
    monkeypatch.delenv("RUN_FOLDER_IS_TRUSTED", raising=False)
    config = {"data": {"_target_": "my.Data"}, "inputs": {"bert": "/srv/bert"}, "paths": {"raw": "/srv"}}
    config["paths"] |= {"processed": "/srv/processed", "run": "/tmp/run"}

    def asked(**arguments: str) -> None:
        own = {**config, "task": {"_target_": "my.Task", "nested": [arguments]}}
        trust.check_arguments(own, Path("outputs/theirs/run.json"))

    asked(root="data/photos", other="outputs/theirs/cache", name="a/b", separator=", ", address="https://host/x")
    asked(root="/srv/photos", vocabulary="/srv/bert/vocab.txt")  # which configs/ name, and an input
    asked(cache="/tmp/run/cache", arrays="/srv/processed/arrays")
    for path in ("/etc/passwd", "/srv/other", "../other", "~/.ssh", "/srv/bert/../x", Path("/etc/passwd").as_uri()):
        with pytest.raises(ConfigError, match=r"run.json asks for task.nested.0.root=.*, which is outside of this"):
            asked(root=path)
    arrays = {
        **config,
        "data": {"_target_": "my.Data", "source": "/srv/raw", "files": {}},
        "model": {"bias": "/srv/bert/bias"},
    }
    trust.check_arguments(arrays, Path("run.json"))  # raw files are known by their digests
    with pytest.raises(ConfigError, match=r"run.json asks for model.bias=/etc/passwd"):
        trust.check_arguments({**arrays, "model": {"bias": "/etc/passwd"}}, Path("run.json"))
    with pytest.raises(ConfigError, match=r"run.json asks for task.words=/etc/passwd"):
        trust.check_arguments({**arrays, "task": {"_target_": "my.Task", "words": "/etc/passwd"}}, Path("run.json"))
    monkeypatch.setenv("RUN_FOLDER_IS_TRUSTED", "1")
    asked(root="/etc/passwd")


def described(place: str, sha256: str) -> dict[str, Any]:
    """Return the parts of a record that say what a run stands on."""
    model = {"file": f"{place}/a", "several": [place, {"file": f"{place}/b"}]}
    config = {"data": {}, "paths": {"run": "outputs/one"}, "inputs": {"words": place}, "model": model}
    empty: dict[str, Any] = {"code": {}, "data": {}, "locks": {}, "environment": {}, "restored": None}
    return {**empty, "config": config, "inputs": {"words": sha256}}


def test_a_difference_names_the_input_and_not_its_place() -> None:
    first, moved, other = (
        described(*parts) for parts in (("here", "a" * 64), ("/there", "a" * 64), ("here", "b" * 64))
    )
    assert record.what_changed(first, moved) == []
    [change] = record.what_changed(first, other)
    assert str(change) == f"input: words changed, digest {'a' * 12} -> {'b' * 12}"
    assert change.of_the_project  # so a resume is refused
    [removed] = record.what_changed(first, {**first, "inputs": {}})
    assert str(removed) == "input: words was removed"


def test_a_run_that_is_made_again_finds_its_inputs_or_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = written(tmp_path / "here", {"words.txt": b"one", "committed.txt": b"now"})
    checkout = written(tmp_path / "checkout", {"committed.txt": b"then"})
    monkeypatch.chdir(here)
    paths = {"words": "words.txt", "committed": "committed.txt"}
    contents = {"words": b"one", "committed": b"then"}
    recorded = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    before: dict[str, Any] = {"config": {"inputs": paths}, "inputs": recorded}
    for _ in range(2):  # what the commit does not hold is linked once
        assert locate(before, checkout) == paths
        assert (checkout / "words.txt").resolve() == here / "words.txt"
    for broken, sentence in (
        ({**before, "inputs": {**recorded, "words": recorded["committed"]}}, "the input words changed: "),
        ({**before, "inputs": {}}, "does not hold a digest for each of its inputs"),
    ):
        with pytest.raises(RecordError, match=sentence):
            locate(broken, checkout)
    with pytest.raises(ConfigError, match=r"asks to read inputs.words=/etc/hosts"):
        locate({**before, "config": {"inputs": {**paths, "words": "/etc/hosts"}}}, checkout)
    (here / "words.txt").unlink()
    with pytest.raises(ConfigError, match=r"inputs.words=words.txt is not there"):
        locate(before, checkout)


def test_a_changed_input_is_refused(folder: Path) -> None:
    paths = {"bert": str(folder)}
    recorded = digests(paths)
    refuse_changed(recorded, paths)
    (folder / "vocab.txt").write_bytes(b"three\n")
    with pytest.raises(RecordError, match=rf"the input bert changed: .* made with {recorded['bert'][:12]}"):
        refuse_changed(recorded, paths)


def test_the_checklist_asks_who_keeps_an_input(tmp_path: Path) -> None:
    def evidence(path: str) -> str | None:
        found = _loose_input(Facts(tmp_path, Path("run"), {"config": {"inputs": {"words": path}}}))
        return found.evidence if found else None

    written(tmp_path, {"data/external/words.txt": b"one", "committed.txt": b"two"})
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "committed.txt"], cwd=tmp_path, check=True)
    assert evidence("committed.txt") is None
    assert "neither git nor DVC keeps data/external/words.txt" in str(evidence("data/external/words.txt"))
    (tmp_path / "data/external/words.txt.dvc").write_text("outs: []")
    assert evidence("data/external/words.txt") is not None  # nobody else gets it
    subprocess.run(["git", "add", "data/external/words.txt.dvc"], cwd=tmp_path, check=True)
    assert evidence("data/external/words.txt") is None
    (tmp_path / "link.txt").symlink_to("/etc/hosts")
    subprocess.run(["git", "add", "link.txt"], cwd=tmp_path, check=True)
    assert "link.txt, the input words, is a link, and others do not have its target" in str(evidence("link.txt"))
    for outside in ("/etc/hosts", "../words.txt"):
        assert "is outside of the project: put it there and set inputs.words=data/external/words" in str(
            evidence(outside)
        )


def test_of_recorded_files_only_arguments_inside_of_the_project_are_read(tmp_path: Path) -> None:
    project = written(tmp_path / "project", {"data/a.csv": b"one"})
    other = written(tmp_path, {"b.csv": b"two"}) / "b.csv"
    files = {"data/a.csv": digest(project / "data/a.csv"), str(other): "0" * 64, "/proc/kmsg": "0" * 64}
    config = {"data": {"_target_": "my.Data", "files": ["data/a.csv", str(other)]}, "task": {}, "inputs": {}}
    record = {"config": config, "data": {"files": files}}
    assert list(recorded_files({"files": files}, config)) == ["data/a.csv", str(other)]  # nothing else is an argument
    found = _own_data(Facts(project, Path("run"), record))
    assert found.status == PASS
    assert f"{other}, outside of the project, was not checked" in found.evidence


def test_an_archive_shows_no_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    refuse_home({"words": "data/external/words.txt", "shared": "/usr/share/dict/words"})
    with pytest.raises(RecordError, match=r"inputs.words=.*words.txt would show your home folder"):
        refuse_home({"words": f"{tmp_path}/words.txt"})
    refuse_home({}, ["data/photos", "/srv/photos"])
    with pytest.raises(RecordError, match=r"my photos would show your home .* 'data/external/my photos', name"):
        refuse_home({}, ["data/photos", f"{tmp_path}/my photos"])


def test_a_report_tells_of_inputs(short_run: Path) -> None:
    facts = collect(short_run, alone=False)
    told = replace(facts, record={**facts.record, "inputs": {"words": "a" * 64}})
    for name, line in (("report.md", f"| input words | {'a' * 64} |"), ("report.html", f"<code>{'a' * 64}</code>")):
        assert line in report(told, name)
        assert line not in report(facts, name)


def test_the_record_holds_inputs_by_their_names(short_run: Path) -> None:
    found = json.loads((short_run / "run.json").read_text())
    assert found["inputs"] == {}
    for inputs, complaint in (
        ({"words": "a" * 64}, None),
        ({"words": "a"}, "inputs.words has a form"),
        ({"../words": "a" * 64}, "a key in inputs"),
    ):
        problem = schema.problem({**found, "inputs": inputs})
        assert problem is None if complaint is None else complaint in str(problem)
