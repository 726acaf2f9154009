"""Before experiments: what the run depends on. Without a run, what the next one would depend on."""

import platform
import shlex
from pathlib import Path

from ..config.own import is_own
from ..config.schema import OwnConfig
from ..locks.lock import normal, pins, python_version
from ..names import PATCH, RECORD
from ..packages import installed_version
from ..programs import git
from ..runs.named import changed, recorded_files
from ..runs.source import has_patch
from .facts import Facts
from .fixes import COMMIT, add, commit_and_train, recover, substitute, train
from .item import Check, Finding, failed, not_applicable, not_done, passed
from .provenance import edits, unlike_the_record

_DERIVED = ("weights", "split", "subset")


def _seeds(facts: Facts) -> Finding:
    if facts.record is None:
        mode, seed = facts.config.reproducibility.mode, facts.config.seed
        if mode == "fast":
            fix = substitute("configs/config.yaml", "- reproducibility: fast", "- reproducibility: strict")
            return failed("the next run would guarantee no bits: reproducibility=fast", fix)
        return passed(f"the next run derives every random choice from seed={seed}")
    seeds, level = facts.record["seeds"], facts.record["reproducibility"]["level"]
    if missing := [name for name in ("seed", *_DERIVED) if name not in seeds]:
        return failed(f"the record of {facts.run} names no seed for {', '.join(missing)}", recover(facts, RECORD))
    if level == "fast":
        evidence = f"{facts.run} was made with reproducibility=fast, which guarantees no bits"
        return failed(evidence, recover(facts, RECORD, "reproducibility=strict"))
    guaranteed = facts.record["reproducibility"]["text"]
    return passed(f"seed {seeds['seed']}, and {len(seeds) - 1} derived from it; {level}: {guaranteed}")


def _versions(facts: Facts) -> Finding:
    pinned = pins(facts.pyproject["project"]["dependencies"])
    if facts.record is None:
        # only these: to read what all packages say of themselves takes a second
        installed = {name: there for name in pinned if (there := installed_version(name))}
        place, fix = "the environment", "make setup"
    else:
        installed = {normal(name): version for name, version in facts.record["environment"]["packages"].items()}
        place, fix = f"the environment of {facts.run}", f"make setup && {train(facts)}"
    for name, wanted in pinned.items():
        there = installed.get(name, "no").partition("+")[0]
        if wanted is not None and there != wanted:
            return failed(f"{place} held {there} {name}, and pyproject.toml pins {wanted}", fix)
    locks = facts.record["locks"] if facts.record else {}
    recorded = "".join(f"; {name} {digest[:12]}" for name, digest in locks.items())
    return passed(f"{place} holds the {len(pinned)} packages at the versions that pyproject.toml pins{recorded}")


def _python(facts: Facts) -> Finding:
    required = python_version(facts.pyproject)
    used = facts.record["environment"]["python"] if facts.record else platform.python_version()
    if required is not None and not used.startswith(f"{required}."):
        fix = f"make setup && {train(facts)}" if facts.record else "make setup"
        return failed(f"Python {used} was used, and pyproject.toml requires {required}", fix)
    return passed(f"Python {used}")


def _code(facts: Facts) -> Finding:
    if facts.record is None:
        if facts.commit is None:
            return not_done(
                "a run could not name the commit of its code", f"git init --initial-branch main && {COMMIT}"
            )
        return passed(f"the next run would start from commit {facts.commit[:12]}")
    code = facts.record["git"]
    if code is None:
        return not_done(f"no commit names the code of {facts.run}", commit_and_train(facts))
    commit = code["commit"]
    if git(facts.project, "rev-list", "--max-count=1", "--end-of-options", commit, "--") is None:
        return failed(f"the commit {commit[:12]} of {facts.run} is not in this repository", "git fetch --all --tags")
    if code["left_out"]:
        evidence = f"{code['left_out'][0]['path']}, which {facts.run} may have used, is neither committed nor recorded"
        return failed(evidence, commit_and_train(facts))
    patch = facts.project / (facts.run or "") / PATCH
    if not has_patch(code, patch):
        return failed(f"{patch} is not the one in the record", recover(facts, patch.name))
    if unlike := unlike_the_record(facts):
        return unlike
    changes = ", and changes.patch leads from it to the code that ran" if code["dirty"] else ""
    return passed(f"{facts.run} was made at commit {commit[:12]}{changes}{edits(facts)}")


def _data(facts: Facts) -> Finding:
    if is_own(facts.record["config"] if facts.record else vars(facts.config)):
        return _loose_input(facts) or _own_data(facts)
    chosen = None if isinstance(facts.config, OwnConfig) else facts.config.data.name
    name = facts.record["data"]["name"] if facts.record else chosen
    raw = facts.kept_data
    if raw is None or name != chosen:
        choose = ""
        if name != chosen:
            line = f"  - data: {chosen}"
            choose = f"{substitute('configs/config.yaml', line, f'  - data: {name}')} && "
        return not_done(f"DVC does not track the raw data of {name}", f"{choose}dvc repro prepare && {COMMIT}")
    if loose := facts.unknown_to_git("dvc.lock"):
        return failed("git does not track dvc.lock, which names the data", add(loose))
    if facts.record and name == chosen and facts.record["data"]["raw"] != facts.config.data.files:
        return failed(f"configs/ name other files of {name} than {facts.run} was trained on", train(facts))
    if out_of_reach := _loose_input(facts):
        return out_of_reach
    return passed(f"dvc.lock names {raw} by MD5 {facts.outputs[raw]}, and the record each raw file by SHA-256")


def _loose_input(facts: Facts) -> Finding | None:
    """Return the failure where nobody else could get an input that is not among the data."""
    for name, path in (facts.record["config"].get("inputs", {}) if facts.record else facts.config.inputs).items():
        place = f"data/external/{name}"
        if not (facts.project / path).absolute().is_relative_to(facts.project.absolute()) or ".." in Path(path).parts:
            evidence = f"the input {name} is outside of the project: put it there and set inputs.{name}={place}"
            return failed(evidence, f"cp -RL {shlex.quote(path)} {place} && dvc add {place} && {COMMIT}")
        kept, here = shlex.quote(path), facts.project / path
        files = [f"{part.as_posix()}.dvc" for part in (Path(path), *Path(path).parents)]
        followed = git(facts.project, "ls-files", "--", *files, *([] if here.is_symlink() else [path]))
        if path in facts.outputs or followed:
            continue
        if here.is_symlink():  # of which git keeps the address alone
            evidence = f"{path}, the input {name}, is a link, and others do not have its target"
            part = shlex.quote(f"{path}.part")
            copied = f"cp -RL {kept} {part} && rm {kept} && mv {part} {kept}"
            return failed(evidence, f"{copied} && dvc add {kept} && {COMMIT}")
        return failed(f"neither git nor DVC keeps {path}, the input {name}", f"dvc add {kept} && {COMMIT}")
    return None


def _own_data(facts: Facts) -> Finding:
    """Return what is known of data that a class of the user's own reads."""
    files = recorded_files(facts.record["data"], facts.record["config"]) if facts.record else {}
    if facts.record is None or not files:
        return not_applicable("a class of the project reads the data, and none of its arguments names a file")
    project = facts.project.resolve()
    inside = {name: digest for name, digest in files.items() if (project / name).resolve().is_relative_to(project)}
    if name := changed(inside, facts.project):
        return failed(f"{name} is missing or not what {facts.run} was trained on", train(facts))
    outside = [name for name in files if name not in inside]  # somebody else's record could name anything there
    unread = f"; {', '.join(outside)}, outside of the project, was not checked" if outside else ""
    return passed(f"the record has the SHA-256 of {', '.join(files)}, and they are unchanged{unread}")


def _hardware(facts: Facts) -> Finding:
    if facts.record is None:
        return not_applicable("no run yet; each records processor, GPU, driver and CUDA by itself")
    cpu, gpu = facts.record["environment"]["cpu"], facts.record["environment"].get("gpu")
    on_gpu = facts.record["config"]["trainer"].get("accelerator") in ("gpu", "cuda")
    if not (cpu.get("model") or cpu.get("machine")) or (on_gpu and gpu is None):
        what = "the GPU" if on_gpu else "the processor"
        return failed(f"the record of {facts.run} does not name {what} that it was made on", recover(facts, RECORD))
    cards = f"{', '.join(gpu['devices'])}, CUDA {gpu['cuda']}, driver {gpu['driver']}" if gpu else "no GPU"
    return passed(f"{cpu.get('model') or cpu['machine']}; {cards}")


_SECTION = "before experiments"
CHECKS = (
    Check(_SECTION, "every random choice has a seed", _seeds),
    Check(_SECTION, "the pinned versions are installed", _versions),
    Check(_SECTION, "Python is the documented one", _python),
    Check(_SECTION, "the code of the run is in git", _code),
    Check(_SECTION, "the data is versioned by DVC", _data),
    Check(_SECTION, "the hardware is recorded", _hardware),
)
