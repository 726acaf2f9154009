"""Lets cookiecutter refuse answers in sentences, right after they are given."""

import runpy
from pathlib import Path

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension

_CHECK = Path(__file__).with_name("hooks") / "pre_gen_project.py"


class Answers(Extension):
    """The filter `refused`, which `__refused` in cookiecutter.json applies to the answers."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters["refused"] = _refused


def _refused(answers: dict[str, str]) -> str:
    """Return an empty string.

    Raises:
        FailedHookException: a sentence for each wrong answer; cookiecutter prints it without a traceback.
    """
    problems = runpy.run_path(str(_CHECK))["problems"](answers)
    if problems:
        raise FailedHookException("\n".join(f"error: {problem}" for problem in problems))
    return ""
