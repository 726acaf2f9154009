"""Test the final model of a run again: `python evaluate.py run=outputs/<date>/<time>`."""

import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "src"))  # this folder's own code, also in the copies that DVC makes
from reproml.hash_seed import fix_hash_seed

if __name__ == "__main__":
    fix_hash_seed()

from omegaconf import DictConfig

from reproml.config.schema import Config
from reproml.recipe import run
from reproml.runs.finished import check_run
from reproml.training.determinism import pin_environment

log = logging.getLogger(__name__)


def checked(cfg: DictConfig) -> Config:
    """Return the configuration of the run, after checking that its files are the recorded ones."""
    return check_run(cfg.run, needs=["model.safetensors", "metrics.csv"])


def main(cfg: DictConfig) -> None:
    """Load the model and the configuration of the run, and write metrics with their intervals, tables and figures."""
    config = checked(cfg)
    pin_environment(config.reproducibility)

    from reproml.evaluation.measure import evaluate
    from reproml.evaluation.write import in_words, write_evaluation
    from reproml.models.saved import load_into
    from reproml.runs.inputs import refuse_changed
    from reproml.runs.record import read_finished
    from reproml.tasks.build import build
    from reproml.tasks.data import refuse_other_data
    from reproml.training.determinism import apply
    from reproml.training.trainer import build_tester

    apply(config.reproducibility)
    folder = Path(cfg.run)
    data, model = build(config)
    record = read_finished(folder)
    refuse_changed(record.get("inputs", {}), config.inputs)
    # after an edit of the reader or the splits, the test would be of other examples
    refuse_other_data(data, record["data"], config)
    tester = build_tester(config)
    load_into(folder / "model.safetensors", tester)
    evaluation = evaluate(tester, model, data)
    write_evaluation(evaluation, folder / "metrics.csv", Path(cfg.output), seed=config.seed)
    log.info("test of %s: %s; written to %s", folder, in_words(evaluation), cfg.output)


if __name__ == "__main__":
    run(main, config="evaluate", check=checked)
