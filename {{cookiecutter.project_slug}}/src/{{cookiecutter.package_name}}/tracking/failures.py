"""What went wrong with a tracker: it did not answer, or something else failed, which is then named as what it is."""

from textwrap import shorten

from ..errors import UserError
from ..secrets import mask

_LONGEST = 150  # characters of an error
# Packages of the trackers, and those that carry to them what they are sent. An error of another origin is not theirs.
_OF_A_TRACKER = {
    *("mlflow", "wandb", "tensorboard", "requests", "urllib", "urllib3", "http", "httpx", "httpcore", "aiohttp"),
    *("socket", "ssl", "grpc", "sqlalchemy", "sqlite3", "botocore", "boto3", "google", "azure", "filelock"),
}


def is_of_tracker(error: BaseException) -> bool:
    """Whether a tracker, or the way to it, has failed, and not a file or the code that is to send it."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, UserError):
        if isinstance(seen, ConnectionError | TimeoutError) or type(seen).__module__.partition(".")[0] in _OF_A_TRACKER:
            return True
        seen = seen.__cause__
    return False


def named(error: BaseException) -> str:
    """Return an error in one short line without secrets, with its type where it is no sentence for a person."""
    text = mask(str(error)) if isinstance(error, UserError) else f"{type(error).__name__}: {mask(str(error))}"
    return shorten(text, _LONGEST)
