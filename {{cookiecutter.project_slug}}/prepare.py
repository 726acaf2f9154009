"""Turn raw data into memory-mapped arrays: `python prepare.py data=fashion_mnist`."""

import sys
from pathlib import Path

from omegaconf import DictConfig

sys.path.insert(0, str(Path(__file__).parent / "src"))  # this folder's own code, also in the copies that DVC makes
from reproml.config.check import check
from reproml.recipe import run


def main(cfg: DictConfig) -> None:
    """Fetch the raw files unless they are there, check them, and convert them."""
    config = check(cfg)
    from reproml.tasks.data import prepare

    prepare(config)


if __name__ == "__main__":
    run(main, config="config", check=check)
