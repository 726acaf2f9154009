"""`predict`: a model's predictions for the examples in files."""

import argparse
import sys
from pathlib import Path
from typing import Any

from .arguments import RUN, RunName, number


def add(commands: Any) -> None:
    """Declare the command."""
    predict = commands.add_parser(
        "predict",
        help="predict from a file or a folder: CSV, JSON, text, NumPy arrays, images",
        description="See docs/predict.md.",
    )
    predict.add_argument("source", type=Path, metavar="FILE_OR_FOLDER", help="the examples")
    predict.add_argument("--run", type=RunName, default=Path("models"), help=f"the run: {RUN} (default: models)")
    predict.add_argument("--output", type=Path, metavar="FILE", help="a .csv or .jsonl file (default: CSV, printed)")
    size = number(least=1, most=10**9)
    predict.add_argument("--batch-size", type=size, default=256, help="examples at once (default: 256)")
    predict.set_defaults(command=_predict, failure="not predicted")


def _predict(arguments: argparse.Namespace) -> int:
    from ..serving.places import check_places
    from ..serving.predictor import Predictor

    check_places(arguments.source, arguments.output)
    predictor = Predictor(arguments.run)
    from ..serving.writing import predict_files  # NumPy reads its settings from the environment, where they are now set

    count = predict_files(predictor, arguments.source, arguments.output, arguments.batch_size)
    written = f"; written to {arguments.output}" if arguments.output else ""
    print(f"{count} example{'s' * (count != 1)}, predicted by {arguments.run}{written}", file=sys.stderr)
    return 0
