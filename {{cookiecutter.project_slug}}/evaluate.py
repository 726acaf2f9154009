"""Test the final model of a run again: `python evaluate.py run=outputs/<date>/<time>`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "src"))  # this folder's own code, also in the copies that DVC makes
from reproml.hash_seed import fix_hash_seed

fix_hash_seed(__name__)
from omegaconf import DictConfig

from reproml import recipe
from reproml.config.schema import Config


def checked(cfg: DictConfig) -> Config:
    """Return the configuration of the run, after checking that its files are the recorded ones."""
    return recipe.check_run(cfg.run, needs=["model.safetensors", "metrics.csv"])


def main(cfg: DictConfig) -> None:
    """Load the model and the configuration of the run, and write metrics with their intervals, tables and figures."""
    config, folder = checked(cfg), Path(cfg.run)
    recipe.pin_environment(config.reproducibility)  # what comes now imports torch
    recipe.apply(config.reproducibility)
    data, model = recipe.build(config)
    record = recipe.read_finished(folder)
    recipe.refuse_changed(record.get("inputs", {}), config.inputs)
    recipe.refuse_other_data(data, record["data"], config)  # as after an edit of what reads or splits them
    tester = recipe.build_tester(config)
    recipe.load_into(folder / "model.safetensors", tester)
    evaluation = recipe.evaluate(tester, model, data)
    recipe.write_evaluation(evaluation, folder / "metrics.csv", Path(cfg.output), seed=config.seed)


if __name__ == "__main__":
    recipe.run(main, config="evaluate", check=checked)
