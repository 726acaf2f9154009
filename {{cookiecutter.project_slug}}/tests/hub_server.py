"""A stand-in for the Hugging Face Hub on the loopback address: what its client asks for to make and read models."""

import base64
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

TOKEN = "hf_" + "NotARealOne" * 3


@dataclass
class Stored:
    """A repository: its visibility, the files of its newest commit, and the messages of all commits."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)

    @property
    def sha(self) -> str:
        """The name of the newest commit."""
        return hashlib.sha1(repr(self.commits).encode()).hexdigest()


class Hub:
    """What the server holds, and how it answers."""

    def __init__(self) -> None:
        self.token = TOKEN
        self.repositories: dict[str, Stored] = {}
        self.large: dict[str, bytes] = {}
        self.refuses: int | None = None  # the status of its answer to every request to write
        self.ignored: set[str] = set()  # by a .gitignore
        self.requests: list[tuple[str, str, bytes]] = []
        self.address = ""

    def answer(self, method: str, path: str, token: str | None, body: bytes) -> tuple[int, Any, dict[str, str]]:
        """Return status, body (bytes, or plain types) and headers of the answer to a request."""
        self.requests.append((method, path, body))
        if path.startswith("/large/"):
            self.large[path.removeprefix("/large/")] = body
            return 200, {}, {}
        if token != f"Bearer {self.token}":
            return 401, {}, {"X-Error-Message": "Invalid credentials in Authorization header"}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}, {}
        if method == "POST" and self.refuses:
            return self.refuses, {"error": f"{token} is not wanted"}, {}
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.repositories[name] = Stored(asked["visibility"] == "private", {".gitattributes": b""}, ["first"])
            return 200, {"url": f"{self.address}/{name}", "name": name}, {}
        name = "/".join(path.removeprefix("/api/models").removesuffix("/revision/main").split("/")[1:3])
        stored = self.repositories.get(name.removesuffix(".git"))
        if stored is None:
            return 404, {}, {"X-Error-Code": "RepoNotFound"}
        return self._of_repository(name, stored, path, body)

    def _of_repository(self, name: str, stored: Stored, path: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
        if path.endswith("/objects/batch"):
            objects = [
                {**each, "actions": {"upload": {"href": f"{self.address}/large/{each['oid']}"}}}
                for each in json.loads(body)["objects"]
            ]
            return 200, {"transfer": "basic", "objects": objects}, {}
        if "/preupload/" in path:
            return 200, {"files": [self._mode(stored, each["path"]) for each in json.loads(body)["files"]]}, {}
        if "/commit/" in path:
            for line in map(json.loads, body.splitlines()):
                self._apply(stored, line["key"], line["value"])
            return 200, {"commitUrl": f"{self.address}/{name}/commit/{stored.sha}", "commitOid": stored.sha}, {}
        if "/tree/" in path:
            return 200, [self._listed(file, content) for file, content in stored.files.items()], {}
        if "/resolve/" in path:
            content = stored.files[path.rpartition("/")[2]]
            return 200, content, {"X-Repo-Commit": stored.sha, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        siblings = [{"rfilename": file} for file in stored.files]
        return 200, {"id": name, "sha": stored.sha, "private": stored.private, "siblings": siblings}, {}

    def _mode(self, stored: Stored, file: str) -> dict[str, Any]:
        content, large = stored.files.get(file), file.endswith(".safetensors")
        oid = None if content is None else hashlib.sha256(content).hexdigest() if large else _git_hash(content)
        mode = "lfs" if large else "regular"
        return {"path": file, "uploadMode": mode, "shouldIgnore": file in self.ignored, "oid": oid}

    def _apply(self, stored: Stored, key: str, value: dict[str, Any]) -> None:
        if key == "header":
            stored.commits.append(value["summary"])
        elif key == "file":
            stored.files[value["path"]] = base64.b64decode(value["content"])
        elif key == "lfsFile":
            stored.files[value["path"]] = self.large[value["oid"]]
        elif key == "deletedFile":
            del stored.files[value["path"]]

    def _listed(self, file: str, content: bytes) -> dict[str, Any]:
        entry = {"type": "file", "path": file, "size": len(content), "oid": _git_hash(content)}
        lfs = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        return entry | ({"lfs": lfs} if file.endswith(".safetensors") else {})


def _git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextmanager
def served(hub: Hub) -> Iterator[Hub]:
    """Serve it in the background; `address` says where."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self) -> None:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                body = b"".join(iter(self._chunk, b""))
            else:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = urlsplit(self.path).path
            status, content, headers = hub.answer(self.command, path, self.headers.get("Authorization"), body)
            sent = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(sent))}.items():
                self.send_header(name, value)
            if not isinstance(content, bytes):
                self.send_header("Content-Type", "application/json")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(sent)

        do_GET = do_HEAD = do_POST = do_PUT = _answer

        def _chunk(self) -> bytes:
            content = self.rfile.read(int(self.rfile.readline(), 16))
            self.rfile.readline()
            return content

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        hub.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
