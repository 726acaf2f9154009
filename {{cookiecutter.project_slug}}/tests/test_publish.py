"""Uploading a run to the Hugging Face Hub, with its own client, against a stand-in of its server."""

import json
import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import ModelCard, ModelCardData, snapshot_download
from huggingface_hub import constants as of_client

from reproml import __main__ as commands
from reproml.secrets import refresh

from .conftest import COMMIT, ROOT, Command, with_values
from .hub_server import TOKEN, Hub, Stored, served

NAME = "someone/digits-model"
FILES = {"README.md", "model.safetensors", "run.json", "config.yaml", "metrics.csv"}
OF_HUB = ("MIT", "BSD-3-Clause", "Apache-2.0")  # licenses for which it has a name
Publish = Callable[..., tuple[int, str]]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """Yield the stand-in, whose address and token the environment has."""
    with served(Hub()) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(of_client, "HF_HUB_DISABLE_XET", True)  # its storage is a service of its own
        monkeypatch.setattr(of_client, "HF_TOKEN_PATH", str(tmp_path / "no login"))
        refresh()
        yield hub
    monkeypatch.undo()
    refresh()


@pytest.fixture
def run(project: Path, short_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a copy of the short run, with a commit in its record, in the project, which is the working folder."""
    folder = project / "outputs" / "shared"
    shutil.copytree(short_run, folder, ignore=shutil.ignore_patterns("checkpoints"))
    with_values(folder, git=COMMIT)
    (folder / "changes.patch").unlink(missing_ok=True)
    shutil.copy(ROOT / "CITATION.cff", project)
    monkeypatch.chdir(project)
    yield folder
    shutil.rmtree(folder)
    (project / "CITATION.cff").unlink()


@pytest.fixture
def publish(hub: Hub, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Publish:
    """Return a function that runs `publish` and returns the exit code and all that is shown."""

    def called(*arguments: str, run: str = "outputs/shared", repo: str = NAME) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["reproml", "publish", run, "--repo", repo, *arguments])
        monkeypatch.setattr("signal.signal", lambda *_: None)
        code = commands.main()
        said = "".join(capfd.readouterr())
        assert hub.token not in said
        return code, said

    return called


def test_a_run_is_uploaded_in_one_commit_and_predicts_the_same_after_download(
    hub: Hub, run: Path, publish: Publish, project: Path, command: Command
) -> None:
    code, said = publish("--yes")
    assert code == 0, said
    stored = hub.repositories[NAME]
    assert stored.private
    assert len(stored.commits) == 2  # the first is that of the server, which makes the repository
    assert set(stored.files) - {".gitattributes"} == FILES
    for name in FILES - {"README.md"}:
        assert stored.files[name] == (run / name).read_bytes()
    assert all(f" {name}\n" in said for name in FILES)
    assert f"{hub.address}/{NAME} has the run" in said
    card = ModelCard(stored.files["README.md"].decode())
    head = card.data
    assert isinstance(head, ModelCardData)
    license = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["license"]
    assert (head.library_name, head.license) == ("pytorch", license.lower() if license in OF_HUB else "other")
    metrics = json.loads((run / "run.json").read_text())["metrics"]
    assert {each.metric_name: each.metric_value for each in head.eval_results or []} == metrics
    assert f"hf download {NAME} --local-dir outputs/digits-model" in card.text

    place = project / "outputs" / "digits-model"
    snapshot_download(NAME, local_dir=place, token=TOKEN, endpoint=hub.address)
    inputs = project / "data" / "processed" / "digits" / "inputs.npy"
    answers = []
    for folder in (place, run):
        output = project / "answers.csv"
        command("-m", "reproml", "predict", str(inputs), "--run", str(folder), "--output", str(output))
        answers.append(output.read_bytes())
        output.unlink()
    assert answers[0] == answers[1]
    shutil.rmtree(place)


def test_a_second_upload_makes_no_commit(hub: Hub, run: Path, publish: Publish) -> None:
    publish("--yes")
    stored = hub.repositories[NAME]
    before = list(stored.commits)
    assert publish("--yes")[1].endswith("has these files already: nothing is uploaded\n")
    assert stored.commits == before
    stored.files["changes.patch"] = b"of another run"
    assert publish("--yes")[0] == 0
    assert "changes.patch" not in stored.files
    assert len(stored.commits) == len(before) + 1


def test_nothing_is_sent_before_it_is_agreed(
    hub: Hub, run: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = f"upload these files of outputs/shared to the new private repository {hub.address}/{NAME}?"
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    code, said = publish()
    assert (code, f"not published: {question} There is no terminal to ask on: add --yes" in said) == (2, True)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert publish()[0] == 1
    assert all(method == "GET" for method, _, _ in hub.requests)
    monkeypatch.setattr("builtins.input", lambda asked: "y" if "public repository" in asked else "n")
    assert publish("--public")[0] == 0
    assert not hub.repositories[NAME].private


def refused(publish: Publish, *arguments: str, repo: str = NAME) -> str:
    """Return the one sentence of a refusal."""
    code, said = publish("--yes", *arguments, repo=repo)
    [line] = [line for line in said.splitlines() if line.startswith("not published: ")]
    assert code == 2
    assert said.endswith(f"{line}\n")
    return line


def test_what_the_server_refuses_is_one_sentence(
    hub: Hub, run: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.refuses = 403
    assert f"the token may not write to {NAME}" in refused(publish)
    hub.refuses = 401
    assert f"{hub.address} does not accept the token" in refused(publish)
    hub.refuses = 418
    assert f"{hub.address} has answered 418 (Bearer *** is not wanted)" in refused(publish)
    hub.refuses, hub.repositories[NAME] = None, Stored(private=False)
    assert f"{NAME} is public: add --public" in refused(publish)
    hub.repositories[NAME].private = True
    assert f"{NAME} is private" in refused(publish, "--public")
    hub.ignored = {"model.safetensors"}
    assert f"{NAME} has not taken model.safetensors: remove it from the .gitignore there" in refused(publish)
    monkeypatch.setenv("HF_TOKEN", "another-token-12345")
    assert "does not accept the token" in refused(publish)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "http://127.0.0.1:9 cannot be reached" in refused(publish)


@pytest.mark.parametrize("name", ["alone", "a/b/c", "someone/..", "some one/model", "someone/"])
def test_a_bad_name_is_refused(hub: Hub, run: Path, publish: Publish, name: str) -> None:
    assert f"--repo {name} is not a name of a repository: give OWNER/NAME" in refused(publish, repo=name)
    assert hub.requests == []


def test_a_token_is_needed(hub: Hub, run: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    assert "there is no token for the Hugging Face Hub: set HF_TOKEN" in refused(publish)
    hub.token, hub.refuses = "of-a-login-4711", 418  # which no variable holds, and which looks like no token
    Path(of_client.HF_TOKEN_PATH).write_text(hub.token)
    assert "(Bearer *** is not wanted)" in refused(publish)
    hub.refuses = None
    assert publish("--yes")[0] == 0


def test_a_run_that_is_not_the_recorded_one_or_has_no_commit_is_refused(hub: Hub, run: Path, publish: Publish) -> None:
    history = (run / "metrics.csv").read_bytes()
    (run / "metrics.csv").write_bytes(history + b"\n")
    assert "metrics.csv is not the file in the record" in refused(publish)
    (run / "metrics.csv").write_bytes(history)
    (run / "model.safetensors").rename(run / "elsewhere")
    assert "model.safetensors is missing" in refused(publish)
    (run / "elsewhere").rename(run / "model.safetensors")
    with_values(run, git=None)
    assert "has no commit in its record: commit the code" in refused(publish)
    with_values(run, git=COMMIT, status="running")
    assert "is not finished" in refused(publish)
    assert hub.requests == []


def test_no_secret_and_no_home_folder_is_uploaded(
    hub: Hub, run: Path, publish: Publish, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(project.parent))  # a run names no path of the project itself
    assert publish("--yes")[0] == 0
    assert all(TOKEN.encode() not in content for content in hub.repositories[NAME].files.values())
    hub.requests.clear()
    citation = (project / "CITATION.cff").read_text()
    title = next(line for line in citation.splitlines() if line.startswith("title:"))
    for text, sentence in {
        TOKEN: "README.md holds a secret of your environment",
        "another-secret-of-mine-42": "README.md holds a secret of your environment",
        f"{project.parent}/notes": "README.md names a path in your home folder",
    }.items():
        monkeypatch.setenv("OTHER_PASSWORD", "another-secret-of-mine-42")
        (project / "CITATION.cff").write_text(citation.replace(title, f'title: "Of {text}"'))
        assert sentence in refused(publish)
    assert hub.requests == []
