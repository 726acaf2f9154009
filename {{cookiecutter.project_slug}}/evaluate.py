"""Test the final model of a run again: `python evaluate.py run=outputs/<date>/<time>`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "src"))  # this folder's own code, also in the copies that DVC makes
from reproml.hash_seed import fix_hash_seed
from reproml.interrupts import end_in_one_line

fix_hash_seed(__name__)
end_in_one_line(__name__)
import logging

from omegaconf import DictConfig

from reproml import recipe


def named(cfg: DictConfig) -> recipe.CompletedRun:
    """Return the named run, after checking that its files are the recorded ones."""
    return recipe.CompletedRun.named(cfg.run, needs=["model.safetensors", "metrics.csv"])


def main(cfg: DictConfig) -> None:
    """Load the model and the configuration of the run, and write metrics with their intervals, tables and figures."""
    run = named(cfg)
    config = run.config
    recipe.pin_environment(config.reproducibility)  # from here on, torch is imported
    recipe.apply(config.reproducibility)
    data, model = recipe.build(config)
    recipe.refuse_changed(run.record["inputs"], config.inputs)
    recipe.refuse_other_data(data, run.record["data"], config)  # after an edit of the code that reads or splits it
    tester = recipe.build_tester(config)
    recipe.load_into(run.folder / "model.safetensors", tester)
    evaluation = recipe.evaluate(tester, model, data)
    recipe.write_evaluation(evaluation, run.folder / "metrics.csv", Path(cfg.output), seed=config.seed)
    logging.info("test of %s: %s; written to %s", run.folder, recipe.in_words(evaluation), cfg.output)


if __name__ == "__main__":
    recipe.run(main, config="evaluate", check=lambda cfg: named(cfg).config)
