"""One list of dependencies: every other place that names a version agrees with it."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from conftest import ANSWERS, CHOICES, INSTALLED_NAMES, ROOT, TEMPLATE, Render, code_blocks

VARIANTS = TEMPLATE / "variants"
LOCKS = sorted((VARIANTS / "environment_manager=pip").rglob("requirements*.txt"))
TRACKERS = CHOICES["tracker"]
PARTS = {  # what is imported -> the pinned package that it belongs to or comes with
    **{"dotenv": "python_dotenv", "hydra": "hydra_core", "sklearn": "scikit_learn", "yaml": "pyyaml"},
    **{
        "lightning_utilities": "lightning",
        "markupsafe": "jinja2",
        "PIL": "matplotlib",
        "pyarrow": "datasets",
        "shtab": "dvc",
    },
    **{
        "h11": "uvicorn",
        "pydantic_core": "pydantic",
        "typing_extensions": "pydantic",
        "starlette": "fastapi",
        "submitit": "hydra_submitit_launcher",
    },
}


def metadata(render: Render) -> dict:  # type: ignore[type-arg]
    return tomllib.loads((render() / "pyproject.toml").read_text())


def pins(requirements: list[str]) -> dict[str, str]:
    for requirement in requirements:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9.]+", requirement), f"{requirement} is not pinned exactly"
    return dict(requirement.split("==") for requirement in requirements)


def locked(path: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==([^ ;]+)", path.read_text(), flags=re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_every_lock_holds_the_direct_pins_but_torch(render: Render) -> None:
    data = metadata(render)
    runtime = pins(data["project"]["dependencies"])
    runtime.pop("torch")  # its build depends on the hardware, so it is installed first and from its own index
    for tracker in CHOICES["tracker"]:
        extra = pins(data["project"]["optional-dependencies"].get(tracker, []))
        lock = locked(render(tracker=tracker) / "requirements.txt")
        for name, version in {**runtime, **extra}.items():
            assert lock[name] == {version}
        assert "torch" not in lock
        assert not [name for name in lock if name.startswith("nvidia")]
    development = locked(VARIANTS / "environment_manager=pip" / "requirements-dev.txt")
    for name, version in pins(data["dependency-groups"]["dev"]).items():
        assert development[name] == {version}


def test_no_project_can_take_the_name_of_a_package_it_needs(render: Render) -> None:
    """Installing the project would put it in the place of that package."""
    data = metadata(render)["project"]
    named = [*data["dependencies"], *(pin for pins in data["optional-dependencies"].values() for pin in pins)]
    packages = {pin.split("==")[0] for pin in named}.union(*(locked(lock) for lock in LOCKS))
    assert {"pyyaml", "pillow", "torch", "dvc-s3"} <= packages
    assert {name.replace("-", "_") for name in packages} - INSTALLED_NAMES == set()


def test_whatever_the_code_imports_is_pinned(render: Render) -> None:
    """Directly, or with the package whose types or parts it is."""
    project = render(environment_manager="conda")  # which has one file more
    data = metadata(render)["project"]
    extras = [pin for pins in data["optional-dependencies"].values() for pin in pins]
    pinned = {pin.split("==")[0].replace("-", "_") for pin in [*data["dependencies"], *extras]}
    own = {"reproml", "my_project", "configure"}
    missing = imports(project) - pinned - own - sys.stdlib_module_names
    assert {PARTS.get(name, name) for name in missing} <= pinned
    assert {"pydantic", "yaml", "torchmetrics", "torch"} <= imports(project)


def imports(project: Path) -> set[str]:
    """Return the names of the packages that the code of a project imports, wherever it does."""
    found = set()
    for path in [*project.glob("*.py"), *(project / "src").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(str(node.module))
    return {name.partition(".")[0] for name in found}


def test_all_locks_agree() -> None:
    assert len(LOCKS) == 3 + len(TRACKERS) - 1  # the base, what trackers add, the tools, and what is left out
    versions: dict[str, set[frozenset[str]]] = {}
    for lock in LOCKS:
        for name, found in locked(lock).items():
            versions.setdefault(name, set()).add(frozenset(found))
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize("tracker", TRACKERS)
def test_a_tracker_adds_its_packages_to_the_base(render: Render, tracker: str) -> None:
    """In the order of `make lock`, each once, with the same hashes."""
    base = VARIANTS / "environment_manager=pip" / "requirements.txt"
    added = base.parent / f"tracker={tracker}" / "requirements.txt"
    parts = [lock.read_text() for lock in (base, added) if lock.exists()]
    names = [re.findall(r"^([a-z0-9-]+)==", part, flags=re.MULTILINE) for part in parts]
    assert len(parts) == 1 + (tracker != "none")
    assert not set.intersection(*map(set, names)) or tracker == "none"
    text = (render(tracker=tracker) / "requirements.txt").read_text()
    assert text.startswith("# This file was autogenerated by uv")
    packages = re.findall(r"^([a-z0-9-]+)==", text, flags=re.MULTILINE)
    assert packages == sorted(name for part in names for name in part)
    assert sorted(re.findall(r"--hash=\S+", text)) == sorted(re.findall(r"--hash=\S+", "".join(parts)))


@pytest.mark.parametrize("lock", [*LOCKS, ROOT / "requirements-dev.txt"], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_locked_package_has_a_hash(lock: Path) -> None:
    entries = re.split(r"^(?=[a-z0-9-]+==)", lock.read_text(), flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)


@pytest.mark.parametrize("tracker", TRACKERS)
def test_pip_and_conda_ask_for_what_the_list_holds(render: Render, tracker: str) -> None:
    """The pins of pyproject.toml, requirements*.in and environment.yml are equal; uv and Poetry read pyproject.toml."""
    data = metadata(render)
    runtime = pins(data["project"]["dependencies"] + data["project"]["optional-dependencies"].get(tracker, []))
    development = pins(data["dependency-groups"]["dev"])
    by_pip = render(tracker=tracker)
    assert pins(listed(by_pip / "requirements.in")) == runtime
    assert pins(listed(by_pip / "requirements-dev.in")) == development

    environment = render(environment_manager="conda", tracker=tracker)
    own = {"python": ANSWERS["python_version"][0], "pip": pip_of(by_pip)}
    names = tomllib.loads((environment / "pyproject.toml").read_text())["tool"]["reproml"]["conda"]
    *by_conda, rest = yaml.safe_load((environment / "environment.yml").read_text())["dependencies"]
    expected = own | {there: runtime.pop(name) for name, there in names.items()}
    assert dict(spec.split("=") for spec in by_conda) == expected
    assert pins([item for item in rest["pip"] if item != "--editable ."]) == runtime | development


def listed(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]


def pip_of(project: Path) -> str:
    [version] = re.findall(r"\bpip==([0-9.]+)", (project / "environment.mk").read_text())
    return str(version)


@pytest.mark.parametrize("manager", CHOICES["environment_manager"])
def test_make_and_readme_name_the_pinned_torch_and_pip(render: Render, manager: str) -> None:
    project = render(environment_manager=manager)
    torch = pins(metadata(render)["project"]["dependencies"])["torch"]
    texts = [(project / name).read_text() for name in ("environment.mk", "README.md", "Dockerfile")]
    if (project / "environment.yml").exists():
        texts.append((project / "environment.yml").read_text())
    assert {version for text in texts for version in re.findall(r"torch(?:-cpu)?==?([0-9.]+)", text)} <= {torch}
    assert len({version for text in texts for version in re.findall(r"\bpip==?([0-9.]+)", text)}) <= 1


@pytest.mark.parametrize("manager", CHOICES["environment_manager"])
def test_the_dockerfile_names_pinned_tools_and_an_exact_base(render: Render, manager: str) -> None:
    project = render(environment_manager=manager)
    text = (project / "Dockerfile").read_text()
    template = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    poetry = [pin for pin in template if pin.startswith("poetry")]
    tools = pins([*metadata(render)["dependency-groups"]["dev"], *poetry])
    named = dict(re.findall(r"pip install ([a-z]+)==(\S+)", text))
    assert named.items() <= {**tools, "pip": named.get("pip"), "torch": named.get("torch")}.items()
    assert named["hatchling"]
    assert manager in {"pip": "pip", **named, "conda": "conda"}
    for version in CHOICES["python_version"]:
        text = (render(environment_manager=manager, python_version=version) / "Dockerfile").read_text()
        assert re.search(rf"^ARG BASE=python:{re.escape(version)}\.\d+-slim-bookworm$", text, re.MULTILINE)
        assert f"/opt/venv/lib/python{version}/site-packages/" in text


@pytest.mark.parametrize("tracker", CHOICES["tracker"])
def test_compose_adds_what_the_tracker_needs(render: Render, tracker: str) -> None:
    project = render(tracker=tracker)
    services = yaml.safe_load((project / "compose.yaml").read_text())["services"]
    assert set(services) == {"training", "training-gpu", "api"}
    assert services["training-gpu"]["profiles"] == ["gpu"]
    override = project / "compose.override.yaml"
    added = yaml.safe_load(override.read_text())["services"] if override.exists() else {}
    expected = {"mlflow": {"mlflow", "training", "training-gpu"}, "wandb": {"training", "training-gpu"}}
    assert set(added) == expected.get(tracker, set())


@pytest.mark.parametrize("manager", CHOICES["environment_manager"])
def test_readme_and_make_install_in_the_same_way(render: Render, manager: str) -> None:
    """The plain commands are those of `make setup`, but for its checks, quietness and the path of Python."""
    project = render(environment_manager=manager)
    recipe = (project / "environment.mk").read_text().split("\nsetup:")[1].split("\n\n")[0]
    recipe = recipe.replace("$(PYTHON)", "python3.11").replace("$(PIP)", "python -m pip").replace(" --quiet", "")
    recipe = recipe.replace("$(TORCH_INDEX)", "https://download.pytorch.org/whl/cpu")
    recipe = re.sub(r" --(clear|yes)\b", "", re.sub(r"test -f \S+ \|\| ", "", recipe))  # what only a second time needs
    made = [line.strip() for line in recipe.splitlines()[1:] if not line.strip().startswith(("@", "-@"))]
    [printed] = [block for block in code_blocks((project / "README.md").read_text()) if "activate" in block]
    commands = [line for line in printed.splitlines() if "activate" not in line]
    assert [line for line in made if "pip check" not in line] == commands
