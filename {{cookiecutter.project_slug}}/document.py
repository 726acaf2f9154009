"""Write what people read about the data and the model: `python document.py data`, `python document.py model`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "src"))  # this folder's own code, also in the copies that DVC makes
from reproml.interrupts import end_in_one_line

end_in_one_line(__name__)
from omegaconf import DictConfig, OmegaConf

from reproml.config.check import check
from reproml.errors import CardError
from reproml.recipe import one_sentence


def main(arguments: list[str]) -> None:
    """Write a card from the results of the pipeline."""
    if arguments == ["data"]:
        from reproml.cards.data_card import write_data_card

        params = OmegaConf.load("params.yaml")
        assert isinstance(params, DictConfig)
        write_data_card(check(params))
    elif arguments == ["model"]:
        from reproml.cards.model_card import write_model_card

        write_model_card(Path("models"), Path("reports"))
    else:
        raise CardError("name what to document: python document.py data, or python document.py model")


if __name__ == "__main__":
    with one_sentence():
        main(sys.argv[1:])
