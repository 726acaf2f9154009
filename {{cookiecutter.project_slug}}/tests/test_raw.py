"""Raw files are those that the configuration names, wherever they come from, or the reason is one sentence."""

import gzip
import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reproml.arrays import raw as module
from reproml.arrays.raw import fetch, open_raw, uncompressed_digest
from reproml.config.check import check
from reproml.config.schema import Data
from reproml.errors import DataError

from .conftest import PLAIN, composed

ROWS = b"1,2,3\n" * 1000
NAME = "rows.csv.gz"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder that holds the file."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / NAME).write_bytes(gzip.compress(ROWS))
    return folder


@pytest.fixture
def data(source: Path) -> Data:
    """Return settings that name the file."""
    found: Data = check(composed(*PLAIN, "data=digits")).data
    found.source, found.files, found.archives = str(source), {NAME: digest(ROWS)}, {}
    return found


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


@pytest.fixture
def address(source: Path) -> Iterator[str]:
    """Yield the address of a server of the folder."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *given: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(source))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def refused(data: Data, raw: Path, sentence: str) -> None:
    """Expect one sentence, and that nothing is left half-done."""
    before = {path.name: path.read_bytes() for path in raw.glob("*")}
    with pytest.raises(DataError, match=sentence) as error:
        fetch(data, raw)
    assert "\n" not in str(error.value)
    assert {path.name: path.read_bytes() for path in raw.glob("*")} == before


def test_a_file_is_fetched_once_and_never_written_to(data: Data, source: Path, raw: Path) -> None:
    fetch(data, raw)
    assert [path.name for path in raw.iterdir()] == [NAME]
    assert (raw / NAME).stat().st_mode & 0o222 == 0
    assert (source / NAME).stat().st_mode & 0o222 != 0  # which is not ours
    (source / NAME).unlink()
    fetch(data, raw)  # it is there
    with open_raw(raw / NAME) as stream:
        assert stream.read() == ROWS


def test_it_is_the_content_that_counts_and_not_its_compression(data: Data, source: Path, raw: Path) -> None:
    (source / NAME).write_bytes(gzip.compress(ROWS, compresslevel=1, mtime=1))
    fetch(data, raw)
    (source / "rows.csv").write_bytes(ROWS)
    assert uncompressed_digest(source / "rows.csv") == uncompressed_digest(raw / NAME) == digest(ROWS)
    with open_raw(source / "rows.csv") as stream:
        assert stream.read() == ROWS


def test_another_file_is_refused_before_it_is_kept(data: Data, source: Path, raw: Path) -> None:
    (source / NAME).write_bytes(gzip.compress(ROWS + b"4,5,6\n"))
    other = digest(ROWS + b"4,5,6\n")
    refused(
        data, raw, rf"^{NAME} from data\.source={source} is not the file that data\.files names \(SHA-256 {other[:12]}"
        rf"\.\.\., expected {digest(ROWS)[:12]}\.\.\.\); .* or give the new SHA-256 in configs/data"
    )  # fmt: skip
    assert not (raw / NAME).exists()


def test_a_file_that_was_altered_or_cut_is_named_each_time(data: Data, raw: Path) -> None:
    fetch(data, raw)
    path = raw / NAME
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(gzip.compress(b"others"))
    refused(data, raw, rf"^{path} is not the file that data\.files names")
    for damaged in (whole[:-9], whole[:-1], b"no archive", whole[:40] + b"\0\0\0\0" + whole[44:]):
        path.write_bytes(damaged)
        refused(data, raw, rf"^{path} is truncated or damaged \(.*\); delete it and run the command again")
    path.write_bytes(whole)
    fetch(data, raw)


def test_a_file_that_may_not_be_read_is_named(data: Data, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system says it; a test that is run by root could read any file."""
    fetch(data, raw)

    def refusing(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(module, "open_raw", refusing)
    refused(data, raw, rf"^{raw / NAME} cannot be read: give yourself permission with chmod u\+r$")


def test_a_source_without_the_file_is_named_with_what_belongs_there(data: Data, source: Path, raw: Path) -> None:
    data.files = {NAME: digest(ROWS), "more.csv": digest(b"")}
    refused_of = rf"^data\.source={source} has no file more\.csv: give a folder that holds {NAME}, more\.csv, or an add"
    with pytest.raises(DataError, match=refused_of):
        fetch(data, raw)
    assert [path.name for path in raw.iterdir()] == [NAME]  # the first one is whole
    (source / "more.csv").mkdir()
    refused(data, raw, refused_of)


def test_files_come_with_scikit_learn(data: Data, raw: Path) -> None:
    data.source, name = "sklearn", "diabetes_data_raw.csv.gz"
    data.files = {name: digest(ROWS)}
    refused(data, raw, rf"^{name} from data\.source=sklearn is not the file")
    data.files = {name: uncompressed_digest(module._sklearn_folder() / name)}
    fetch(data, raw)
    assert (raw / name).read_bytes() == (module._sklearn_folder() / name).read_bytes()


def test_a_file_is_downloaded_and_compared_twice(data: Data, source: Path, raw: Path, address: str) -> None:
    """With the digest of what the address serves, where that is known, and with that of the content."""
    data.source = f"{address}/"
    fetch(data, raw)
    assert (raw / NAME).read_bytes() == (source / NAME).read_bytes()
    (raw / NAME).unlink()
    data.archives = {NAME: digest((source / NAME).read_bytes())}
    fetch(data, raw)
    (raw / NAME).unlink()
    data.archives = {NAME: digest(b"others")}
    refused(data, raw, rf"^{address}/{NAME} could not be downloaded \(SHA256 hash of downloaded file .*\); try again")
    data.archives = {}
    (source / NAME).write_bytes(gzip.compress(b"others"))
    refused(data, raw, rf"^{NAME} from data\.source={address}/ is not the file that data\.files names")
    (source / NAME).unlink()
    refused(data, raw, rf"^{address}/{NAME} could not be downloaded \(404 .*give it as data\.source=FOLDER$")


def test_an_address_where_nobody_answers_is_named(data: Data, raw: Path) -> None:
    data.source = "http://127.0.0.1:9"
    refused(data, raw, rf"^http://127\.0\.0\.1:9/{NAME} could not be downloaded \(.*\); try again, or put the files")


def test_what_a_killed_process_left_is_removed(data: Data, raw: Path) -> None:
    for name in (NAME, "of-earlier-settings.csv"):
        left = raw / f".{name}.abc.part"
        left.mkdir(parents=True)
        (left / name).write_bytes(b"half")
    fetch(data, raw)
    assert [path.name for path in raw.iterdir()] == [NAME]
