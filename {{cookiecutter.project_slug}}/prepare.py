"""Turn raw data into memory-mapped arrays: `python prepare.py data=fashion_mnist`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "src"))  # this folder's own code, also in the copies that DVC makes
from reproml.interrupts import end_in_one_line

end_in_one_line(__name__)
from omegaconf import DictConfig

from reproml import recipe


def main(cfg: DictConfig) -> None:
    """Fetch missing raw files, check all of them, and convert them; or call `prepare_data` of other data."""
    config = recipe.check(cfg)
    recipe.prepare(config)


if __name__ == "__main__":
    recipe.run(main, config="config", check=recipe.check)
