"""The packages as they stand in the template, imported by tests that need no rendered project."""

import importlib.util
import sys
from pathlib import Path

_SOURCE = Path(__file__).resolve().parent.parent / "{{cookiecutter.project_slug}}" / "src"
_PACKAGE = _SOURCE / "{{cookiecutter.package_name}}"


def load_packages() -> None:
    """Make `reproml` importable, and the user's package as `package_name`, as the template itself calls it.

    Python keeps nothing that it compiles there, because projects that are rendered meanwhile would have it.
    """
    sys.dont_write_bytecode = True
    if "package_name" in sys.modules:
        return
    sys.path.insert(0, str(_SOURCE))
    spec = importlib.util.spec_from_file_location(
        "package_name", _PACKAGE / "__init__.py", submodule_search_locations=[str(_PACKAGE)]
    )
    assert spec
    assert spec.loader
    package = importlib.util.module_from_spec(spec)
    sys.modules["package_name"] = package
    spec.loader.exec_module(package)
