"""Mutation tests of resuming, ordering and digests: within seconds, a test must notice each mutant of a module.

    PROJECT/.venv/bin/python benchmarks/mutants.py PROJECT [MODULE...] [--sample N]

PROJECT is a generated project with its environment. Its tests are used, and the trainings of tests/any_task.py.
A process that has imported torch forks for each mutant. It prints the survivors, and the number of mutants.
"""

import argparse
import ast
import contextlib
import copy
import importlib.abc
import importlib.util
import io
import json
import logging
import os
import random
import resource
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "{{cookiecutter.project_slug}}" / "src" / "reproml"
# What checks the mutants of a module: the project's tests that need neither a training nor another process, and
# trainings in tests/tasks, interrupted after every batch
MODULES: dict[str, tuple[str, tuple[str, ...]]] = {
    "training/order.py": (
        "test_order.py",
        ("metrics, shuffled", "a sampler that counts", "CombinedLoader, cycling"),
    ),
    "training/streams.py": ("test_streams.py", ("iterable with a state", "streams, one begins again")),
    "training/resume.py": ("test_proof.py test_resume_points.py", ("hooks and attributes", "ReduceLROnPlateau")),
    "training/inside.py": (
        "test_held.py test_order.py",
        ("generators of their own", "a sampler that counts", "containers and generators"),
    ),
    "training/keyed.py": (
        "test_keyed.py",
        ("CombinedLoader, cycling", "test and prediction", "batches changed before steps"),
    ),
    "training/checkpoint.py": ("test_checkpoints.py test_points.py test_damage.py", ("callbacks of the module",)),
    "runs/digest.py": ("test_proof.py", ()),
    "runs/content.py": ("test_inputs.py", ()),
    "arrays/raw.py": ("test_raw.py", ()),
}
LIMIT = 90  # CPU seconds; a mutant that takes longer counts as noticed
OPPOSITE = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


def changes(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """Yield the changes of a node: the name of each, and a function that makes it in a copy."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in OPPOSITE:
        yield "comparison", lambda new: new.ops.__setitem__(0, OPPOSITE[type(new.ops[0])]())
    if isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in OPPOSITE:
        yield "operator", lambda new: setattr(new, "op", OPPOSITE[type(new.op)]())
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int):
        other = (not node.value) if isinstance(node.value, bool) else node.value + 1
        yield f"constant {other}", lambda new: setattr(new, "value", other)
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        yield "condition", lambda new: setattr(new, "test", ast.UnaryOp(ast.Not(), new.test))
    if isinstance(node, ast.Return) and node.value is not None and ast.unparse(node.value) != "None":
        yield "returns None", lambda new: setattr(new, "value", ast.Constant(None))
    body = getattr(node, "body", None)
    for name in ("body", "orelse", "finalbody"):
        body = getattr(node, name, None)
        for number, statement in enumerate(body if isinstance(body, list) else []):
            if isinstance(statement, ast.Expr | ast.Assign | ast.AugAssign | ast.Raise) and not told(statement):
                line = f"without line {statement.lineno}"
                yield line, lambda new, name=name, number=number: getattr(new, name).__setitem__(number, ast.Pass())


def told(statement: ast.stmt) -> bool:
    """Whether a statement only tells people something: docstrings and logs."""
    text = ast.unparse(statement)
    return text.startswith(("log.", "log =", "'", '"', "__all__"))


def mutants(path: Path) -> list[tuple[int, str, str]]:
    """Return, for each mutant of a module, its line, the change, and the whole module."""
    tree = ast.parse(path.read_text())
    skipped = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for inner in ast.walk(node)}
    skipped |= {
        id(inner) for node in ast.walk(tree) if isinstance(node, ast.stmt) and told(node) for inner in ast.walk(node)
    }
    found = []
    for number, node in enumerate(ast.walk(tree)):
        if id(node) in skipped or (isinstance(node, ast.Module)):
            continue
        for name, change in changes(node):
            changed = copy.deepcopy(tree)
            change(list(ast.walk(changed))[number])
            found.append((getattr(node, "lineno", 0), name, ast.unparse(ast.fix_missing_locations(changed))))
    return found


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module another source."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        self.name, self.path, self.source = name, path, source

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        """Find the one module."""
        return (
            importlib.util.spec_from_file_location(fullname, self.path, loader=self) if fullname == self.name else None
        )

    def exec_module(self, module: Any) -> None:
        """Run the other source."""
        exec(compile(self.source, self.path, "exec"), module.__dict__)


def trainings(names: Iterable[str], expected: dict[str, Any] | None) -> dict[str, Any]:
    """Train each task, and from each of its resume points. Exit with 1 if a result is unexpected."""
    sys.path.insert(0, str(ROOT / "tests"))
    import any_task
    from reproml.runs.digest import weights_digest
    from reproml.training import resume

    resume._LOOK_EVERY = 1
    found = {}
    for name in names:
        with tempfile.TemporaryDirectory() as place:
            task, run = (any_task.TASKS | any_task.HOLDING)[name], Path(place) / "run"
            whole = any_task.fit(task, run, more=(any_task.Copies(run),))
            digests = json.loads(json.dumps([weights_digest(whole["weights"]), repr(whole["epochs"])]))
            points = sorted((Path(place) / "points").iterdir())
            found[name] = [digests, repr(whole["tested"]), [point.name.split("-")[1] for point in points]]
            if expected is not None and found[name] != expected[name]:
                sys.exit(1)
            for point in points if expected is not None else []:
                any_task.shutil.rmtree(run)
                point.rename(run)
                if any_task.differences(whole, any_task.fit(task, run)):
                    sys.exit(1)
    return found


def in_fork(task: Callable[[], object]) -> int:
    """Run a function in a fork with a time limit, and return 0 if it returned something false."""
    process = os.fork()
    if process:
        return os.waitpid(process, 0)[1]
    code = 1
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1), os.dup2(nowhere, 2)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            code = int(bool(task()))
    finally:
        os._exit(code)


def noticed(module: str, path: Path, source: str, expected: dict[str, Any]) -> bool:
    """Whether a test fails, or the process ends, with a mutant."""
    tests, names = MODULES[module]
    name = "reproml." + module.removesuffix(".py").replace("/", ".")
    sys.meta_path.insert(0, Mutated(name, path, source))
    if tests:
        import pytest

        files = [f"tests/{file}" for file in tests.split()]
        if pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "mutants_quick", *files]):
            return True
    trainings(names, expected)
    return False


QUICK = """
def pytest_collection_modifyitems(items):
    slow = {"command", "short_run", "prepared", "forked", "server"}
    items[:] = [item for item in items if not slow & set(item.fixturenames)]
"""


def try_module(module: str, reference: Path, sample: int | None) -> None:
    """Try the mutants of a module, or a sample, and print those that no test notices."""
    path = SOURCE / module
    assert in_fork(lambda: reference.write_text(json.dumps(trainings(MODULES[module][1], None))) == 0) == 0
    ask = partial(noticed, module=module, path=path, expected=json.loads(reference.read_text()))
    assert in_fork(partial(ask, source=path.read_text())) == 0, f"{module} fails as it is"
    found, lines, killed = mutants(path), path.read_text().splitlines(), 0
    if sample and len(found) > sample:
        found = sorted(random.Random(1).sample(found, sample))
    for line, change, source in found:
        if in_fork(partial(ask, source=source)):
            killed += 1
        else:
            print(f"  survives: line {line}: {change}: {lines[line - 1].strip()}", flush=True)
    print(f"{module}: {len(found)} mutants, {killed} killed", flush=True)


def main() -> None:
    """Try the mutants of the modules, or a sample of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("modules", nargs="*", default=[])
    parser.add_argument("--sample", type=int)
    given = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", PYTHONHASHSEED="0", CUBLAS_WORKSPACE_CONFIG=":4096:8")
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "mutants_quick.py").write_text(QUICK)
        sys.path[:0] = [place, str(SOURCE.parent)]
        os.chdir(given.project)
        import lightning.pytorch  # noqa: F401
        import pytest  # noqa: F401
        import sklearn.metrics  # noqa: F401
        import torch

        torch.set_num_threads(1)
        torch.multiprocessing.set_sharing_strategy("file_system")
        for module in given.modules or MODULES:
            try_module(module, Path(place) / "expected.json", given.sample)


if __name__ == "__main__":
    main()
