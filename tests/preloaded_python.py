"""The `python` of shells and DVC stages in a preloaded test: has the server fork a command, and ends as the fork ends.

preloaded.py puts it on the PATH, with the socket and the real Python of the environment filled in. Whatever is no
script or module of the project is left to the real one, and so is what torch would have to be imported for again.
"""

import json
import os
import re
import signal
import socket
import sys
from pathlib import Path

SOCKET, PYTHON = "@SOCKET@", "@PYTHON@"
SCRIPTS = ("configure.py", "prepare.py", "train.py", "evaluate.py", "document.py")
MODULES = ("my_project", "reproml")
PINNED_OTHERWISE, READ_EARLY = r"@PINNED_OTHERWISE@", r"@READ_EARLY@"
AT_START = json.loads(r"""@AT_START@""")  # what the server has of the variables that are read early


def suits(arguments: list[str]) -> bool:
    """Return whether a fork is what the command would be."""
    if arguments[:1] not in [[name] for name in SCRIPTS] and arguments[:2] not in [["-m", name] for name in MODULES]:
        return False
    early = {name: value for name, value in os.environ.items() if re.fullmatch(READ_EARLY, name)}
    return early == AT_START and not re.search(PINNED_OTHERWISE, " ".join(arguments))


def main() -> None:
    """Run the command in a fork, or with the real Python."""
    arguments = sys.argv[1:]
    if not suits(arguments):
        os.execv(PYTHON, [PYTHON, *arguments])
    request = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ), "group": False}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        server.connect(SOCKET)
        socket.send_fds(server, [json.dumps(request).encode()], [0, 1, 2])
        process = int(server.recv(100))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda received, frame: os.kill(process, received))
        code, seconds = server.recv(100).split()
    with Path(SOCKET).with_name("used").open("a") as used:
        used.write(f"{seconds.decode()}\n")
    if int(code) < 0:
        if -int(code) != signal.SIGKILL:
            signal.signal(-int(code), signal.SIG_DFL)
        os.kill(os.getpid(), -int(code))
    sys.exit(int(code))


main()
