"""`export`: a run's model as ONNX."""

import argparse
from pathlib import Path
from typing import Any

from .arguments import RUN, RunName, tolerance


def add(commands: Any) -> None:
    """Declare the command."""
    export = commands.add_parser(
        "export",
        help="write a run's model as ONNX, after comparing its outputs",
        description="Nothing is written unless ONNX Runtime gives the outputs of the test: docs/export.md.",
    )
    export.add_argument("run", type=RunName, help=f"a finished run: {RUN}")
    export.add_argument("--output", type=Path, metavar="FILE", help="ends with .onnx (default: model.onnx in the run)")
    bound = "how far an output y may be off, times 1 + |y| (default: 0.0001)"
    export.add_argument("--tolerance", type=tolerance, default=1e-4, help=bound)
    export.set_defaults(command=_export, failure="not exported")


def _export(arguments: argparse.Namespace) -> int:
    from ..export.export import export

    print("\n".join(export(arguments.run, arguments.output, arguments.tolerance)))
    return 0
