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


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgres://user:pass@host/db", "postgres://user:***@host/db"),
        ("postgres://user:p@ss@host/db", "postgres://user:***@host/db"),
        ("at http://127.0.0.1:5000, by me@example.com", "at http://127.0.0.1:5000, by me@example.com"),
    ],
)
def test_a_password_in_an_address_is_masked(text: str, masked: str) -> None:
    assert secrets.mask(text) == masked
