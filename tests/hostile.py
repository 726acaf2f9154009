"""Reads a record after replacing each of its fields with what no training writes. Run in a project, with its Python.

The one argument is a run folder. Prints how many values were tried and how many were refused. Fails if a reader raises
anything but an error for people, or starts to train with such a value outside.
"""

import copy
import json
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from omegaconf import OmegaConf
from reproml.checklist.before import CHECKS
from reproml.checklist.facts import Facts
from reproml.checklist.fixes import train
from reproml.errors import UserError
from reproml.report.collect import collect
from reproml.report.render import report
from reproml.runs import record, schema
from reproml.runs.command import command_arguments
from reproml.verify import rerun
from reproml.verify.verify import verify

OUTSIDE = Path("../canary").resolve()  # its files must stay as they are
VALUES: list[Any] = [
    str(OUTSIDE),
    "../../../canary",
    f"--output={OUTSIDE}/file",
    "-x",
    "a\nb",
    "a\0b",
    "\x1b[2J",
    "\ud800",
    "",
    "a" * 5000,
    "<script>alert(1)</script>|`*_[x](y)",
    "os.system",
    "${oc.env:HOME}",
    None,
    True,
    -1,
    10**400,
    1e308,
    [],
    {},
    ["--output=x"],
    {"_target_": "os.system"},
]
[in_git] = [check for check in CHECKS if check.name == "the code of the run is in git"]
# What reaches a command line or a path: a verification is started with each of these values too.
DEEP = ("git.folder", "git.branch", "command.config", "command.overrides.0", "config.paths.run", "config.paths.raw")
DEEP += ("config.data.source", "data.name", "restored.run", "restored.file")


def shortened(value: Any) -> Any:
    """Return a record with at most two entries where many have the same form."""
    if isinstance(value, dict):
        kept = dict(list(value.items())[:2]) if len(value) > 40 else value
        return {key: shortened(item) for key, item in kept.items()}
    return [shortened(item) for item in value[:2]] if isinstance(value, list) else value


def fields(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every field, groups included."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from fields(value[key], (*path, key))


def get(value: Any, path: tuple[Any, ...]) -> Any:
    """Return the field in a place, or None if it no longer exists."""
    for key in path:
        try:
            value = value[key]
        except (LookupError, TypeError):
            return None
    return value


def replaced(value: Any, path: tuple[Any, ...], new: Any, as_key: bool) -> Any:
    """Return a record with another value, or key, in a place; the rest is shared with the given one."""
    if not path:
        return new
    changed, (key, *rest) = copy.copy(value), path
    if as_key and not rest:
        changed[new] = changed.pop(key)
    else:
        changed[key] = replaced(value[key], tuple(rest), new, as_key)
    return changed


def cases(good: dict[str, Any]) -> Iterator[tuple[tuple[Any, ...], Any, dict[str, Any]]]:
    for path in fields(good):
        for value in VALUES:
            yield path, value, replaced(good, path, value, as_key=False)
            if isinstance(value, str) and isinstance(path[-1], str):
                yield path, value, replaced(good, path, value, as_key=True)


def refuses(read: Any, *arguments: Any) -> bool:
    """Whether a reader refuses in one sentence. Any other error is raised."""
    try:
        read(*arguments)
    except UserError as error:
        assert str(error).isprintable(), repr(str(error))
        return True
    return False


def outside() -> dict[Path, bytes | None]:
    """Return what lies in the folder that nothing may touch."""
    return {path: path.read_bytes() if path.is_file() else None for path in OUTSIDE.rglob("*")}


def started(*arguments: Any, **more: Any) -> Any:
    """Stand for the training that a verification starts."""
    raise UserError("the training is not started here")


def shown(folder: Path) -> None:
    """Show all of a record to people."""
    found = record.read_finished(folder)
    facts = collect(folder, alone=False)
    assert "<script" not in report(facts, "report.html")
    markdown = re.sub(r"^(```+)\n.*?\n\1$", "", report(facts, "report.md"), flags=re.MULTILINE | re.DOTALL)
    assert "<script" not in markdown
    assert "[x](y)" not in markdown
    assert [line for line in markdown.splitlines() if line.startswith("| reproducibility level |")]
    train(Facts(Path(), folder, found))
    record.inputs(found)
    command_arguments(found, "outputs/again")


def used(folder: Path) -> None:
    """Pass a record to git, and start to repeat the run."""
    in_git.find(Facts(Path(), folder, record.read_finished(folder)))
    refuses(verify, folder)


def main(folder: Path) -> None:
    text = (folder / "run.json").read_text()
    oracle = Draft202012Validator(json.loads(Path(schema.__file__).with_name("run.schema.json").read_text()))
    good = shortened(json.loads(text))
    good["environment"]["packages"]["torch"] = "2"
    good["restored"] = {"mode": "finetune", "run": "outputs/x", "file": "model", "sha256": "0" * 64, "skip": []}
    assert schema.problem(good) is None
    before = outside()
    assert before
    rerun.subprocess = type("Programs", (), {"run": staticmethod(started)})
    failed = []

    def tried(read: Any, value: Any, hostile: dict[str, Any]) -> bool:
        (folder / "run.json").write_text(json.dumps(hostile))
        (folder / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(hostile["config"])))  # it has to fit
        try:
            done = not refuses(read, folder)
            assert outside() == before, "something outside was changed"
            return done
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            failed.append(f"{value!r:.60}: {error!r:.200} in {Path(place.filename).name}:{place.lineno}")
            return False

    accepted, number = [], 0
    for path, value, hostile in cases(good):
        number += 1
        if schema.problem(hostile) is None:
            assert oracle.is_valid(hostile), (path, value)  # at least as strict as the library
            accepted.append((path, value, hostile))
    read = 0
    for value in VALUES:  # in all places at once, where it is allowed
        everywhere = good
        for path, one, hostile in accepted:
            if one is value and not isinstance(get(good, path), dict | list) and get(hostile, path) is value:
                everywhere = replaced(everywhere, path, value, as_key=False)
        read += tried(shown, value, everywhere)
    begun = 0
    for path, value, hostile in accepted:
        if ".".join(map(str, path)) in DEEP:
            begun += tried(used, (path, value), hostile)
    (folder / "run.json").write_text(text)
    print(json.dumps({"tried": number, "accepted": len(accepted), "read": read, "begun": begun}))
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
