"""A container engine of the tests' own: a daemon on a socket of its own, and a stand-in for the official base image."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conftest import CACHE, THIS_PYTHON
from filelock import FileLock

# Debian's; another client that comes first on the path may lack BuildKit
DOCKER = "/usr/bin/docker"
DAEMON = "/usr/sbin/dockerd"
REGISTRY = "/usr/bin/docker-registry"
_PACKAGES = {DAEMON: "docker.io", DOCKER: "docker.io", "docker-compose": "docker-compose", REGISTRY: "docker-registry"}
_PACKAGES |= {"mmdebstrap": "mmdebstrap"}
_RELEASE, _PYTHON = "bookworm", "3.11"
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# What this machine needs to reach a package index goes into the stand-in: the Dockerfile under test stays as it is.
_INDEX = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def unavailable() -> str | None:
    """Return why there can be no engine on this machine, or None where there can."""
    missing = {package for program, package in _PACKAGES.items() if not shutil.which(program)}
    if missing:
        return f"Debian's packages {', '.join(sorted(missing))} are not installed"
    if os.geteuid() != 0:
        return "only root can start an engine"
    if THIS_PYTHON != _PYTHON:
        return f"the stand-in for the base image has Python {_PYTHON}, and these tests run with {THIS_PYTHON}"
    return None


@contextmanager
def engine(folder: Path) -> Iterator[dict[str, str]]:
    """Start a daemon below `folder`, yield the variables that lead to it, stop it and remove what it stored."""
    address = f"unix://{folder}/docker.sock"
    command = [DAEMON, "--host", address, "--data-root", folder / "data", "--exec-root", folder / "exec", "--pidfile"]
    command += [folder / "pid", "--iptables=false", "--ip-forward=false", "--bridge=none"]
    variables = {"DOCKER_HOST": address, "DOCKER_BUILDKIT": "1", "DOCKER": DOCKER, "COMPOSE": "docker-compose"}
    with _disk(folder / "data"), (folder / "log").open("w") as log:
        # it ends with the tests, even if they are killed
        daemon = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *command], stdout=log, stderr=log)
        try:
            for _ in range(300):
                assert daemon.poll() is None, (folder / "log").read_text()
                asked = subprocess.run([DOCKER, "info"], env={**os.environ, **variables}, capture_output=True)
                if asked.returncode == 0:
                    break
                time.sleep(0.1)
            yield variables
        finally:
            daemon.send_signal(signal.SIGTERM)  # it stops its containers first
            try:
                daemon.wait(60)
            finally:
                daemon.kill()


@contextmanager
def _disk(place: Path) -> Iterator[None]:
    """Mount a disk of its own for all that the engine stores: one file, which is gone at once.

    Removing the hundred thousand files of the layers one by one took four minutes.
    """
    image = place.with_suffix(".img")
    place.mkdir()
    make = ["mkfs.ext4", "-q", "-O", "^has_journal", "-E", "lazy_itable_init=1,nodiscard", image, "60G"]
    subprocess.run(make, check=True)
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)
        image.unlink()


def build_base(name: str, folder: Path, variables: dict[str, str]) -> None:
    """Build Debian with its Python from Debian's packages, under the name of the official image."""
    archive = CACHE / f"{_RELEASE}.tar"
    CACHE.mkdir(exist_ok=True)
    with FileLock(CACHE / "base.lock"):
        if not archive.exists():
            part = archive.with_suffix(".part.tar")
            packages = "python3,python3-venv,python3-pip,ca-certificates"
            command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", _RELEASE, part]
            subprocess.run(command, check=True)
            part.rename(archive)
    shutil.copy(os.environ.get("SSL_CERT_FILE", _CERTIFICATES), folder / "certificates.crt")
    given = {key: os.environ[key] for key in _INDEX if key in os.environ}
    certificates = {key: _CERTIFICATES for key in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")}
    settings = " ".join(f"{key}={json.dumps(value)}" for key, value in {**given, **certificates}.items())
    (folder / "Dockerfile").write_text(
        f"FROM debian\nCOPY certificates.crt {_CERTIFICATES}\n"
        f"RUN ln -s python3 /usr/bin/python && rm /usr/lib/python{_PYTHON}/EXTERNALLY-MANAGED\nENV {settings}\n"
    )
    build = [DOCKER, "build", "--quiet", "--network=host", "--tag", name, folder]
    for command in ([DOCKER, "import", archive, "debian"], build):
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, **variables})
