"""`--help` and nothing else, answered before anything is imported: Hydra alone takes longer than people wait for it.

With other arguments, or where configs/ ask for more than a text with the groups in it, config/usage.py answers.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from string import Template

_CHOSEN = "override hydra/help"


def answer_help(name: str, config: str) -> None:
    """Print the help of this program and exit, if that is all that it was asked for.

    Args:
        name: of the module that asks. Only a program answers, and not whatever imports it.
        config: name of its configuration.
    """
    if name == "__main__" and sys.argv[1:] in (["--help"], ["-h"]):
        page = text(Path(sys.argv[0]).resolve().parent / "configs", config)
        if page is not None:
            print(page)
            sys.exit()


def text(configs: Path, config: str) -> str | None:
    """Return the help as config/usage.py does, or None where only Hydra can tell it, or what is wrong in configs/."""
    import yaml  # type: ignore[import-untyped]

    try:
        settings = yaml.safe_load((configs / f"{config}.yaml").read_text(encoding="utf-8"))
        [choice] = [entry[_CHOSEN] for entry in settings["defaults"] if isinstance(entry, dict) and _CHOSEN in entry]
        page = yaml.safe_load((configs / "hydra" / "help" / f"{choice}.yaml").read_text(encoding="utf-8"))
        if "help" in settings.get("hydra", {}) or page.keys() != {"template"} or "${" in page["template"]:
            return None
        return Template(page["template"]).substitute(APP_CONFIG_GROUPS="".join(groups(configs)))
    except (OSError, ValueError, TypeError, LookupError, AttributeError, yaml.YAMLError):
        return None


def groups(configs: Path, of_hydra: bool = False) -> Iterator[str]:
    """Yield a line for each folder of configs/ with what can be chosen there."""
    for folder in sorted(path for path in configs.rglob("*") if path.is_dir()):
        group = folder.relative_to(configs)
        files = sorted(path.stem for path in folder.glob("*.yaml"))
        if files and (group.parts[0] == "hydra") is of_hydra:
            yield f"{group.as_posix()}: {', '.join(files)}\n"
