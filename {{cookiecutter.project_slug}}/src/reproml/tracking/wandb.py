"""What Weights & Biases receives: configuration, metrics, figures, predictions, and the model as an artifact."""

from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import WandbLogger

from ..tables import number
from .sweeps import sweep_of
from .tracked_run import TrackedRun

_EXAMPLES = 16
_CONNECT = 20.0  # seconds


class WandB(WandbLogger):
    """Lightning's logger for W&B, and what it receives of a finished run.

    Args:
        project: groups the runs.
        folder: of the run, where W&B's own files go.
        mode: `online`, `offline` (everything stays on the disk, for `wandb sync`) or `disabled`.
        id: the run to continue; None: a new one.
        name: of the run in W&B; None: its folder.
        more: any other argument of `wandb.init`.
    """

    def __init__(
        self, project: str, folder: str, mode: str, id: str | None = None, name: str | None = None, **more: Any
    ) -> None:
        import wandb

        wandb.setup(wandb.Settings(silent=True))  # before Lightning's arguments, some of which W&B warns about
        sweep = sweep_of(Path(folder))
        super().__init__(
            project=project,
            name=name or folder,
            save_dir=folder,
            id=id,
            mode=mode,
            resume="allow",
            group=str(sweep) if sweep else None,
            settings=wandb.Settings(init_timeout=_CONNECT, console="off", silent=True),
            **more,
        )
        self._mode = mode
        self._last = -1  # step that was logged

    @property
    def version(self) -> str:
        """W&B's name of the run, which is started here, or continued."""
        return str(self.experiment.id)

    @property
    def address(self) -> str | None:
        """Where people look at the run: its page, or the command that sends a run that stayed on this machine."""
        if self._mode == "online":
            return str(self.experiment.url)
        return f"wandb sync {Path(self.experiment.dir).parent}" if self._mode == "offline" else None

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Log metrics after a step."""
        super().log_metrics(metrics, step)
        if step is not None:
            self._last = max(self._last, step)

    def send(self, run: TrackedRun) -> None:
        """Complete the run: metrics that are missing there, those of the test, tags, figures, predictions, files."""
        import wandb

        there = max(self._last, int(self.experiment.summary.get("trainer/global_step", -1)))
        for step, metrics in run.history():
            if step > there:
                self.log_metrics(metrics, step)
        self.experiment.config.update({"record": run.tags()}, allow_val_change=True)
        figures = {f"figures/{name}": wandb.Image(str(path)) for name, path in run.figures().items()}
        self.experiment.log({**run.test_metrics(), **figures, **self._predictions(run)})
        artifact = wandb.Artifact(f"model-{self.experiment.id}", type="model", metadata=run.tags())
        for path in run.files():
            artifact.add_file(str(path), policy="immutable")  # no second copy
        self.experiment.log_artifact(artifact)

    def _predictions(self, run: TrackedRun) -> dict[str, Any]:
        """Return what was predicted of the first test examples, with the inputs if these are prepared arrays.

        It is a table, unless the inputs are pictures.
        """
        import wandb

        rows = run.predictions(_EXAMPLES)
        if not rows:
            return {}
        if run.own:
            return {"predictions": wandb.Table(columns=list(rows[0]), data=[list(row.values()) for row in rows])}
        examples = run.examples(_EXAMPLES)
        if examples.ndim == 4:  # (n, channels, height, width)
            pictures = [
                wandb.Image(
                    example.transpose(1, 2, 0).squeeze(),
                    caption=", ".join(f"{name} {number(value)}" for name, value in row.items()),
                )
                for example, row in zip(examples, rows, strict=False)
            ]
            return {"predictions": pictures}
        data: list[Any] = [[str(example.tolist()), *row.values()] for example, row in zip(examples, rows, strict=False)]
        return {"predictions": wandb.Table(columns=["input", *rows[0]], data=data)}

    def finalize(self, status: str) -> None:
        """End the run. Without this, the next run of the process would continue it."""
        super().finalize(status)
        self.experiment.finish(exit_code=0 if status == "success" else 1)
