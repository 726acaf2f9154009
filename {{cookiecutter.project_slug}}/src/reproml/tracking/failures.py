"""What went wrong with a tracker: it did not answer, or something else failed and is named for what it is."""

from textwrap import shorten

from hydra.errors import InstantiationException

from ..errors import UserError
from ..secrets import mask

_LONGEST = 150  # characters of an error
# Packages of the trackers, and those that carry data to them. An error from anywhere else is not theirs.
_OF_A_TRACKER = {
    *("mlflow", "wandb", "tensorboard", "requests", "urllib", "urllib3", "http", "httpx", "httpcore", "aiohttp"),
    *("socket", "ssl", "grpc", "sqlalchemy", "sqlite3", "botocore", "boto3", "google", "azure", "filelock"),
}


def is_of_tracker(error: BaseException) -> bool:
    """Whether a tracker or the connection to it failed, and not a file or the code that sends it."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, UserError):
        if isinstance(seen, ConnectionError | TimeoutError) or type(seen).__module__.partition(".")[0] in _OF_A_TRACKER:
            return True
        seen = seen.__cause__
    return False


def cause(error: BaseException) -> BaseException:
    """Return what a class raised that Hydra was building, or the error itself."""
    return (error.__cause__ if isinstance(error, InstantiationException) else None) or error


def named(error: BaseException) -> str:
    """Return an error in one line without secrets: a short one, with its type, unless it was written for people."""
    error = cause(error)
    if isinstance(error, UserError):
        return mask(str(error))
    return shorten(f"{type(error).__name__}: {mask(str(error))}", _LONGEST)
