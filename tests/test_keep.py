"""What an experiment left in params.yaml becomes an experiment of configs/, and what cannot be is refused."""

import shutil
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from cookiecutter.main import cookiecutter
from omegaconf import OmegaConf
from reproml.errors import ConfigError
from reproml.runs import params
from reproml.tuning.keep import keep

CHOICE = "  - experiment: "


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the configs/ of a new project."""
    folder = tmp_path_factory.mktemp("generated")
    return Path(cookiecutter(str(ROOT), no_input=True, output_dir=str(folder))) / "configs"


@pytest.fixture
def project(configs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with configs/, and a params.yaml that is what they give."""
    shutil.copytree(configs, tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(params.text(params.composed(Path())))
    return tmp_path


def left(*overrides: str) -> dict[str, object]:
    """Leave in params.yaml what an experiment of DVC would, and return it."""
    held = params.plain(params.composed(Path(), overrides))
    Path("params.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(held)))
    return held


def configured() -> dict[str, object]:
    return params.plain(params.composed(Path()))


@pytest.mark.parametrize(
    ("overrides", "kept"),
    [
        (["training.lr=0.5", "seed=7"], {"training": {"lr": 0.5}, "seed": 7}),  # and not what follows training.lr
        (["model=mlp", "model.hidden=[8]"], {"defaults": [{"override /model": "mlp"}], "model": {"hidden": [8]}}),
    ],
)
def test_configs_compose_what_was_kept(project: Path, overrides: list[str], kept: dict[str, object]) -> None:
    held = left(*overrides)
    assert configured() != held
    path = keep(None)
    assert path == Path("configs/experiment/kept.yaml")
    assert yaml.safe_load(path.read_text()) == kept
    assert f"{CHOICE}kept " in Path("configs/config.yaml").read_text()
    assert configured() == held
    with pytest.raises(ConfigError, match=r"params\.yaml is what configs/ give: there is nothing to keep"):
        keep(None)
    more = left("seed=8")
    assert keep(None) == Path("configs/experiment/kept_2.yaml")
    assert yaml.safe_load(Path("configs/experiment/kept_2.yaml").read_text()) == {"defaults": ["kept"], "seed": 8}
    assert configured() == more


@pytest.mark.parametrize("content", [None, "", "{", "[1]"])
def test_what_is_no_configuration_is_not_kept(project: Path, content: str | None) -> None:
    path = Path("params.yaml")
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(ConfigError, match=r"params\.yaml is missing or damaged: git checkout params\.yaml"):
        keep(None)


def test_what_cannot_be_kept_leaves_configs_as_they_are(project: Path) -> None:
    def refused(sentence: str, name: str | None = None) -> None:
        before = {path: path.read_bytes() for path in Path("configs").rglob("*.yaml")}
        with pytest.raises(ConfigError, match=sentence):
            keep(name)
        assert {path: path.read_bytes() for path in Path("configs").rglob("*.yaml")} == before

    held = left("seed=7")
    for name in ("my-best", "fashion_mnist", "a/b"):
        refused(f"{name} is not the name of a new experiment: use letters a to z, digits and underscores", name)
    held["data"].pop("files")  # type: ignore[attr-defined]  # a key that no experiment can take away
    Path("params.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(held)))
    refused(r"no experiment makes configs/ compose params\.yaml \(no data\.files\): write that into configs/ by hand")
    config = Path("configs/config.yaml")
    lines = config.read_text().splitlines()
    config.write_text("\n".join(line for line in lines if not line.startswith(CHOICE)))
    left("seed=7")
    refused(r"configs/config\.yaml has no line `- experiment: null` among its defaults")
