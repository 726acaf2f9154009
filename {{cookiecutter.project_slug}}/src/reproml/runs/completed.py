"""A finished run, as every command about runs reads it."""

import json
import os
from collections.abc import Collection
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from omegaconf import DictConfig, OmegaConf

from ..config import trust
from ..config.check import check
from ..config.schema import Config
from ..errors import RecordError
from ..names import CONFIG, HISTORY, METRICS, MODELS, REPORTS_OF_PIPELINE, TEST
from .folder import BRING_BACK, read_config
from .integrity import compared
from .record import moved, read_finished
from .tables import altered_figure, altered_table, read_rows


@dataclass(frozen=True)
class CompletedRun:
    """A run that is finished: its folder, its record, and the configuration of the process that has just trained it.

    Without that configuration the one in the folder is read, which anybody may have written.
    """

    folder: Path
    record: dict[str, Any]
    trained_with: Config | None = None

    @classmethod
    def read(
        cls,
        folder: Path,
        needs: Collection[str] = (),
        reads: Collection[str] = (),
        trained_with: Config | None = None,
    ) -> Self:
        """Return the run in a folder, after checking that the named files, and only these, are as recorded.

        Args:
            folder: of the run.
            needs: files that must exist.
            reads: files that are used if they exist.
            trained_with: the configuration that this process has checked and trained with.

        Raises:
            RecordError: the run is not finished, a file is missing, or one is not the recorded one.
        """
        return cls(folder, compared(read_finished(folder), folder, needs, reads), trained_with)

    @classmethod
    def named(cls, folder: str | Path | None, needs: Collection[str] = ()) -> Self:
        """Return the run that a person has named to test or serve its model. Its configuration is the recorded one.

        Raises:
            ConfigError: no folder is named, it is not that of a run, or its configuration is damaged or asks for what
                this project does not know.
            RecordError: as in `read`.
        """
        _known_settings(folder)
        return cls.read(Path(str(folder)), (CONFIG, *needs))

    @cached_property
    def config(self) -> Config:
        """The checked configuration without trackers and callbacks, to test or serve the model.

        Raises:
            ConfigError: it is not valid here, or asks for what this project does not know.
        """
        if self.trained_with is not None:
            return self.trained_with
        path = self.folder / CONFIG
        config = check(_moved(_known_settings(self.folder), self.folder), recorded=True)
        trust.check_places(config, path)
        trust.check_inputs(config.inputs, path)
        trust.check_arguments(asdict(config), path)
        return config

    def epochs(self) -> list[dict[str, str]]:
        """Return the rows of the history, one for each epoch.

        Raises:
            DataError: the file is missing or damaged.
        """
        return read_rows(self.folder / HISTORY, BRING_BACK, numbers=["epoch", "step"])

    def test_folder(self) -> Path | None:
        """Return the folder with the results of the test: `test/` in that of the run, or the pipeline's `reports/`.

        Of the pipeline's run the latter comes first: evaluate.py adds intervals, which the test of a training lacks.
        Results with other metrics were left by another training.

        Raises:
            RecordError: a table or a figure is not the one in the record.
        """
        places = [self.folder / TEST, REPORTS_OF_PIPELINE]
        for place in reversed(places) if self.folder.resolve() == MODELS.resolve() else places:
            try:
                same = json.loads((place / METRICS).read_text(encoding="utf-8")) == self.record["metrics"]
            except (OSError, ValueError):
                continue
            if same and (name := altered_table(place, self.record) or altered_figure(place, self.record)):
                raise RecordError(
                    f"{place / name} is not the file in the record: it was changed after the run; fetch it "
                    f"again, or test again: python evaluate.py run={self.folder} output={place}"
                )
            if same:
                return place
        return None


def _known_settings(folder: str | Path | None) -> DictConfig:
    """Return the configuration of a run without trackers and callbacks, if the project knows what it asks for."""
    saved, path = read_config(folder), Path(str(folder))
    trust.check_links(path)
    saved.tracking, saved.callbacks = {}, {}  # so no tracker's package is needed
    trust.check_names(OmegaConf.to_container(saved), path / CONFIG)
    return saved


def _moved(saved: DictConfig, folder: Path) -> DictConfig:
    """Return the configuration of a run with `folder` as the run's, which can have been moved since."""
    before, place = OmegaConf.select(saved, "paths.run"), os.path.relpath(folder)
    if not before or not isinstance(before, str):  # the check says so
        return saved

    plain: Any = OmegaConf.to_container(saved)
    place_of_run = {"paths": {**plain["paths"], "run": place}}
    return OmegaConf.create({**plain, "trainer": moved(plain.get("trainer"), before, place), **place_of_run})
