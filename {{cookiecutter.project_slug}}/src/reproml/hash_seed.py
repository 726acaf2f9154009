"""What has to happen before anything else is imported."""

import os
import sys


def fix_hash_seed(name: str) -> None:
    """Start Python again with a fixed hash seed: without it the order in a set differs from process to process.

    Python reads PYTHONHASHSEED once, when it starts. A value that is set already stays. Under a debugger, which would
    lose the process, and on Windows, where processes cannot be replaced, nothing happens.

    Args:
        name: of the module that asks. Only a program starts again, and not whatever imports it.
    """
    if name == "__main__" and os.name == "posix" and "PYTHONHASHSEED" not in os.environ and sys.gettrace() is None:
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 (the same command again)
