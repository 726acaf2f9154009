"""Train a model: `python train.py training.lr=0.01 model=mlp`. Every key is explained in configs/."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "src"))  # this folder's own code, also in the copies that DVC makes
from reproml.hash_seed import fix_hash_seed
from reproml.help_page import answer_help
from reproml.interrupts import end_in_one_line

end_in_one_line(__name__)
answer_help(__name__, config="config")
fix_hash_seed(__name__)
from omegaconf import DictConfig

from reproml import recipe


def main(cfg: DictConfig) -> None:
    """Prepare the data if needed, train, save the final model, test it, and record the run."""
    config = recipe.ready(cfg)  # checked; from here on, torch is imported
    recipe.apply(config.reproducibility)
    folder = recipe.RunFolder(config.paths.run)
    data, model = recipe.build(config)  # what configs/data and configs/task name
    settings = recipe.public(cfg)  # without secrets, so that they may be written
    settings.pop("resume")  # a resumed run has the settings of the one that was interrupted
    session = recipe.begin(config, settings, recipe.data_of(config, settings, data), data, model)
    trainer = recipe.build_trainer(config, settings, recipe.build_loggers(config.tracking, settings, folder.path))
    trainer.fit(model, data, ckpt_path=recipe.restore(session.checkpoint, config.restore, model, trainer))
    recipe.end_with(trainer, model, config.training.final_weights)
    recipe.save_model(model, recipe.description(settings, data), folder.model)
    evaluation = recipe.evaluate(trainer, model, data)
    recipe.write_evaluation(evaluation, folder.history, folder.test)
    session.finish(model.state_dict(), evaluation.recorded())
    recipe.send(config, trainer.loggers)
    recipe.say_summary(config, evaluation, trainer.loggers)


if __name__ == "__main__":
    recipe.run(main, config="config", check=recipe.check, here=recipe.ready_to_begin)
