"""A release: the model of the pipeline gets a version, with the code, data, record and metrics that belong to it."""

from pathlib import Path

from ..checklist import examine
from ..checklist.item import FAIL
from ..errors import RecordError
from ..names import MODELS
from ..programs import dvc, git
from ..runs.completed import CompletedRun
from ..runs.digest_cache import reading_everything
from ..runs.git import not_committed
from . import tags
from .suggestion import suggest
from .version import ReleaseError, Version, model_name, model_tag

# What git keeps of a version; DVC keeps the outputs that dvc.lock names: model, record, step trace, data.
_COMMITTED = ("dvc.lock", "params.yaml", "models/metrics.csv", "reports/metrics.json")


@reading_everything()
def release(project: Path, version: Version) -> list[str]:
    """Release the model of the pipeline under a version, and return the lines that say what was done.

    Everything that belongs to it is pushed to DVC's remote first. The tags come last and together, so a failure leaves
    no version behind. If an interrupted release of this commit left only one of them, the other is added.

    Raises:
        ReleaseError: the version exists, something is not committed or not up to date, or a required item of the
            checklist fails.
        ProgramError: DVC cannot store it.
    """
    both = [f"v{version}", model_tag(project, version)]
    _refuse_changes(project)
    wanted = tags.missing(project, both, lambda: _message(project, version))
    if dvc(project, "status", "--json").strip() not in ("", "{}"):
        raise ReleaseError("the pipeline is not up to date: dvc repro, commit, verify")
    _refuse_failing(project)
    try:
        advice = f"the comparison suggests {suggest(project, MODELS, below=version)}"
    except (ReleaseError, RecordError) as error:
        advice = f"no comparison: {error}"
    dvc(project, "push")
    message = _message(project, version)
    tags.write(project, wanted, message)
    lines = [message, f"tags: {', '.join(both)}", advice]
    if wanted != both:
        lines.append(f"an earlier release was interrupted before it wrote {wanted[0]}: it is complete now")
    if (git(project, "remote") or "").split():
        lines.append(f"share it: git push {(git(project, 'remote') or '').split()[0]} HEAD {' '.join(both)}")
    return [*lines, f"stage it: gto assign {model_name(project)} --version v{version} --stage production"]


def _refuse_changes(project: Path) -> None:
    changed = git(project, "status", "--porcelain", "--", ".")
    if changed is None or git(project, "rev-parse", "--verify", "HEAD") is None:
        raise ReleaseError("there is no commit yet: commit the project first")
    if changed:
        lines = changed.splitlines()
        raise ReleaseError(f"{not_committed(lines)}: commit {'it' if len(lines) == 1 else 'them'} first")
    for path in _COMMITTED:
        if git(project, "ls-files", "--error-unmatch", "--", path) is None:
            raise ReleaseError(
                f"{path} belongs to the version, but is not in git: dvc repro, and git add --force {path}"
            )


def _refuse_failing(project: Path) -> None:
    items = examine(project, MODELS)
    if failing := [item.name for item in items if item.required and item.status == FAIL]:
        raise ReleaseError(
            f"required items of the checklist fail ({'; '.join(failing)}): "
            f"python -m reproml check {MODELS} says how to fix each"
        )


def _message(project: Path, version: Version) -> str:
    found = CompletedRun.read(project / MODELS).record  # the checklist has compared its files
    metrics = ", ".join(f"{name} {value:.6g}" for name, value in found["metrics"].items() if isinstance(value, float))
    return f"Model {version}: {metrics}, weights {found['weights_sha256'][:12]}"
