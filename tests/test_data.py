"""Fashion-MNIST from a folder and from a server, and what is said when something is wrong."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import run

pytestmark = [pytest.mark.slow, pytest.mark.preloaded]
PREPARED = Path("data/processed/fashion_mnist/manifest.json")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Yield the address of a server of the folder's files on the loopback address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def archives(folder: Path) -> str:
    """Return the override that names the SHA-256 of the files as served: Debian compresses them in its own way."""
    pairs = ",".join(f"{path.name}: {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in folder.glob("*.gz"))
    return f"'data.archives={{{pairs}}}'"


def test_from_a_folder(project: Path, fashion_mnist: Path) -> None:
    run(f"python prepare.py data=fashion_mnist data.source={fashion_mnist}", project)
    manifest = (project / PREPARED).read_text()
    assert '"splits": {\n    "train": 55000,\n    "validation": 5000,\n    "test": 10000\n  }' in manifest


def test_from_a_server_with_checksums(project: Path, fashion_mnist: Path) -> None:
    with served(fashion_mnist) as address:
        wrong = run(f"python prepare.py data=fashion_mnist data.source={address}", project, check=False)
        assert wrong.returncode == 1
        assert "could not be downloaded" in wrong.stderr
        assert not (project / PREPARED).exists()
        assert not list((project / "data" / "raw" / "fashion_mnist").iterdir())
        run(f"python prepare.py data=fashion_mnist data.source={address} {archives(fashion_mnist)}", project)
    assert (project / PREPARED).exists()


@pytest.mark.parametrize("damage", ["missing", "truncated", "altered"])
def test_a_damaged_folder_is_named(project: Path, fashion_mnist: Path, tmp_path: Path, damage: str) -> None:
    source, name = tmp_path / "source", "train-labels-idx1-ubyte.gz"
    source.mkdir()
    for path in fashion_mnist.glob("*.gz"):
        content = path.read_bytes()
        if path.name == name:
            if damage == "missing":
                continue
            content = content[:20_000] if damage == "truncated" else content[:9000] + b"!" + content[9001:]
        (source / path.name).write_bytes(content)
    result = run(f"python prepare.py data=fashion_mnist data.source={source}", project, check=False)
    assert result.returncode == 1
    assert name in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (project / PREPARED).exists()


def test_an_unreachable_address_is_named(project: Path) -> None:
    result = run("python prepare.py data=fashion_mnist data.source=http://127.0.0.1:9", project, check=False)
    assert result.returncode == 1
    assert "data.source=FOLDER" in result.stderr
