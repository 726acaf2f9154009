"""`make audit`: what it covers is found when planted, and what could not be looked up is a failure."""

import http.server
import json
import re
import subprocess
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import run
from environments import locked
from loopback import served

pytestmark = pytest.mark.slow
NOWHERE = "http://127.0.0.1:9/v1/query"  # nothing listens there
HOOKS = "secrets,dockerfile"  # that `make audit` has pre-commit run


@contextmanager
def advisories(**known: str) -> Iterator[tuple[str, set[str]]]:
    """Answer as OSV's API does: a package has an advisory for one version, or none.

    Yield the address, and the packages that are asked about.
    """
    asked: set[str] = set()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = query["package"]["name"]
            asked.add(name)
            found = [{**ADVISORY, "affected": [affected(name)]}] if known.get(name) == query["version"] else []
            body = json.dumps({"vulns": found} if found else {}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with served(Handler) as address:
        yield f"{address}/v1/query", asked
    assert {"torch", "lightning", "dvc"} <= asked  # every package was looked up


ADVISORY = {
    "id": "PYSEC-0000-1",
    "aliases": ["CVE-0000-0001"],
    "published": "2026-01-01T00:00:00Z",
    "modified": "2026-01-01T00:00:00Z",
    "details": "planted by a test",
}


def affected(name: str) -> dict[str, Any]:
    events = [{"introduced": "0"}, {"fixed": "99.0"}]
    return {"package": {"name": name, "ecosystem": "PyPI"}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}


def audit(project: Path, address: str, skip: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it without the list of packages and without the hooks to skip, which take longest."""
    return run(f"make --old-file sbom audit OSV_URL={address}", project, check=False, SKIP=skip, **environment)


@pytest.mark.newcomer
def test_a_generated_project_passes_and_lists_its_packages(shared_project: Path) -> None:
    with advisories(torch="0.1") as (address, asked):  # of another version
        passed = run(f"make audit OSV_URL={address}", shared_project, check=False)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert asked == locked(shared_project).keys() - {"my-project"}
    assert "mlflow" in asked
    bill = shared_project / "reports" / "sbom.cdx.json"
    packages = {item["name"]: item["version"] for item in json.loads(bill.read_text())["components"]}
    installed = run("uv pip freeze --exclude-editable", shared_project).stdout.split()
    assert {line.partition("==")[0] for line in installed} <= {re.sub("[-_.]+", "-", name.lower()) for name in packages}
    assert not run("git status --porcelain reports", shared_project).stdout


def test_a_known_vulnerability_is_found(shared_project: Path, tmp_path: Path) -> None:
    """In the project's environment, also where another one is active."""
    venv.create(tmp_path / "other")
    with advisories(torch="2.13.0") as (address, _):  # and not 2.13.0+cpu, as it is installed
        found = audit(shared_project, address, HOOKS, VIRTUAL_ENV=str(tmp_path / "other"))
    assert found.returncode != 0
    assert "PYSEC-0000-1" in found.stdout


def test_what_cannot_be_looked_up_is_a_failure(shared_project: Path) -> None:
    assert audit(shared_project, NOWHERE, HOOKS).returncode != 0


SECRETS = {"configs/storage.yaml": 'password: "Tr0ub4dor-and-three"\n', "notes.txt": "aws = AKIAZ5GOMEOWMEOWXQ7A\n"}
DOCKERFILE = {"docker/Dockerfile": "FROM python:latest\nRUN cd /tmp && sudo apt-get install vim\n"}


@pytest.mark.parametrize(("planted", "skip"), [(SECRETS, "dockerfile"), (DOCKERFILE, "secrets")])
def test_what_is_planted_is_found(shared_project: Path, planted: dict[str, str], skip: str) -> None:
    for file, content in planted.items():
        path = shared_project / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    names = " ".join(planted)
    run(f"git add {names}", shared_project)
    try:
        with_it = audit(shared_project, NOWHERE, skip)
    finally:
        run(f"git rm --quiet --force {names}", shared_project)
    assert with_it.returncode != 0
    for file in planted:
        assert f"{file}:1" in with_it.stdout
