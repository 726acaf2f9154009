"""The code that made a cache, or that a process will import: found without importing it."""

import ast
import hashlib
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from .. import PLACES
from ..config.trust.names import leaves
from ..errors import ConfigError
from ..files import file_digest
from ..packages import own_packages

_INSTALLED = {"site-packages", "dist-packages"}  # of another Python or of the user, which sysconfig does not name
# No array depends on these modules: they declare which values are allowed, what the errors are and where names lie, and
# hand arrays over to Lightning.
_DECLARATIONS = (
    *("reproml", "reproml.config.schema", "reproml.errors", "reproml.packages"),
    "reproml.arrays.datamodule",
)


@cache
def code_of(*modules: str) -> dict[str, str]:
    """Return `code_now` as it was when this process first asked: that is the code it has imported."""
    return code_now(*modules)


def code_now(*modules: str) -> dict[str, str]:
    """Return the SHA-256 of modules and of everything that they import from this project, by name.

    Line ends do not count, since git may change them. For an installed package, its version counts.
    """
    found, waiting, asked = dict[str, str](), list(modules), set[str]()
    while waiting:
        name = waiting.pop()
        if name in asked:  # most files import the same few modules
            continue
        asked.add(name)
        path = module_file(name)
        if path is None:
            found |= _installed(name) if name in modules else {}
        elif name not in _DECLARATIONS:
            text = path.read_text(encoding="utf-8")
            found[name] = hashlib.sha256(text.encode()).hexdigest()
            waiting += _imported(text, _package(name, path))
            waiting.append(name.rpartition(".")[0])  # Python runs the package first
    return dict(sorted(found.items()))


def libraries_of(*modules: str) -> dict[str, str]:
    """Return the versions of the installed packages that the user's modules import, also by way of each other."""
    named, ours = set[str](), __name__.partition(".")[0]
    for name in code_of(*modules):
        if name.partition(".")[0] != ours and (path := module_file(name)) is not None:
            text = path.read_text(encoding="utf-8")
            named |= {each.partition(".")[0] for each in _imported(text, _package(name, path))}
    known = packages_distributions()
    others = named - sys.stdlib_module_names - own_packages().keys()
    installed = {distribution for name in others for distribution in known.get(name, [])}
    return {name: version(name) for name in sorted(installed)}


def _package(name: str, path: Path) -> str:
    """Return the package that the relative imports of a module are meant from."""
    return name if path.stem == "__init__" else name.rpartition(".")[0]


def module_of(function: str) -> str:
    """Return the module of a function that is named as in `package.module.function`."""
    return function.rpartition(".")[0]


def beside_src(settings: dict[str, Any], project: Path = Path()) -> tuple[dict[str, str], list[str]]:
    """Return the code outside of src/ that a configuration names, or that what it names imports.

    First the SHA-256 of such files of the project, by their paths in it; then the names of packages from elsewhere,
    such as another repository that was installed with `pip install --editable`.

    Args:
        settings: the configuration, in plain types.
        project: its folder.
    """
    targets = [value for key, value in leaves(settings) if key.endswith("_target_")]
    parts = [str(target).split(".") for target in targets]
    # all before the last are modules or classes, and with a module its packages are imported
    named = {".".join(names[:end]) for names in parts for end in range(1, len(names))}
    modules = [name for name in named if module_file(name)]  # to ask for versions of the others would take seconds
    inside, elsewhere, root, own = dict[str, str](), set[str](), project.resolve(), own_packages(project)
    for name in code_of(*sorted(modules)):
        path = module_file(name)
        if path is None or name.partition(".")[0] in own:
            continue
        if path.resolve().is_relative_to(root):
            inside[path.resolve().relative_to(root).as_posix()] = file_digest(path)
        else:
            elsewhere.add(name.partition(".")[0])
    return inside, sorted(elsewhere)


def check_watched(modules: dict[str, str]) -> None:
    """Check that the current DVC stage, if any, runs again after the code of modules has changed.

    Args:
        modules: each with all that it imports from this project, by what runs it: a setting, or a script.

    Raises:
        ConfigError: some of the code is where the stage does not look.
    """
    if (watched := watched_places()) is None:
        return
    for what, name in ((what, name) for what, module in modules.items() for name in code_of(module)):
        path = module_file(name)
        if path is not None and not any(path.resolve().is_relative_to(place) for place in watched):
            raise ConfigError(
                f"{what} runs {os.path.relpath(path)}, and `dvc repro` would not see a change there: move it into "
                f"src/, or add it to the deps of the stage {stage()} in dvc.yaml"
            )


def watched_places() -> list[Path] | None:
    """Return the files and folders on which the current DVC stage depends; None: no stage is running.

    A stage looks at its own dependencies, and through code.yaml at those of the stage `code`.
    """
    if not stage():
        return None
    pipeline: Any = OmegaConf.to_container(OmegaConf.load("dvc.yaml"), resolve=False)
    stages = [pipeline["stages"].get(stage(), {"deps": ["."]}), pipeline["stages"].get("code", {})]
    return [Path(name).resolve() for stage in stages for name in stage.get("deps", [])]


def stage() -> str:
    """Return the name of the stage of DVC that runs, or nothing."""
    return os.environ.get("DVC_STAGE", "").rpartition(":")[2]


def module_file(name: str) -> Path | None:
    """Return the file of a module of this project, or None if there is none, as for other packages."""
    top, *inside = name.split(".")
    if (place := _folder(top)) is None:
        return None
    path = place.joinpath(top, *inside)
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _folder(top: str) -> Path | None:
    """Return the folder that holds a package of this project. A module in it may be missing."""
    if (own := own_packages().get(top)) is not None:  # it may be installed, as in an image
        return own.parent
    try:
        spec = find_spec(top) if top.isidentifier() else None
    except ValueError:  # of a module that was made, not found, such as `__main__` of a script
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:  # a package, with or without an __init__.py
        place = Path(next(iter(spec.submodule_search_locations))).parent
    elif spec.has_location and spec.origin is not None:
        place = Path(spec.origin).parent
    else:
        return None
    installed = any(place.is_relative_to(path) for path in sysconfig.get_paths().values())
    return None if installed or _INSTALLED & {*place.parts} or _holds_installed(place) else place


@cache
def _holds_installed(place: Path) -> bool:
    """Whether pip has put packages there, as with `--target`; those that are editable lie elsewhere."""
    return any(place.glob("*.dist-info"))


def _installed(name: str) -> dict[str, str]:
    distributions = packages_distributions().get(name.split(".")[0], [])
    return {distribution: version(distribution) for distribution in distributions}


def _statements(nodes: Iterable[Any]) -> Iterator[Any]:
    """Yield statements and those inside of them. Expressions, which are most of a file, hold no import."""
    for node in nodes:
        yield node
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from _statements(getattr(node, part, ()))


def _imported(text: str, package: str) -> Iterator[str]:
    """Yield the names that a module may import; names that are not modules are skipped later."""
    for node in _statements(ast.parse(text).body):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package) if node.level else str(node.module)
            names = [alias.name for alias in node.names]
            yield from (base, *(f"{base}.{name}" for name in names))
            if base == "reproml":  # the names that it offers lie in modules of their own
                yield from (f"{base}{PLACES[name]}" for name in names if name in PLACES)
