"""Where installers find packages: an index on loopback with the CPU build of torch, and PyPI's simple interface.

Not every installer reads a local folder, and Poetry reads PyPI by an interface that not every mirror has.
"""

import functools
import http.server
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conftest import CACHE, TEMPLATE, code_blocks
from filelock import FileLock
from loopback import served

PUBLIC = "https://download.pytorch.org/whl/cpu"
# What Poetry's page has people add to pyproject.toml
[_source] = code_blocks((TEMPLATE / "variants/environment_manager=poetry/docs/environments.md").read_text(), "toml")
POETRY_SOURCE = f"\n{_source}"


def torch_wheel() -> Path:
    """Return the wheel of the pinned torch, as pip finds it with the command that the generated project uses."""
    pins = (TEMPLATE / "pyproject.toml").read_text().splitlines()
    torch = next(line.strip(' ",') for line in pins if line.strip().startswith('"torch=='))
    folder = CACHE / "torch"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / "torch.lock"):
        if not list(folder.glob("*.whl")):
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
            subprocess.run([*pip, torch, "--extra-index-url", PUBLIC], check=True)
    [wheel] = folder.glob("*.whl")
    return wheel


@contextmanager
def torch_index(root: Path) -> Iterator[str]:
    """Serve the wheel as a simple index (PEP 503) below `root` and yield its address."""
    wheel = torch_wheel()
    page = root / "whl" / "cpu" / "torch"
    page.mkdir(parents=True)
    (page / wheel.name).symlink_to(wheel)
    (page / "index.html").write_text(f'<!DOCTYPE html><a href="{wheel.name.replace("+", "%2B")}">{wheel.name}</a>')
    (page.parent / "index.html").write_text('<!DOCTYPE html><a href="torch/">torch</a>')
    handler = functools.partial(_Quiet, directory=root)
    with served(handler) as address:
        yield f"{address}/whl/cpu"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass
