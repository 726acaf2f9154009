"""What the benchmarks print alike: the machine, and a table whose columns are growing counts."""

import os
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path


def machine() -> str:
    """Return the number of cores and the name of the processor."""
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return f"{os.cpu_count()} x {cpu[1] if cpu else platform.machine()}"


def print_by_count(title: str, counts: Sequence[int], rows: Mapping[str, Sequence[str]]) -> None:
    """Print a table in Markdown with a column for each count."""
    print(f"| {title} | {' | '.join(f'{count:,}' for count in counts)} |")
    print(f"|---|{'---|' * len(counts)}")
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(cells)} |")
