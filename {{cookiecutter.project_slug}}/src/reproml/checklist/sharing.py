"""Before sharing: can somebody else set up, understand and run this project?"""

import platform
import re

from ..config.own import name_of
from ..config.schema import OwnConfig
from ..locks.lock import disagreements, pins, python_version, requirements
from ..packages import installed_version
from ..programs import git
from ..runs import params
from ..runs.git import not_committed
from .facts import Facts, section
from .fixes import COMMIT, add, of_run, restore, substitute
from .item import Check, Finding, failed, not_applicable, not_done, passed
from .provenance import passed_over

_LOCKS = ("requirements.txt", "uv.lock", "poetry.lock", "environment.yml")
_PLACEHOLDER = re.compile(r"^.*\*?to be written.*$", re.IGNORECASE | re.MULTILINE)
_SHA256 = re.compile(r"[0-9a-f]{64}")


def _dependencies(facts: Facts) -> Finding:
    listed = [item for group in requirements(facts.pyproject).values() for item in group]
    for item in listed:
        [(name, pinned)] = pins([item]).items()
        if pinned is None:
            there = installed_version(name)
            if there is None:
                return failed(f"pyproject.toml does not pin the version of {item}", restore(facts, "pyproject.toml"))
            new = f"{name}=={there.partition('+')[0]}"
            fix = f"{substitute('pyproject.toml', item, new)} && make lock"
            return failed(f"pyproject.toml does not pin the version of {item}", fix)
    if found := disagreements(facts.project):
        return failed(f"the lock does not agree with pyproject.toml: {'; '.join(found)}", "make lock")
    return passed(f"all {len(listed)} direct dependencies in pyproject.toml are exact, and the lock agrees with them")


def _seeds(facts: Facts) -> Finding:
    mode = facts.config.reproducibility.mode
    if mode == "fast":
        fix = substitute("configs/config.yaml", "- reproducibility: fast", "- reproducibility: strict")
        return failed("configs/ choose reproducibility=fast, which guarantees no bits", fix)
    return passed(f"configs/ give seed={facts.config.seed}, with reproducibility={mode}")


def _python(facts: Facts) -> Finding:
    required = python_version(facts.pyproject)
    if required is None:
        asked = facts.pyproject["project"]["requires-python"]
        now = ".".join(platform.python_version_tuple()[:2])
        return failed(
            f"pyproject.toml does not pin the version of Python: {asked}",
            substitute("pyproject.toml", f'requires-python = "{asked}"', f'requires-python = "=={now}.*"'),
        )

    def told(text: str) -> bool:
        return re.search(rf"\bPython {re.escape(required)}\b", text) is not None

    if not told(facts.text("README.md")):
        return failed(f"README.md does not name Python {required}", restore(facts, "README.md", told))
    return passed(f"pyproject.toml requires Python {required}, and README.md says so")


def _lock(facts: Facts) -> Finding:
    there = [name for name in _LOCKS if (facts.project / name).exists()]
    if not there:
        return failed(f"there is none of {', '.join(_LOCKS)}", "make lock")
    if loose := [name for name in there if facts.unknown_to_git(name)]:
        return failed(f"git does not track {', '.join(loose)}", add(loose))
    return passed(f"{', '.join(there)}, in git")


def _docker(facts: Facts) -> Finding:
    if loose := _loose_images(facts.text("Dockerfile")):
        return failed(
            f"Dockerfile starts from {loose[0]}, whose image changes from week to week",
            restore(facts, "Dockerfile", lambda text: not _loose_images(text)),
        )
    if loose := facts.unknown_to_git("Dockerfile"):
        return failed("git does not track Dockerfile", add(loose))
    return passed(f"Dockerfile starts from {', '.join(_images(facts.text('Dockerfile')))}")


def _images(dockerfile: str) -> list[str]:
    stages = set(re.findall(r"^FROM\s.*\sAS\s+(\S+)", dockerfile, re.MULTILINE | re.IGNORECASE))
    named = re.findall(r"^(?:FROM(?:\s+--\S+)*\s+|ARG\s+BASE=)(\S+)", dockerfile, re.MULTILINE | re.IGNORECASE)
    return [name for name in dict.fromkeys(named) if "$" not in name and name not in stages]


def _loose_images(dockerfile: str) -> list[str]:
    """Return the images without an exact tag or digest; a Dockerfile that names no image is one itself."""
    images = _images(dockerfile)
    exact = re.compile(r"[^@]+(:(?!latest$)[\w.-]+|(:[\w.-]+)?@sha256:[0-9a-f]{64})")
    return [name for name in images if not exact.fullmatch(name)] if images else ["no image"]


def _data_source(facts: Facts) -> Finding:
    def told(text: str) -> bool:
        return len(_PLACEHOLDER.sub("", section(text, "Source")).split()) >= 5

    if not told(facts.text("DATA_CARD.md")):
        fix = restore(facts, "DATA_CARD.md", told)
        return failed("the section Source of DATA_CARD.md is missing or still to be written", fix)
    if isinstance(facts.config, OwnConfig):
        return passed("DATA_CARD.md, Source")
    data = facts.config.data
    return passed(f"DATA_CARD.md, Source; configs/ name the source of {data.name}: {data.source}")


def _data_access(facts: Facts) -> Finding:
    if isinstance(facts.config, OwnConfig):
        return not_applicable(f"{name_of(facts.config)} reads its data by itself: describe in README.md how")
    data = facts.config.data
    facts.text("prepare.py")
    if unknown := facts.unknown_to_git("prepare.py"):
        return failed("git does not track prepare.py", add(unknown))
    if loose := [name for name, digest in data.files.items() if not _SHA256.fullmatch(str(digest))]:
        return failed(f"configs/ name no SHA-256 of {loose[0]}", restore(facts, "configs"))
    public = "://" in data.source or data.source == "sklearn"
    if not public and facts.kept_data is None:
        evidence = f"the source of {data.name} is the folder {data.source}, which others lack and DVC does not keep"
        return failed(evidence, f"dvc repro prepare && dvc push && {COMMIT}")
    return passed(f"prepare.py fetches {', '.join(data.files)} from {data.source} and checks each by SHA-256")


def _readme(facts: Facts) -> Finding:
    if complaint := _unclear(facts, facts.text("README.md")):
        return failed(f"README.md {complaint}", restore(facts, "README.md", lambda text: not _unclear(facts, text)))
    return passed("README.md has Installation and Usage, and every script and make target that it names exists")


def _unclear(facts: Facts, text: str) -> str:
    blocks = re.findall(r"^```(?:bash|sh)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for title in ("Installation", "Usage"):
        if "```" not in section(text, title):
            return f"has no commands under a heading {title}"
    commands = re.sub(r"#.*", "", "".join(blocks))
    for verb in re.findall(r"(?:^|&& )make ([a-z-]+)", commands, re.MULTILINE):
        if verb not in facts.verbs:
            return f"says make {verb}, which is not a target of the Makefile"
    for script in re.findall(r"\bpython (\w+\.py)", commands):
        if not (facts.project / script).exists():
            return f"says python {script}, which is not there"
    return ""


def _clean(facts: Facts) -> Finding:
    found = facts.verification
    if found is None or not found["clean"] or found["code"]:
        said = "no verification of this run in a fresh environment" if facts.run else "no run yet"
        told = failed if found is not None and found["clean"] else not_done
        return told(said, of_run(facts, "verify", "--clean"))
    return passed(f"{found['ended']}, in a fresh environment: {found['line']}")


def _hardware(facts: Facts) -> Finding:
    def told(text: str) -> bool:
        needs = section(text, "Requirements", "Hardware")
        memory = re.search(r"\d+\s*[GM]i?B\b[^\n]*(memory|RAM)|(memory|RAM)[^\n]*\d+\s*[GM]i?B\b", needs)
        return memory is not None and "GPU" in needs

    if not told(facts.text("README.md")):
        fix = restore(facts, "README.md", told)
        return failed("the section Requirements of README.md does not mention memory (in GB) and GPU", fix)
    return passed("README.md, Requirements, covers memory and GPU")


def _configuration(facts: Facts) -> Finding:
    settings = facts.settings
    if loose := facts.unknown_to_git("configs"):
        return failed(f"git does not track {', '.join(loose)}", add(loose))
    content = facts.text(params.PARAMS)
    if other := params.told(params.values(content), settings):
        if params.of_configs(content) or facts.record is None:  # configs/ were edited after it
            return failed(f"params.yaml holds {other}, which configs/ no longer give", "python configure.py")
        evidence = f"params.yaml holds {other}, probably from an experiment; python configure.py would discard that"
        return failed(evidence, f"python -m reproml keep && {COMMIT}")
    count = len(list((facts.project / "configs").rglob("*.yaml")))
    return passed(f"{count} files in configs/, which compose to a valid configuration and to params.yaml")


def _git(facts: Facts) -> Finding:
    if git(facts.project, "rev-parse", "--git-dir") is None:
        return not_done("there is no git repository", f"git init --initial-branch main && {COMMIT}")
    if facts.commit is None:
        return failed("nothing is committed yet", COMMIT)
    changed = (git(facts.project, "status", "--porcelain", "--", ".") or "").splitlines()
    if changed:
        return failed(not_committed(changed), COMMIT)
    if hidden := passed_over(facts):
        return hidden
    remotes = (git(facts.project, "remote") or "").split()
    shared = f"remote: {', '.join(remotes)}" if remotes else "no remote yet"
    return passed(f"commit {facts.commit[:12]}, and nothing differs from it; {shared}")


_SECTION = "before sharing"
CHECKS = (
    Check(_SECTION, "dependencies are pinned", _dependencies),
    Check(_SECTION, "random seeds are set", _seeds),
    Check(_SECTION, "the Python version is documented", _python),
    Check(_SECTION, "the lock of the environment is included", _lock),
    Check(_SECTION, "there is a Dockerfile", _docker, required=False),
    Check(_SECTION, "the source of the data is documented", _data_source),
    Check(_SECTION, "others can get the data", _data_access),
    Check(_SECTION, "the README says how to set up and run", _readme),
    Check(_SECTION, "it works in a clean environment", _clean, required=False),
    Check(_SECTION, "hardware requirements are documented", _hardware),
    Check(_SECTION, "the configuration is included", _configuration),
    Check(_SECTION, "the code is under version control", _git),
)
