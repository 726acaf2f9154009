"""The configuration of a generated project, composed without its environment: only Hydra is needed."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from conftest import CHOICES, Render
from reproml.config import usage
from reproml.config.arguments import read
from reproml.config.check import check
from reproml.config.explain import explain
from reproml.config.preflight import preflight
from reproml.runs import params


def python(project: Path, code: str) -> str:
    """Run Python code in the project with its package on the path."""
    environment = {**os.environ, "PYTHONPATH": str(project / "src")}
    result = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    return result.stdout


COMPOSE = """
from pathlib import Path
from hydra import compose, initialize_config_dir
from reproml import recipe  # registers the resolvers
with initialize_config_dir(str(Path("configs").resolve()), version_base="1.3"):
    for file in sorted([*Path("configs").glob("*/*.yaml"), *Path("configs").glob("training/*/*.yaml")]):
        choice = f"[{file.stem}]" if file.parent.name == "tracking" else file.stem
        compose("config", [f"{file.parent.relative_to('configs')}={choice}"])
        print(file)
"""


def test_every_yaml_composes(render: Render) -> None:
    project = render()
    printed = python(project, COMPOSE).split()
    files = [*project.glob("configs/*/*.yaml"), *project.glob("configs/training/*/*.yaml")]
    assert sorted(printed) == sorted(str(path.relative_to(project)) for path in files)
    assert len(printed) > 20


@pytest.mark.parametrize("tracker", CHOICES["tracker"])
def test_params_yaml_is_what_configure_writes(render: Render, tracker: str) -> None:
    project = render(tracker=tracker, project_slug="other-slug", package_name="other_package")
    shipped = (project / "params.yaml").read_text()
    (project / "params.yaml").unlink()
    subprocess.run([sys.executable, "configure.py"], cwd=project, check=True)
    stamp, _, written = (project / "params.yaml").read_text().partition("\n")
    assert stamp.startswith("# Written by configure.py ")  # which the shipped file lacks: no pipeline has run yet
    assert written == shipped
    assert yaml.safe_load(shipped)["seed"] == 42


def test_a_damaged_file_is_named_as_the_project_has_it(render: Render) -> None:
    project = render()
    (project / "configs" / "config.yaml").write_bytes(b"\xff")
    (project / "dvc.lock").write_text("")
    for mode, name in ((), "configs/config.yaml"), (("lock",), "dvc.lock"):
        command = [sys.executable, project / "configure.py", *mode]
        said = subprocess.run(command, cwd=project.parent, capture_output=True, text=True)
        assert said.returncode == 1
        assert said.stderr.startswith(f"error: {name}")


ASKED: dict[str, Callable[[], object]] = {
    "train.py": lambda: preflight(["tracking=[none]"], "config", "train", check, None),
    "prepare.py": lambda: preflight([], "config", "prepare", check, None),
    "configure.py": lambda: check(params.composed(Path())),
    "evaluate.py": lambda: preflight(["run=outputs/x"], "evaluate", "evaluate", str, None),
    "train.py --help": lambda: usage.text(read(["--help"]), "config", "train"),
}
READ = {  # file of configs/ -> the command that is asked
    "config.yaml": "train.py",
    "snapshot.yaml": "configure.py",
    "evaluate.yaml": "evaluate.py",
    "task/classification.yaml": "prepare.py",
    "model/cnn.yaml": "configure.py",
    "hydra/job_logging/console_and_file.yaml": "evaluate.py",
}


def damages(whole: bytes) -> Iterator[tuple[str, bytes | None]]:
    """Yield each kind of damage with what the file holds then; None: it is not a file that can be read."""
    first = b"twice: 1"
    for kind, content in {
        "empty": b"",
        "as null": b"null\n",
        "as a text": b"hello\n",
        "as a number": b"42\n",
        "as a list": b"- a\n- b\n",
        "binary": bytes(range(256)),
        "as null bytes": bytes(len(whole)),
        "in latin-1": whole + "# Gr\N{LATIN SMALL LETTER O WITH DIAERESIS}\n".encode("latin-1"),
        "in UTF-16": whole.decode().encode("utf-16"),
        "with an open bracket": whole + b"x: [1, 2\n",
        "with a tab": whole + b"x:\n\ty: 1\n",
        "with a key twice": whole + first + b"\n" + first + b"\n",
        "with two documents": whole + b"---\nb: 1\n",
        "with an object": whole + b"x: !!python/object:os.system {}\n",
        "with half an interpolation": whole + b"x: ${\n",
    }.items():
        yield kind, content
    rest = yaml.safe_load(whole)
    for defaults in ("gone", {"a": "b"}, 3, [1], [{"a": "b", "c": "d"}], ["gone", "_self_"], [{"gone": "x"}]):
        yield f"with defaults={defaults}", yaml.safe_dump({**rest, "defaults": defaults}).encode()
    for kind in ("as a folder", "as a link to nothing", "that cannot be opened"):
        yield kind, None


def damage(path: Path, content: bytes | None, kind: str) -> None:
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    elif kind == "as a folder":
        path.mkdir()
    elif kind == "as a link to nothing":
        path.symlink_to("nowhere")


@pytest.mark.filterwarnings("ignore")
def test_a_damaged_file_is_named_by_every_command(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one sentence, with the fix. A file that was cut where it still is valid lacks keys, and these are named."""
    monkeypatch.chdir(render())
    found = []
    for name, command in READ.items():
        path = Path("configs", name)
        whole = path.read_bytes()
        for kind, content in damages(whole):
            with monkeypatch.context() as patch:
                if kind == "that cannot be opened":
                    locked(path.resolve(), patch)
                else:
                    damage(path, content, kind)
                try:
                    ASKED[command]()
                    said = "no error"
                except Exception as error:
                    said = explain(error)
                fixed = "git checkout" in said or "write" in said or "chmod" in said
                if name not in said or "traceback" in said or "\n" in said or not fixed:
                    found.append(f"{name} {kind}, {command}: {said}")
            path.rmdir() if path.is_dir() else path.unlink()
            path.write_bytes(whole)
    assert found == []


def locked(path: Path, patch: pytest.MonkeyPatch) -> None:
    """Let nobody open a file, as its permissions would. They do not stop a superuser, whom containers have."""
    real = open

    def refuse(file: object, *arguments: object, **named: object) -> object:
        if isinstance(file, str | Path) and Path(file).resolve() == path:
            raise PermissionError(13, "Permission denied", str(file))
        return real(file, *arguments, **named)  # type: ignore[call-overload]

    patch.setattr("builtins.open", refuse)


def test_what_is_missing_is_named_with_where_it_belongs(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(render())

    def said(command: str) -> str:
        with pytest.raises(Exception) as error:
            ASKED[command]()
        return explain(error.value)

    config = Path("configs/config.yaml")
    whole = config.read_text()
    config.write_text(whole.partition("\nseed:")[0])  # cut: what is left is valid
    assert "seed has no value: give it one in configs/config.yaml" in said("train.py")
    config.unlink()
    assert said("train.py").startswith("configs/config.yaml does not exist: git checkout configs/config.yaml restores")
    assert "configs/snapshot.yaml has configs/config.yaml in its list of defaults, which does" in said("configure.py")
    config.write_text(whole)
    Path("configs/model/cnn.yaml").unlink()
    assert said("train.py --help") == (
        "model=cnn does not exist; the nearest is model=mlp (there are in configs/model: mlp)"
    )
    Path("configs").rename("settings")
    for command in ASKED:
        assert said(command).startswith("configs is not a folder, but all settings belong there: git checkout configs")
