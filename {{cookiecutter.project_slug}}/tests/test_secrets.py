"""Secrets are known by their names and by their shape, and masked."""

from collections.abc import Iterator

import pytest

from package_name import secrets


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    secrets.values.cache_clear()
    yield
    secrets.values.cache_clear()


@pytest.mark.parametrize(
    "name",
    ["MLFLOW_TRACKING_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASS", "MYSQL_PWD", "GPG_PASSPHRASE", "BASIC_AUTH",
     "SENTRY_DSN", "AZURE_STORAGE_CONNECTION_STRING"],
)  # fmt: skip
def test_a_name_tells_that_the_value_is_secret(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "correct-horse")
    assert secrets.mask("it was correct-horse.") == "it was ***."


def test_other_values_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_ASKPASS", "/usr/bin/askpass")
    assert secrets.mask("it was /usr/bin/askpass.") == "it was /usr/bin/askpass."


@pytest.mark.parametrize("password", ["pass", "p@ss"])
def test_a_password_in_an_address_is_masked(password: str) -> None:
    assert secrets.mask(f"postgres://user:{password}@host/db") == "postgres://user:***@host/db"


def test_an_address_without_a_password_is_shown() -> None:
    text = "at http://127.0.0.1:5000, by me@example.com"
    assert secrets.mask(text) == text
