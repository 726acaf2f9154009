"""Test the final model of a run again: `python evaluate.py run=outputs/<date>/<time>`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "src"))  # this folder's own code, also in the copies that DVC makes
from reproml.hash_seed import fix_hash_seed

if __name__ == "__main__":
    fix_hash_seed()

from omegaconf import DictConfig

from reproml.recipe import run
from reproml.runs.completed import CompletedRun
from reproml.training.determinism import pin_environment


def named(cfg: DictConfig) -> CompletedRun:
    """Return the run that is named, after checking that its files are the recorded ones."""
    return CompletedRun.named(cfg.run, needs=["model.safetensors", "metrics.csv"])


def main(cfg: DictConfig) -> None:
    """Load the model and the configuration of the run, and write metrics with their intervals, tables and figures."""
    tested = named(cfg)
    config = tested.config
    pin_environment(config.reproducibility)

    from reproml.evaluation.measure import evaluate
    from reproml.evaluation.write import write_evaluation
    from reproml.models.saved import load_into
    from reproml.runs.inputs import refuse_changed
    from reproml.tasks.build import build
    from reproml.tasks.data import refuse_other_data
    from reproml.training.determinism import apply
    from reproml.training.trainer import build_tester

    apply(config.reproducibility)
    data, model = build(config)
    refuse_changed(tested.record["inputs"], config.inputs)
    # after an edit of the reader or the splits, the test would be of other examples
    refuse_other_data(data, tested.record["data"], config)
    tester = build_tester(config)
    load_into(tested.folder / "model.safetensors", tester)
    evaluation = evaluate(tester, model, data)
    write_evaluation(evaluation, tested.folder / "metrics.csv", Path(cfg.output), seed=config.seed)


if __name__ == "__main__":
    run(main, config="evaluate", check=lambda cfg: named(cfg).config)
