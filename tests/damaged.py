"""Damage every file of a run, of prepared data and of a pipeline in every way, and ask every reader about it.

In the folder of a project: `.venv/bin/python damaged.py [FILE...]`, as test_integrity.py calls it. It prints what was
neither success nor one sentence that names the file, as JSON.
"""

import contextlib
import copy
import functools
import io
import json
import logging
import os
import shutil
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, "src")
sys.path.insert(0, ".")
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf, open_dict
from reproml import recipe  # noqa: F401  (knows the resolvers of configs/)
from reproml.config.check import check
from reproml.config.explain import explain
from reproml.files import write_json
from reproml.runs.command import with_recorded_overrides
from reproml.training.determinism import apply, pin_environment

UNEXPLAINED = "the run's log file has the traceback"
RESTORED = Path("outputs/restored")
NEWEST = "newest resume point"
GOOD, CUT, TRIED = Path("outputs/good"), Path("outputs/cut"), Path("outputs/tried")
SMALL = ["tracking=[none]", "model=mlp", "training.epochs=2", "data.train_examples=60", "training.batch_size=20"]
SMALL += ["training/scheduler=none", "callbacks=best", "training.final_weights=best"]
OFTEN = [*SMALL, "callbacks.resume_point.every_seconds=0"]


@functools.cache
def _composed(name: str, *overrides: str) -> Any:
    with initialize_config_dir(str(Path("configs").resolve()), version_base="1.3"):
        return compose(name, list(overrides), return_hydra_config=True)


def composed(name: str, overrides: list[str]) -> Any:
    config = copy.deepcopy(_composed(name, *overrides))
    HydraConfig.instance().set_config(config)
    with open_dict(config):
        del config["hydra"]
    return config


def configured(folder: Path, overrides: list[str]) -> Any:
    return composed("config", [*overrides, f"hydra.run.dir={folder}", f"paths.run={folder}"])


pin_environment(check(configured(GOOD, SMALL)).reproducibility)  # before torch is imported

import configure  # noqa: E402
import evaluate  # noqa: E402
import train  # noqa: E402
from reproml.arrays.datamodule import ArrayDataModule  # noqa: E402
from reproml.checklist import after, before, during, examine  # noqa: E402
from reproml.checklist.examine import _found  # noqa: E402
from reproml.checklist.facts import Facts  # noqa: E402
from reproml.release import suggestion  # noqa: E402
from reproml.report import archive, spread  # noqa: E402
from reproml.report.render import write_comparison, write_report  # noqa: E402
from reproml.runs import params, record  # noqa: E402
from reproml.runs.integrity import intact  # noqa: E402
from reproml.serving.predictor import Predictor  # noqa: E402
from reproml.tracking import sync as synced  # noqa: E402
from reproml.tracking.tracked_run import TrackedRun  # noqa: E402
from reproml.training import resume  # noqa: E402
from reproml.verify import baseline, drift, verify  # noqa: E402
from reproml.verify.divergence import compare as divergence  # noqa: E402

# The files, and the readers that are asked about each. A record is checked in one place for all: runs/record.py.
RECORD = "run.json"
ALL = (
    "verify diff report compare spread check-run evaluate serve sync archive release summary "
    "finetune warmstart continue"
)
OF_A_RUN = {
    RECORD: f"{ALL} resume",
    "config.yaml": "verify diff report compare check-run evaluate serve sync archive",
    "metrics.csv": "verify diff report compare spread check-run evaluate sync archive",
    "trace.jsonl": "verify diff compare check-run sync archive continue",
    "model.safetensors": "verify diff compare check-run evaluate serve sync archive release finetune",
    "changes.patch": "verify diff check-run archive",
    "verification.json": "check-run report archive",
    "tracking.json": "sync resume",
    "test/metrics.json": "report compare check-run archive sync",
    "test/evaluation.json": "report compare check-run archive sync",
    "test/tables/per_class.csv": "report compare archive sync",
    "test/tables/confusion_matrix.csv": "report compare archive sync",
    "test/predictions.csv": "archive sync",
    "checkpoints/last.ckpt": "warmstart continue",
}
OF_A_CUT_RUN = {
    RECORD: "diff resume warmstart",
    "config.yaml": "diff",
    "trace.jsonl": "diff resume continue",
    "checkpoints/best.ckpt": "resume",
    NEWEST: "resume warmstart continue",
}
OF_DATA = {"manifest.json": "data", "inputs.npy": "data", "targets.npy": "data"}
OF_THE_PROJECT = {
    "dvc.lock": "check lock configure",
    "params.yaml": "check configure code",
    "code.yaml": "check",
    "reports/baseline.json": "drift",
    "reports/drift.csv": "drift",
    "pyproject.toml": "check archive",
}
# The record, and what is compared with it, are checked in one place for all readers, before anything else is read from
# them: runs/record.py, runs/integrity.py. So the first reader is asked about every kind of damage, and the others about
# these.
CHECKED = (RECORD, "config.yaml", "metrics.csv", "trace.jsonl", "model.safetensors", "changes.patch")
OF_ALL_READERS = ("empty", "truncated", "missing", "as a folder", "that cannot be opened", "as a socket")
# Without each of their keys, and with other types in each: of this, the first reader is asked.
EACH_KEY = (RECORD, "verification.json", "tracking.json", "manifest.json", "baseline.json")


class Tracker:
    """A tracker that takes everything, and asks for everything."""

    version = "1"

    def send(self, run: TrackedRun) -> None:
        for each in (run.history, run.test_metrics, run.tags, run.files, run.figures, run.model):
            each()
        run.examples(2), run.predictions(2)

    def log_hyperparams(self, settings: Any) -> None: ...

    def finalize(self, status: str) -> None: ...


class Killed(BaseException):
    """Ends a training where a kill would."""


class Reached(Exception):
    """The training of a verification would begin."""


@contextlib.contextmanager
def not_again(*arguments: Any) -> Iterator[Path]:
    """Stand for the checkout of a verification, behind which only its training is left."""
    raise Reached
    yield


def verified(run: Path) -> None:
    with contextlib.suppress(Reached):
        verify.verify(run)


def restored(run: Path, mode: str) -> None:
    more = [f"restore={mode}", f"restore.run={run}", "training.epochs=3"]
    train.main(configured(RESTORED, [*SMALL, *more]))


def resumed(run: Path) -> None:
    _, name, *overrides = with_recorded_overrides([f"resume={run}"])
    train.main(composed(name, overrides))


OF_THE_RUN = [*before.CHECKS, *during.CHECKS, *after.CHECKS]  # the checks that need no file of the project
READERS: dict[str, Callable[[Path], object]] = {
    "verify": verified,
    "diff": lambda run: divergence(intact(run), intact(GOOD), run, GOOD),
    "report": write_report,
    "compare": lambda run: write_comparison(run, GOOD, Path("outputs/compared.html")),
    "spread": lambda run: spread.spread([run, GOOD]),
    "check": lambda run: examine(Path(), run),
    "check-run": lambda run: [_found(each, Facts(Path(), run, record.read_finished(run))) for each in OF_THE_RUN],
    "evaluate": lambda run: evaluate.main(OmegaConf.create({"run": str(run), "output": "outputs/evaluated"})),
    "serve": Predictor,
    "sync": lambda run: synced.sync(run, ["mlflow"]),
    "archive": archive.write_archive,
    "release": lambda run: suggestion.suggest(Path(), run),
    "summary": lambda run: drift.summary(run, "main", 0.005),
    "finetune": lambda run: restored(run, "finetune"),
    "warmstart": lambda run: restored(run, "warmstart"),
    "continue": lambda run: restored(run, "continue"),
    "resume": resumed,
    "data": lambda run: ArrayDataModule(check(configured(GOOD, SMALL))),
    "drift": lambda run: drift.check(0.005),
    "configure": lambda run: configure.main(Path()),
    "code": lambda run: params.code_text(Path()),
    "lock": lambda run: params.refuse_damaged_lock(Path()),
}


def damages(content: bytes) -> Iterator[tuple[str, bytes | None]]:
    """Yield each kind of damage with what the file holds then; None: it is not a file that can be read."""
    yield "empty", b""
    yield "truncated", content[: len(content) // 2]
    for place in (0, len(content) // 3, len(content) - 2) if len(content) > 2 else ():
        flipped = bytearray(content)
        flipped[place] ^= 1 << (place % 7)
        yield f"with a flipped bit in byte {place}", bytes(flipped)
    yield "without UTF-8", content[: len(content) // 2] + b"\xff" + content[len(content) // 2 + 1 :]
    yield "as null bytes", bytes(len(content))
    yield "with null bytes at the end", content + bytes(512)
    for value in (b"[]", b"42\n", b"{}", b'{"a": {"b": 1}}', b"1,2\n3\n"):
        yield f"as {value.decode().strip()}", value
    for kind in ("missing", "as a folder", "that cannot be opened", "as a socket"):
        yield kind, None


def without_keys(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield JSON without each of its keys, and with other types in each."""
    whole = json.loads(content)
    for key in whole:
        yield f"without {key}", json.dumps({name: value for name, value in whole.items() if name != key}).encode()
        for other in (None, "text", [1], {"a": 1}):
            yield f"with {key}={other!r}", json.dumps({**whole, key: other}).encode()


_locked: list[Path] = []


def refuse_locked(event: str, arguments: tuple[Any, ...]) -> None:
    """Let nobody open a file, as its permissions would. They do not stop a superuser, whom containers have."""
    if event == "open" and _locked and isinstance(arguments[0], str | Path | bytes):
        name = os.fsdecode(arguments[0])
        if Path.cwd() / name == _locked[0]:
            raise PermissionError(13, "Permission denied", name)


def damage(path: Path, kind: str, content: bytes | None) -> None:
    if kind == "that cannot be opened":
        _locked.append(path.absolute())
        return
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    elif kind == "as a folder":
        path.mkdir()
    elif kind == "as a socket":
        with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(path.parent):
            server.bind(path.name)


def ask(reader: str, run: Path, name: str) -> str:
    """Return what was wrong about the answer, or nothing."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            READERS[reader](run)
    except SystemExit as stop:
        return f"exits with {stop.code}" if stop.code else ""
    except Exception as error:
        said = explain(error)
        if UNEXPLAINED in said:
            return said
        return "" if (name in said or str(run) in said) and "\n" not in said else f"does not name it: {said}"
    return ""


def tried(
    pairs: dict[str, str], run: Path, place: Callable[[str], Path], afresh: Callable[[], object], compared: bool = False
) -> Iterator[str]:
    """Yield what went wrong: file, damage, reader and answer.

    Args:
        pairs: the readers of each file.
        run: that they are asked about.
        place: of a file.
        afresh: makes everything whole again.
        compared: whether the run is finished, so that its record has the digests of what is CHECKED.
    """
    for name, readers in pairs.items():
        afresh()
        whole = place(name).read_bytes()
        first = readers.split()[0]
        cases = [
            (kind, content, first if compared and name in CHECKED and kind not in OF_ALL_READERS else readers)
            for kind, content in damages(whole)
        ]
        if name.endswith(EACH_KEY):
            cases += [(*each, first) for each in without_keys(whole)]
        for kind, content, asked in cases:
            for reader in asked.split():
                afresh()
                shutil.rmtree(RESTORED, ignore_errors=True)
                damage(place(name), kind, content)
                try:
                    wrong = ask(reader, run, Path(name).name)
                finally:
                    _locked.clear()
                if wrong:
                    yield f"{name} {kind}, {reader}: {wrong}"
    afresh()


def cut(folder: Path) -> None:
    """Train until there is a resume point in the second epoch."""
    save = resume.ResumePoint._save

    def once_more(self: Any, trainer: Any) -> None:
        save(self, trainer)
        if trainer.current_epoch:
            raise Killed

    resume.ResumePoint._save, resume._LOOK_EVERY = once_more, 1
    with contextlib.suppress(Killed):
        train.main(configured(folder, OFTEN))
    resume.ResumePoint._save = save


def in_run(name: str) -> Path:
    return resume.resume_points(TRIED / "checkpoints")[0] if name == NEWEST else TRIED / name


def copied(source: Path, target: Path) -> Callable[[], object]:
    """Return what makes a folder a copy of another one."""

    def copy() -> None:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, ignore=lambda *_: [".lock"])

    return copy


def put_back(files: dict[Path, bytes]) -> Callable[[], object]:
    """Return what gives files their content again."""

    def put() -> None:
        for path, content in files.items():
            if path.is_dir():
                path.rmdir()
            path.unlink(missing_ok=True)
            path.write_bytes(content)

    return put


def main() -> Iterator[str]:
    """Make everything once, and try all of it."""
    sys.addaudithook(refuse_locked)
    composed_once = functools.cache(params.composed)  # configs/ stays as it is, and takes longest to read
    params.composed = lambda project, overrides=(): copy.deepcopy(composed_once(project, tuple(overrides)))
    apply(check(configured(GOOD, SMALL)).reproducibility)
    for folder in (GOOD, CUT):
        shutil.rmtree(folder, ignore_errors=True)
    train.main(configured(GOOD, SMALL))
    cut(CUT)
    verify.note(verify.Verdict(0, "reproduced bit for bit"), GOOD, clean=False)
    verify.checked_out = not_again
    synced.build_logger = lambda *arguments: Tracker()
    synced.sync(GOOD, ["mlflow"])
    baseline.train = lambda: baseline.Canonical(record.read(GOOD), "accuracy")
    write_json(baseline.BASELINE, baseline.made_from(record.read(GOOD)))
    drift.check(0.005)
    Path("dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    configure.main(Path())
    Path("code.yaml").write_text(params.code_text(Path()))
    processed = Path("data/processed/digits")
    shutil.copytree(processed, "outputs/data")
    wanted = set(sys.argv[1:])

    def chosen(pairs: dict[str, str]) -> dict[str, str]:
        return {name: readers for name, readers in pairs.items() if not wanted or name in wanted}

    yield from tried(chosen(OF_A_RUN), TRIED, in_run, copied(GOOD, TRIED), compared=True)
    yield from tried(chosen(OF_A_CUT_RUN), TRIED, in_run, copied(CUT, TRIED))
    yield from tried(chosen(OF_DATA), GOOD, lambda name: processed / name, copied(Path("outputs/data"), processed))
    files = {Path(name): Path(name).read_bytes() for name in OF_THE_PROJECT}
    yield from tried(chosen(OF_THE_PROJECT), GOOD, Path, put_back(files))


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(sys.stderr):
        found = list(main())
    print(json.dumps(found, indent=1))
