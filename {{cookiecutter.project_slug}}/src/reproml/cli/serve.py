"""`serve`: predictions over HTTP."""

import argparse
from pathlib import Path
from typing import Any

from .arguments import RUN, RunName, number


def add(commands: Any) -> None:
    """Declare the command."""
    serve = commands.add_parser("serve", help="serve predictions over HTTP", description="See docs/serving.md.")
    serve.add_argument("--run", type=RunName, default=Path("models"), help=f"the run: {RUN} (default: models)")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    port = number(least=0, most=65535)
    serve.add_argument("--port", type=port, default=8000, help="0: any free port, which is printed (default: 8000)")
    serve.add_argument("--wait", action="store_true", help="listen right away, and load the run when it is finished")
    limit = number(least=1, most=10**9)
    serve.add_argument("--max-batch", type=limit, default=1024, help="examples per request (default: 1024)")
    serve.add_argument("--max-bytes", type=limit, default=16_000_000, help="bytes per request body (default: 16000000)")
    serve.set_defaults(command=_serve)


def _serve(arguments: argparse.Namespace) -> int:
    from ..serving.limits import Limits
    from ..serving.server import serve

    limits = Limits(examples=arguments.max_batch, size=arguments.max_bytes)
    serve(arguments.run, arguments.host, arguments.port, arguments.wait, limits)
    return 0
