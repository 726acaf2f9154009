"""What `--help` prints: the template of Hydra's group `help`, filled from configs/.

Hydra's own way looks into each folder several times, for parts that no template here shows, and takes twice as long.
help_page.py answers `--help` alone.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template

from hydra import compose
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from ..help_page import groups
from .arguments import Arguments
from .composing import composing


class _Parts(Mapping[str, str]):
    """What a template may hold, each made when it is asked for."""

    def __init__(self, cfg: DictConfig, resolve: bool) -> None:
        self.makers = {
            "APP_CONFIG_GROUPS": lambda: "".join(groups(Path("configs"))),
            "HYDRA_CONFIG_GROUPS": lambda: "".join(groups(Path("configs"), of_hydra=True)),
            "FLAGS_HELP": lambda: "".join(_flags()),
            "CONFIG": lambda: OmegaConf.to_yaml(cfg, resolve=resolve),
        }

    def __getitem__(self, name: str) -> str:
        return self.makers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self.makers)

    def __len__(self) -> int:
        return len(self.makers)


def text(given: Arguments, config: str, script: str) -> str:
    """Return the help of a script.

    Args:
        given: its arguments, some of which may choose groups and set keys.
        config: name of its configuration.
        script: its name, without `.py`.
    """
    with composing(script=script):
        cfg = compose(given.options.config_name or config, given.options.overrides, return_hydra_config=True)
    HydraConfig.instance().set_config(cfg)
    template = Template(cfg.hydra.help.template)
    with open_dict(cfg):
        del cfg["hydra"]
    return template.substitute(_Parts(cfg, given.options.resolve))


def _flags() -> Iterator[str]:
    """Yield a line for each flag that Hydra knows, and for the overrides."""
    for action in get_args_parser()._actions:
        yield f"{','.join(action.option_strings) or 'Overrides'} : {action.help}\n"
