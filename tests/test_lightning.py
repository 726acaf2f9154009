"""Lightning's private parts: where they are used, and that they are what the machinery relies on."""

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import TEMPLATE

MACHINERY = TEMPLATE / "src" / "reproml"
SCRIPT = Path(__file__).with_name("lightning_contract.py")
LIGHTNING, TORCHMETRICS = MACHINERY / "lightning_internals.py", MACHINERY / "training" / "sums.py"
# Names without an underscore that Lightning does not document
LOOPS = {
    "fit_loop",
    "test_loop",
    "epoch_loop",
    "val_loop",
    "batch_progress",
    "epoch_progress",
    "restarting",
    "connectors",
}
MODULES = ("lightning.pytorch.loops", "lightning.pytorch.trainer.connectors")
PRIVATE = re.compile(r"_[a-z]\w*(?<!_)")  # and not what Hydra calls _target_
OF_TORCH = {"_version", "_BatchNorm"}


def own_names() -> set[str]:
    """Return the private names that the machinery itself gives to attributes and methods."""
    found = set()
    for path in {*MACHINERY.rglob("*.py")} - {LIGHTNING, TORCHMETRICS}:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.id if isinstance(node, ast.Name) else node.attr)
    return found


def foreign(text: str, own: set[str]) -> Iterator[str]:
    """Yield the private and undocumented names that a module uses, if it imports Lightning."""
    if not re.search(r"^ *from (lightning|torchmetrics)\b", text, re.MULTILINE):
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            module = node.module or ""
            yield from (each.name for each in node.names if each.name.startswith("_") or module.startswith(MODULES))
        elif isinstance(node, ast.Attribute):
            itself = ast.unparse(node.value) in ("self", "super()")
            if node.attr in LOOPS or (PRIVATE.fullmatch(node.attr) and not (itself and node.attr in own)):
                yield node.attr


def test_private_parts_of_lightning_are_used_in_one_file() -> None:
    own = own_names()
    text = "from lightning.pytorch.loops.x import _Y\nself.trainer.fit_loop._z"
    assert list(foreign(text, own)) == ["_Y", "_z", "fit_loop"]
    assert list(foreign("from lightning import Trainer\nclass A(Trainer):\n    a = self._never_set", own)) == [
        "_never_set"
    ]
    found = {
        path.relative_to(MACHINERY).as_posix(): names
        for path in MACHINERY.rglob("*.py")
        if path not in (LIGHTNING, TORCHMETRICS)
        and (names := set(foreign(path.read_text(encoding="utf-8"), own)) - OF_TORCH)
    }
    assert not found


def test_the_contract_names_each_part_that_is_used() -> None:
    contract = SCRIPT.read_text(encoding="utf-8")
    table = contract[contract.index("PARTS: ") : contract.index("class Task")]
    named = set(re.findall(r"\w+", table)) | {"epoch_loop"}  # which stands there as `loop`
    for path, own in ((LIGHTNING, {"_watches_steps"}), (TORCHMETRICS, set[str]())):
        used = {name for name in foreign(path.read_text(encoding="utf-8"), own) if not re.match("_[A-Z]", name)}
        assert used
        assert not used - named


def contract(environment: Path, *without: str) -> dict[str, str]:
    """Return what `lightning_contract.py` found wrong."""
    command = [environment / "bin" / "python", SCRIPT, *without]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout)  # type: ignore[no-any-return]


@pytest.mark.slow
def test_lightning_is_what_the_machinery_relies_on(environment: Path) -> None:
    assert contract(environment) == {}


@pytest.mark.slow
def test_what_a_release_takes_away_is_named(environment: Path) -> None:
    gone = ("loop._results", "loop._should_accumulate", "loaders._mode", "metric._update_count")
    assert set(contract(environment, *gone)) == set(gone)
