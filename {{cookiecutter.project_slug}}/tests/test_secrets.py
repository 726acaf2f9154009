"""Secrets of the environment are masked in what is shown, and kept out of what is written."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from reproml import secrets
from reproml.errors import ConfigError


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("DB_PASSWORD", "correct-horse")
        patch.setenv("DATASET_KEY", "breast_cancer")
        patch.setenv("DATA_URL", "https://host.example/data?sig=3f2a9c71d0be")
        secrets.refresh()
        yield
    secrets.refresh()


def test_a_secret_is_masked_and_an_ordinary_value_is_not() -> None:
    assert secrets.mask("it was correct-horse, for breast_cancer") == "it was ***, for breast_cancer"


def test_a_secret_is_refused_where_it_would_be_recorded() -> None:
    with pytest.raises(ConfigError, match=r"note=\*\*\* holds a secret"):
        secrets.refuse_in(["note=correct-horse"])


def test_the_name_of_a_package_is_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "src" / "correct_horse").mkdir(parents=True)
    (tmp_path / "src" / "correct_horse" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    secrets.refresh()
    secrets.refuse_in(["note=correct-horse"])


def test_a_value_from_the_environment_is_used_and_neither_shown_nor_written() -> None:
    cfg = OmegaConf.create({"source": "${oc.env:DATA_URL}"})
    assert cfg.source == "https://host.example/data?sig=3f2a9c71d0be"
    assert secrets.mask(f"cannot open {cfg.source}") == "cannot open ***"
    assert secrets.public(cfg) == {"source": "${oc.env:DATA_URL}"}
