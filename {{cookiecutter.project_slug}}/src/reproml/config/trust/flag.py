"""`--trust`: the user says that the author of the run folder can be trusted."""

import os
from collections.abc import Sequence

FLAG = "--trust"
_GIVEN = "RUN_FOLDER_IS_TRUSTED"  # in the environment, so that processes of the same training know it too


def accept(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command without `--trust`, and remember whether it was among them."""
    if FLAG in arguments:
        os.environ[_GIVEN] = "1"
    return [argument for argument in arguments if argument != FLAG]


def given() -> bool:
    """Whether the command was given `--trust`."""
    return _GIVEN in os.environ
