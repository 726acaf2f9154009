"""Write params.yaml from configs/, so that DVC sees every edit: the first stage of `dvc repro`.

The stage passes the name of the data as DVC read it from params.yaml: `python configure.py digits`.
"""

import os
import sys
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

sys.path.insert(0, str(Path(__file__).parent / "src"))  # this folder's own code, also in the copies that DVC makes
from package_name import secrets
from package_name.check import check
from package_name.cli import one_sentence
from package_name.errors import ConfigError
from package_name.files import write_text

PARAMS = Path("params.yaml")


def main(read_by_dvc: list[str]) -> None:
    """Compose the configuration, check it and write it. `dvc exp run` has written it already, with its overrides."""
    secrets.load()
    with initialize_config_dir(str(Path(__file__).parent.resolve() / "configs"), version_base="1.3"):
        cfg = compose("snapshot")
    if found := secrets.values_from_environment(cfg):
        raise ConfigError(
            f"{next(iter(found.values()))} in configs/ would be written into {PARAMS}, which is committed: in the "
            f"pipeline only configs/tracking may read the environment (is it there already: git checkout {PARAMS})"
        )
    check(cfg)
    if "DVC_EXP_NAME" in os.environ:
        return
    write_text(PARAMS, OmegaConf.to_yaml(cfg, resolve=True))
    if read_by_dvc and read_by_dvc != [cfg.data.name]:  # the folders of the stages have that name in them
        raise ConfigError(
            f"data={cfg.data.name} is written into {PARAMS}, and DVC had read data={read_by_dvc[0]}: run it again"
        )


if __name__ == "__main__":
    with one_sentence():
        main(sys.argv[1:])
