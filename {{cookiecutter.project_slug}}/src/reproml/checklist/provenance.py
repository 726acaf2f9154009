"""The code that made a run, compared with what git holds, regardless of `git status`."""

import shlex
from pathlib import Path

from ..errors import RecordError
from ..names import PATCH
from ..runs.code import deciding_code, deciding_digests, edited
from ..runs.held import first_unlike, unheld
from .facts import Facts
from .fixes import add, commit_and_train, train
from .item import Finding, failed, not_applicable, not_done, passed


def unlike_the_record(facts: Facts) -> Finding | None:
    """Return a failure if the commit and the patch of a run do not give the code that it recorded."""
    if facts.record is None or facts.run is None:
        return None
    code = facts.record["git"]
    patch = facts.project / facts.run / PATCH if code["dirty"] else None
    try:
        name = first_unlike(facts.record["code"], code["commit"], patch, facts.project)
    except RecordError as error:
        return failed(f"the code of {facts.run} cannot be restored: {error}", commit_and_train(facts))
    if name is None:
        return None
    evidence = (
        f"{name} of {facts.run} is not the one in commit {code['commit'][:12]}{' with its patch' if patch else ''}"
    )
    return failed(evidence, commit_and_train(facts))


def edits(facts: Facts) -> str:
    """Return a remark on files that were edited while the run trained, or nothing."""
    names = edited(facts.record) if facts.record else []
    return f"; {', '.join(names)} changed while it trained: verify shows whether that had an effect" if names else ""


def passed_over(facts: Facts) -> Finding | None:
    """Return a failure if the commit lacks a file that decides what runs, even though git sees no change."""
    assert facts.commit is not None
    names = unheld(deciding_digests(facts.project), facts.commit, facts.project)
    if not names:
        return None
    evidence = f"commit {facts.commit[:12]} does not hold the current {names[0]}, and git status does not show that"
    return failed(evidence, _bring_in(facts, names))


def committed(facts: Facts) -> Finding:
    """Examine whether the commit that a release would name holds the code that made the pipeline's model."""
    if facts.record is None or not facts.of_the_pipeline:
        return not_applicable("checked only for the pipeline's run, whose model is released with the commit")
    if facts.commit is None:
        return not_done("nothing is committed yet", commit_and_train(facts))
    code = deciding_code(facts.record["code"])
    name = first_unlike(code, facts.commit, project=facts.project)
    if name is not None:
        evidence = f"{name} in commit {facts.commit[:12]} is not the one that made {facts.run}"
        return failed(evidence, train(facts))
    return passed(f"commit {facts.commit[:12]} holds all {len(code)} files that made {facts.run}")


def _bring_in(facts: Facts, names: list[str]) -> str:
    """Return the command that commits what git skips: in a submodule, ignored, or marked as unchanged."""
    module = next(
        (parent for parent in Path(names[0]).parents[:-1] if (facts.project / parent / ".git").exists()), None
    )
    if module is not None:
        inside = f"git -C {shlex.quote(str(module))}"
        return f"{inside} add --all && {inside} commit --message 'Commit what ran' && {add([str(module)])}"
    # out of the index first: git sees no change in a file of the same size and time, or marked as unchanged
    return f"git update-index --force-remove -- {shlex.join(names)} && {add(names)}"
