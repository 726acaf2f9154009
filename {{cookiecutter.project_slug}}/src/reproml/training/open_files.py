"""How many files a process may have open: data workers hand batches over in files, and without any left they hang."""

from ..errors import ConfigError

try:
    import resource
except ImportError:  # Windows, which has no such limit
    resource = None  # type: ignore[assignment]

_ITSELF = 32  # of a training: libraries, logs, locks
_OF_A_WORKER = 8  # its pipes, and the batches that it has ready


def allow_workers(number: int) -> None:
    """Raise this process's own limit as far as it may, and refuse more data workers than the limit has files for.

    Raises:
        ConfigError: the system allows fewer files.
    """
    if resource is None or not number:
        return
    needed = _ITSELF + _OF_A_WORKER * number
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ConfigError(
            f"this process may have {hard} files open at once, and {number} data workers need {needed}: allow more, as "
            "with ulimit -n 1024, or use fewer workers, as with data.num_workers=0"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
