"""Write params.yaml from configs/, so that DVC sees every edit: the first stage of `dvc repro`."""

import os
import sys
from pathlib import Path

from hydra import compose, initialize_config_dir

sys.path.insert(0, str(Path(__file__).parent / "src"))  # this folder's own code, also in the copies that DVC makes
from package_name.cli import one_sentence
from package_name.config import check
from package_name.errors import ConfigError
from package_name.files import write_text
from package_name.runs import committable
from package_name.secrets import mask

PARAMS = Path("params.yaml")


def main() -> None:
    """Compose the configuration, check it and write it. `dvc exp run -S` has done that already, with its overrides."""
    if "DVC_EXP_NAME" not in os.environ:
        with initialize_config_dir(str(Path(__file__).parent.resolve() / "configs"), version_base="1.3"):
            cfg = compose("snapshot")
        check(cfg)
        write_text(PARAMS, committable(cfg))
    if mask(PARAMS.read_text()) != PARAMS.read_text():
        raise ConfigError(
            f"{PARAMS} holds a secret and would be committed: "
            "read secrets with os.environ where they are used, not in configs/"
        )


if __name__ == "__main__":
    with one_sentence():
        main()
