"""Shards, windows and streams: what lies where changes no bit of a result; the order that was chosen does."""

import shutil
import urllib.request
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest
from conftest import run
from loopback import s3_server, served
from runs import SHORT, go_on, interrupted, outcome, record, train

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]
SHARDS = f"{SHORT} data.shard_bytes=10000"  # twelve of them
WINDOW = f"{SHARDS} data.window=2 training.batch_size=16"
STREAM = f"{WINDOW} data.storage=arrow"
PROCESSED = Path("data/processed/digits")


@pytest.fixture(scope="module")
def environment(full_environment: Path) -> Path:
    """Return an environment with the extra `stream`."""
    return full_environment


@pytest.fixture(scope="module")
def windowed(shared_project: Path) -> dict[str, str]:
    """Return what a training on mapped shards leaves, with the order of the streams."""
    return outcome(train(shared_project, f"{WINDOW} data.num_workers=2", "windowed"))


@pytest.fixture(scope="module")
def uploaded(shared_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder to be served: prepared Arrow shards, which the project itself has no longer."""
    run(f"python prepare.py {STREAM}", shared_project)
    folder = tmp_path_factory.mktemp("served") / "digits"
    shutil.move(shared_project / PROCESSED, folder)
    return folder


@pytest.fixture(scope="module")
def address(uploaded: Path) -> Iterator[str]:
    with served(partial(SimpleHTTPRequestHandler, directory=uploaded)) as place:
        yield place


@pytest.fixture(scope="module")
def streamed(shared_project: Path, address: str) -> Path:
    """Return the run of a training over HTTP."""
    return train(shared_project, f"{STREAM} data.remote={address}", "streamed")


def test_shards_change_no_bit_and_a_seed_does(shared_project: Path) -> None:
    whole = outcome(train(shared_project, SHORT, "whole"))
    assert outcome(train(shared_project, SHARDS, "shards")) == whole
    assert len(list((shared_project / PROCESSED).glob("inputs-*.npy"))) == 12
    assert outcome(train(shared_project, f"{SHARDS} seed=7", "seed")) != whole


def test_a_stream_gives_the_bits_of_mapped_shards(
    shared_project: Path, windowed: dict[str, str], streamed: Path, uploaded: Path
) -> None:
    assert outcome(streamed) == windowed
    assert not (shared_project / PROCESSED).exists()  # nothing was prepared or copied
    assert {name for name in record(streamed)["data"]["prepared"] if name.startswith("inputs")} == {
        path.name for path in uploaded.glob("*.arrow")
    }


def test_a_stream_over_s3(shared_project: Path, windowed: dict[str, str], uploaded: Path, tmp_path: Path) -> None:
    with s3_server(tmp_path / "log") as server:
        for name in ("", *(f"/digits/{path.name}" for path in uploaded.iterdir())):
            content = (uploaded / Path(name).name).read_bytes() if name else b""
            kind = {"Content-Type": "application/octet-stream"}  # urllib's own makes the server wait for a form
            request = urllib.request.Request(f"{server}/my-bucket{name}", data=content, headers=kind, method="PUT")
            urllib.request.urlopen(request, timeout=30)
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
        arguments = f"{STREAM} data.remote=s3://my-bucket/digits data.num_workers=1"
        assert outcome(train(shared_project, arguments, "s3", AWS_ENDPOINT_URL=server, **keys)) == windowed


def test_a_stream_is_resumed_in_the_middle_of_an_epoch(shared_project: Path, address: str, streamed: Path) -> None:
    folder = interrupted(shared_project, f"{STREAM} data.remote={address}", "killed")
    newest = max(folder.glob("checkpoints/resume-*.ckpt"))
    assert int(newest.name.split("-")[1]) % (1259 // 16), newest  # not between two epochs
    assert not (folder / "model.safetensors").exists()
    go_on(shared_project, folder)
    assert outcome(folder) == outcome(streamed)


def test_a_streamed_run_is_verified_from_its_record(shared_project: Path, streamed: Path) -> None:
    assert "reproduced bit for bit" in run("python -m my_project verify outputs/streamed", shared_project).stdout


@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_what_is_wrong_with_an_address_is_said_in_one_sentence(
    shared_project: Path, uploaded: Path, tmp_path: Path, damage: str
) -> None:
    folder = shutil.copytree(uploaded, tmp_path / "digits")
    shard, fix = folder / "inputs-00003.arrow", "inputs-00003.arrow is not the file that manifest.json names"
    if damage == "missing":
        (folder / "manifest.json").unlink()
        fix = "give the address of a folder that prepare.py made"
    else:
        content = shard.read_bytes()
        shard.write_bytes(content[:5000] + bytes([content[5000] ^ 1]) + content[5001:])
    with served(partial(SimpleHTTPRequestHandler, directory=folder)) as place:
        name = f"hydra.run.dir=outputs/{damage}"
        result = run(f"python train.py {STREAM} data.remote={place} {name}", shared_project, check=False)
    assert result.returncode == 1
    assert fix in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (shared_project / "outputs" / damage / "model.safetensors").exists()
