"""The `python` of a DVC stage in a preloaded test: has the server fork the stage, and ends as the fork ends.

preloaded.py puts it on the PATH, with the socket and the real Python of the environment filled in. Whatever is no
script of the project is left to the real one.
"""

import json
import os
import signal
import socket
import sys
from pathlib import Path

SOCKET, PYTHON = "@SOCKET@", "@PYTHON@"
SCRIPTS = ("configure.py", "prepare.py", "train.py", "evaluate.py", "document.py")


def main() -> None:
    """Run the script in a fork, or the command with the real Python."""
    arguments = sys.argv[1:]
    if arguments[:1] not in [[script] for script in SCRIPTS]:
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
