"""The package's sources as they stand in the template, imported by tests that need no rendered project."""

import importlib.util
import sys
from pathlib import Path

_PACKAGE = (
    Path(__file__)
    .resolve()
    .parent.parent.joinpath("{{cookiecutter.project_slug}}", "src", "{{cookiecutter.package_name}}")
)


def load_package() -> None:
    """Make the sources importable as `package_name`, which is what the template itself calls them."""
    if "package_name" in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(
        "package_name", _PACKAGE / "__init__.py", submodule_search_locations=[str(_PACKAGE)]
    )
    assert spec
    assert spec.loader
    package = importlib.util.module_from_spec(spec)
    sys.modules["package_name"] = package
    spec.loader.exec_module(package)
