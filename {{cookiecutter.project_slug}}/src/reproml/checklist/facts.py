"""What the checks read: the files of a project, its configuration, git, and the record of one run."""

import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ..config.check import check
from ..config.explain import explain
from ..config.schema import Config
from ..errors import UserError
from ..names import PIPELINE
from ..programs import git
from ..runs import params
from ..verify.verify import noted


class UnreadableError(UserError):
    """A file of the project is missing or damaged.

    Args:
        path: relative to the project.
        reason: what is wrong with it.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} {reason}")
        self.path = path


_PYPROJECT = "pyproject.toml"
# What is read of it, here and by what uses these facts.
_KEYS = {"name": str, "version": str, "description": str, "license": str, "authors": list, "dependencies": list}


@dataclass(frozen=True)
class Facts:
    """A project, and a finished run in it.

    Args:
        project: folder of the project.
        run: folder of the run, relative to the project; None: there is none yet.
        record: the run's record, None where there is no run.
    """

    project: Path
    run: Path | None
    record: dict[str, Any] | None

    def text(self, path: str) -> str:
        """Return the text of a file of the project.

        Raises:
            UnreadableError: it is missing, or no text.
        """
        try:
            return (self.project / path).read_text(encoding="utf-8")
        except OSError as error:
            raise UnreadableError(path, "is missing or cannot be read") from error
        except UnicodeDecodeError as error:
            raise UnreadableError(path, "is not a text in UTF-8") from error

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        """The content of pyproject.toml."""
        text = self.text(_PYPROJECT)
        try:
            found = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UnreadableError(_PYPROJECT, f"is not valid TOML: {error}") from error
        project = found.get("project")
        for key, kind in _KEYS.items():
            if not isinstance(project, dict) or not isinstance(project.get(key), kind) or project[key] == []:
                raise UnreadableError(_PYPROJECT, f"has no project.{key}")
        return found

    @cached_property
    def settings(self) -> DictConfig:
        """The composed configuration of the pipeline: what params.yaml should hold."""
        self.config  # noqa: B018 (refuses what is not valid)
        return self._composed

    @cached_property
    def config(self) -> Config:
        """The configuration of the pipeline as configs/ composes it, checked."""
        try:
            return check(self._composed)
        except Exception as error:
            reason = explain(error).replace(f"{self.project.resolve()}/", "")  # no path of this machine in a report
            raise UnreadableError("configs", f"does not give a configuration: {reason}") from error

    @cached_property
    def _composed(self) -> Any:
        return params.composed(self.project)

    @cached_property
    def outputs(self) -> dict[str, str]:
        """MD5 of what DVC keeps, by path relative to the project, as dvc.lock says."""
        return {out["path"]: out["md5"] for stage in self._stages.values() for out in stage["outs"]}

    @cached_property
    def _stages(self) -> dict[str, Any]:
        """The outputs of the stages that have run, and the digest of what `prepare` does, as dvc.lock says."""
        path = self.project / "dvc.lock"
        try:
            lock = params.read_lock(path) if path.exists() else {"stages": {}}
            return {
                name: {
                    "outs": [{"path": out["path"], "md5": out["md5"]} for out in stage.get("outs", [])],
                    "prepared": dict(stage.get("params", {}).get(params.CODE, {})).get("prepare"),
                }
                for name, stage in lock["stages"].items()
            }
        except Exception as error:
            raise UnreadableError("dvc.lock", "is damaged") from error

    @property
    def kept_data(self) -> str | None:
        """The folder of raw data that DVC keeps, if it is that of the configured data."""
        raw, data = self.config.paths.raw, params.plain(self.settings)["data"]
        kept = raw in self.outputs and self._stages.get("prepare", {}).get("prepared") == params.preparation(data)
        return raw if kept else None

    @property
    def verification(self) -> dict[str, Any] | None:
        """What the last verification of the run said; None where there is no run, or it was never verified."""
        return None if self.run is None else noted(self.project / self.run)

    @property
    def of_the_pipeline(self) -> bool:
        """Whether the run is that of `dvc repro`, and not one by hand."""
        return self.record is not None and self.record["command"]["config"] == PIPELINE

    @cached_property
    def verbs(self) -> set[str]:
        """What `make` can be asked for."""
        files = sorted(path.name for path in [self.project / "Makefile", *self.project.glob("*.mk")])
        targets = re.findall(r"^([a-z][a-z -]*):(?!=)", "\n".join(self.text(name) for name in files), re.MULTILINE)
        return {verb for target in targets for verb in target.split()}

    @cached_property
    def commit(self) -> str | None:
        """The commit that is checked out; None without git, a repository or a commit."""
        return git(self.project, "rev-parse", "--verify", "--quiet", "HEAD")

    def unknown_to_git(self, path: str) -> list[str]:
        """Return the files in a folder, or that file, which git does not track.

        Nothing where there is no repository: another item says that.
        """
        listed = git(self.project, "ls-files", "--others", "--", path) or ""
        return [name for name in listed.splitlines() if "__pycache__" not in name]


def section(markdown: str, *titles: str) -> str:
    """Return the text below the first heading that begins with one of the titles, with the parts below it."""
    head = re.search(rf"^(#+) +(?:{'|'.join(titles)})\b.*$", markdown, re.MULTILINE | re.IGNORECASE)
    if head is None:
        return ""
    rest = markdown[head.end() :]
    others = re.finditer(r"^(#+) ", rest, re.MULTILINE)
    end = next((other.start() for other in others if len(other[1]) <= len(head[1])), len(rest))
    return rest[:end]
