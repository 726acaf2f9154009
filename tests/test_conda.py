"""environment.yml: every line is valid, and what conda installs is solved and installed, from a channel made here.

There is no conda and no conda-forge that the tests can reach; py-rattler, another implementation of the same formats,
reads, solves and installs.
"""

import asyncio
import io
import json
import tarfile
from pathlib import Path

import pytest
import rattler
import yaml
from conftest import CHOICES, Render
from rattler.exceptions import InvalidMatchSpecError, SolverError
from rattler.index import index_fs


def asked(project: Path) -> tuple[list[str], list[str]]:
    """Return what a project asks of conda, and what it asks of pip."""
    environment = yaml.safe_load((project / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    *by_conda, by_pip = environment["dependencies"]
    return by_conda, by_pip["pip"]


def put(channel: Path, name: str, version: str, depends: list[str]) -> None:
    """Write a package with one file into a channel."""
    index = {"name": name, "version": version, "build": "0", "build_number": 0, "depends": depends, "subdir": "noarch"}
    note = f"share/{name}.txt"
    entry = {"_path": note, "path_type": "hardlink", "size_in_bytes": len(version)}
    files = {
        "info/index.json": json.dumps({**index, "noarch": "generic", "arch": None, "platform": None}),
        "info/paths.json": json.dumps({"paths": [entry], "paths_version": 1}),
        note: version,
    }
    with tarfile.open(channel / "noarch" / f"{name}-{version}-0.tar.bz2", "w:bz2") as archive:
        for path, text in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))


@pytest.fixture
def channel(tmp_path: Path, render: Render) -> Path:
    """Return a channel with every package that is asked of conda, at that version and at others."""
    folder = tmp_path / "channel"
    (folder / "noarch").mkdir(parents=True)
    specs, _ = asked(render(environment_manager="conda"))
    for name, version in (spec.split("=") for spec in specs):
        exact = f"{version}.9" if name == "python" else version
        for each in ("0.1", exact, "999"):
            put(folder, name, each, [] if name == "python" else ["python 3.11.*"])
    asyncio.run(index_fs(folder))
    return folder


def solve(channel: Path, specs: list[str]) -> list[rattler.RepoDataRecord]:
    return asyncio.run(rattler.solve([channel.as_uri()], specs, platforms=["noarch"]))


@pytest.mark.parametrize("tracker", CHOICES["tracker"])
def test_every_line_is_valid(render: Render, tracker: str) -> None:
    by_conda, by_pip = asked(render(environment_manager="conda", tracker=tracker))
    for spec in by_conda:
        assert rattler.MatchSpec(spec, strict=True).version
    assert len({spec.partition("=")[0] for spec in by_conda}) == len(by_conda)
    assert by_pip[-1] == "--editable ."
    assert {item.partition("==")[0] for item in by_pip} & {"mlflow", "wandb", "tensorboard"} == {tracker} - {"none"}
    with pytest.raises(InvalidMatchSpecError):
        rattler.MatchSpec("numpy=2.4.6 torch=1", strict=True)


def test_what_conda_installs_is_solved_and_installed(render: Render, channel: Path, tmp_path: Path) -> None:
    specs, _ = asked(render(environment_manager="conda"))
    records = solve(channel, specs)
    prefix = tmp_path / "prefix"
    asyncio.run(rattler.install(records, prefix, cache_dir=tmp_path / "cache", show_progress=False))
    installed = {path.stem: path.read_text() for path in (prefix / "share").iterdir()}
    wanted = dict(spec.split("=") for spec in specs)
    assert installed.pop("python") == f"{wanted.pop('python')}.9"
    assert installed == wanted
    assert len(list((prefix / "conda-meta").glob("*.json"))) == len(specs)


def test_a_version_that_the_channel_lacks_is_not_replaced(render: Render, channel: Path) -> None:
    specs, _ = asked(render(environment_manager="conda"))
    with pytest.raises(SolverError, match="numpy"):
        solve(channel, ["numpy=1.0" if spec.startswith("numpy=") else spec for spec in specs])
    with pytest.raises(SolverError, match="python"):
        solve(channel, ["python=3.12" if spec.startswith("python=") else spec for spec in specs])
