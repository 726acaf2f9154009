"""The configuration of a finished run, for whatever reads it: every command about runs begins here."""

import os
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ..config import trust
from ..config.check import check
from ..config.schema import Config
from ..names import CONFIG
from .folder import read_config
from .integrity import finished
from .record import moved


def check_run(folder: str | Path | None, needs: Collection[str] = (), reads: Collection[str] = ()) -> Config:
    """Return the configuration of a finished run without trackers and callbacks, to test or serve its model.

    Args:
        folder: of the run.
        needs: files of the run that must exist, as recorded; see runs/integrity.py.
        reads: files of the run that must be as recorded if they exist.

    Raises:
        ConfigError: no folder is named, it is not that of a run, its configuration is not valid here, or it asks for
            what this project does not know.
        RecordError: the run is not finished, or its configuration or one of the files is not the recorded one.
    """
    saved, path = read_config(folder), Path(str(folder))
    trust.check_links(path)
    saved.tracking, saved.callbacks = {}, {}  # so no tracker's package is needed
    trust.check_names(OmegaConf.to_container(saved), path / CONFIG)
    finished(path, needs=(CONFIG, *needs), reads=reads)
    config = check(_moved(saved, path), recorded=True)
    trust.check_places(config, path / CONFIG)
    trust.check_inputs(config.inputs, path / CONFIG)
    trust.check_arguments(asdict(config), path / CONFIG)
    return config


def _moved(saved: DictConfig, folder: Path) -> DictConfig:
    """Return the configuration of a run with `folder` as the run's, which can have been moved since."""
    before, place = OmegaConf.select(saved, "paths.run"), os.path.relpath(folder)
    if not before or not isinstance(before, str):  # the check says so
        return saved

    plain: Any = OmegaConf.to_container(saved)
    place_of_run = {"paths": {**plain["paths"], "run": place}}
    return OmegaConf.create({**plain, "trainer": moved(plain.get("trainer"), before, place), **place_of_run})
