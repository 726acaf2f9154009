"""The arguments of a command, as Hydra reads them."""

import re
from argparse import Namespace
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Sweep
from omegaconf import ListConfig, OmegaConf

from ..errors import ConfigError

_RENAMED = {"restore=hotstart": "restore=warmstart"}


@dataclass(frozen=True)
class Arguments:
    """A command line, read by Hydra's own parsers.

    Args:
        options: the flags that Hydra knows, such as `config_name`.
        flags: the same as they were written, with their values.
        overrides: `key=value` and the like.
    """

    options: Namespace
    flags: list[str]
    overrides: list[Override]

    def flags_first(self) -> list[str]:
        """Return the arguments in an order to which more overrides can be added: Hydra takes none behind a flag."""
        return [*self.flags, *(str(override.input_line) for override in self.overrides)]

    def others(self, key: str) -> list[str]:
        """Return the overrides of other keys, as they were written."""
        return [str(each.input_line) for each in self.overrides if each.key_or_group != key]

    def value(self, key: str) -> Any:
        """Return the value that was given to a key last, or None: it is null, or was not given."""
        found = [each for each in self.overrides if each.key_or_group == key and not each.is_delete()]
        return found[-1].value() if found else None


def read(arguments: Sequence[str]) -> Arguments:
    """Return the arguments of a command.

    Raises:
        OverrideParseException: an override cannot be read.
    """
    options = get_args_parser().parse_intermixed_args(arguments)
    flags = [argument for argument in arguments if argument not in options.overrides]
    return Arguments(options, flags, parsed(options.overrides))


def written(overrides: ListConfig | list[str]) -> list[Override]:
    """Return the overrides that Hydra keeps beside a configuration, where their interpolations are left as written."""
    plain: Any = OmegaConf.to_container(overrides)
    return parsed(plain)


def refuse_no_choice(overrides: Iterable[Override]) -> None:
    """Refuse anything but the name of a file where a group of configs/ is chosen. Hydra's own error names no key.

    A choice that was renamed is refused with its new name.

    Raises:
        ConfigError: naming the override and the files that there are.
    """
    for override in overrides:
        group = str(override.key_or_group)
        folder = Path("configs", group)
        value = override.value()
        if new := _RENAMED.get(f"{group}={value}"):
            raise ConfigError(f"{override.input_line} is now {new}")
        chosen = isinstance(value, str | dict | Sweep) or (
            isinstance(value, list) and all(isinstance(each, str) for each in value)
        )
        if not chosen and not override.is_delete() and ("/" in group or folder.is_dir()):
            files = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
            raise ConfigError(
                f"{override.input_line} does not choose a file of configs/{group}: name one (there are: {files}), or "
                "leave it out"
            )


def is_choice(name: str) -> bool:
    """Whether a new file of configs/ can have a name: it is chosen on the command line and in YAML without quotes."""
    if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        return False
    [override] = parsed([f"group={name}"])  # `null` is not a name, and `on` is true to YAML
    return override.value() == name == yaml.safe_load(name)


def parsed(overrides: Iterable[str]) -> list[Override]:
    """Return overrides as Hydra understands them, with quotes and prefixes taken apart.

    Raises:
        OverrideParseException: one cannot be read.
    """
    return OverridesParser.create().parse_overrides(list(overrides))
