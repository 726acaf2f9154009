"""Record a terminal: run commands in a generated project, and draw their output as an animated SVG.

`python scripts/record_terminal.py PROJECT PICTURE.svg COMMAND...` runs each command in a shell in the project's folder,
with the project's environment first on the path. Each line appears when it was printed, with waits cut to two seconds.
A progress bar is drawn in its last state. For readers who prefer no motion, all lines appear at once.
"""

import os
import pty
import re
import select
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS, ROWS = 100, 40
LONGEST_WAIT = 2.0  # seconds
STYLE = """
    @media (prefers-reduced-motion: no-preference) {{
        .line {{ opacity: 0; animation: appear 0.01s forwards; }}
        @keyframes appear {{ to {{ opacity: 1; }} }}
        {delays}
    }}
"""


def recorded(command: str, project: Path) -> list[tuple[float, str]]:
    """Run a command in its own terminal; return each line with the second at which it was complete."""
    size = {"COLUMNS": str(COLUMNS), "LINES": str(ROWS), "TERM": "xterm-256color"}
    path = f"{(project / '.venv' / 'bin').resolve()}{os.pathsep}{os.environ['PATH']}"
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=project,
        env={**os.environ, **size, "PATH": path},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        close_fds=True,
    )
    os.close(terminal)
    started, waiting, lines = time.monotonic(), "", list[tuple[float, str]]()
    while select.select([master], [], [], None)[0]:
        try:
            read = os.read(master, 65_536)
        except OSError:  # Linux raises it when the other end is closed
            read = b""
        if not read:
            break
        *complete, waiting = (waiting + read.decode(errors="replace")).split("\n")
        lines += [(time.monotonic() - started, line) for line in complete]
    os.close(master)
    if process.wait():
        raise SystemExit(f"error: {command} failed: {lines[-1][1] if lines else 'no output'}")
    return [(at, line.rstrip("\r").rpartition("\r")[2]) for at, line in lines]


def draw(shown: list[tuple[float, Text]], picture: Path, title: str) -> None:
    """Write lines as SVG, each with the seconds after which it appears."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    for _, text in shown:
        console.print(text, no_wrap=True, overflow="ellipsis", crop=True)
    svg = console.export_svg(title=title)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # from other sites; any monospace font will do
    svg = re.sub(r'<text (?=[^>]*clip-path="url\(#[^)]*-line-(\d+)\)")', r'<text data-line="\1" ', svg)
    # rich's own class keeps the color; another one names the line
    svg = re.sub(r'<text data-line="(\d+)" class="([^"]+)"', r'<text class="\2 line line\1"', svg)
    delays = "\n        ".join(
        f".line{number} {{ animation-delay: {at:.2f}s; }}" for number, (at, _) in enumerate(shown)
    )
    svg = svg.replace("</style>", f"{STYLE.format(delays=delays)}</style>", 1)
    picture.write_text(svg, encoding="utf-8")


def main() -> None:
    """Record the commands one after another."""
    if len(sys.argv) < 4:
        raise SystemExit(f"usage: {sys.argv[0]} PROJECT PICTURE.svg COMMAND...")
    project, picture, *commands = sys.argv[1:]
    shown, now = list[tuple[float, Text]](), 0.5
    for command in commands:
        shown.append((now, Text.assemble(("$ ", "bold green"), (command, "bold"))))
        now, before = now + 1, 0.0
        for at, line in recorded(command, Path(project)):
            now, before = now + min(at - before, LONGEST_WAIT), at
            shown.append((now, Text.from_ansi(line)))
        shown.append((now, Text()))
        now += 1
    draw(shown, Path(picture), Path(project).resolve().name)


if __name__ == "__main__":
    main()
