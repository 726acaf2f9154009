"""What `${unique:}` and `${run_folder:}` in configs/ stand for. Importing this makes them known."""

import os
from uuid import uuid4

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf


def _run_folder() -> str:
    """Return Hydra's folder of this run, relative: no path of this machine gets into what a run writes."""
    if not HydraConfig.initialized() or OmegaConf.is_missing(HydraConfig.get().runtime, "output_dir"):
        return "outputs"  # nothing runs: the configuration is only shown
    return os.path.relpath(HydraConfig.get().runtime.output_dir)


# Two runs of one second need two folders: `outputs/<date>/<time>-${unique:}`.
OmegaConf.register_new_resolver("unique", lambda: uuid4().hex[:6], use_cache=True, replace=True)
OmegaConf.register_new_resolver("run_folder", _run_folder, replace=True)
