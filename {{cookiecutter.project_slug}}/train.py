"""Train a model: `python train.py training.lr=0.01 model=mlp`. Every key is explained in configs/."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "src"))  # this folder's own code, also in the copies that DVC makes
from reproml.hash_seed import fix_hash_seed

if __name__ == "__main__":
    fix_hash_seed()

from omegaconf import DictConfig

from reproml.config.check import check
from reproml.recipe import run
from reproml.secrets import public
from reproml.training.determinism import apply
from reproml.training.ready import ready, ready_to_begin


def main(cfg: DictConfig) -> None:
    """Prepare the data if need be, train, keep the final model, and test it; record what was done."""
    config = ready(cfg)
    # torch is imported here, after the configuration is known to be right
    from reproml.evaluation.measure import evaluate
    from reproml.evaluation.write import write_evaluation
    from reproml.models.saved import save_model
    from reproml.report.summary import say_summary
    from reproml.tasks.build import build, description
    from reproml.tasks.data import data_of
    from reproml.tracking.loggers import build_loggers, send
    from reproml.training.final import end_with
    from reproml.training.restore import restore
    from reproml.training.session import begin
    from reproml.training.trainer import build_trainer

    apply(config.reproducibility)
    folder = Path(config.paths.run)
    data, model = build(config)  # what configs/data and configs/task name
    settings = public(cfg)  # what may be written: without secrets
    settings.pop("resume")  # a run that goes on has the settings of the one that was interrupted
    session = begin(config, settings, data_of(config, settings, data), data, model)
    trainer = build_trainer(config, settings, build_loggers(config.tracking, settings, folder))
    trainer.fit(model, data, ckpt_path=restore(session.checkpoint, config.restore, model, trainer))
    end_with(trainer, model, config.training.final_weights)
    save_model(model, description(settings, data), folder / "model.safetensors")
    evaluation = evaluate(trainer, model, data)
    write_evaluation(evaluation, folder / "metrics.csv", folder / "test")
    session.finish(model.state_dict(), evaluation.recorded())
    send(config, trainer.loggers)
    say_summary(config, evaluation, trainer.loggers)


if __name__ == "__main__":
    run(main, config="config", check=check, here=ready_to_begin)
