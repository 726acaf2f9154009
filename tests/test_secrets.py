"""Secrets are masked in everything that is shown, in whatever form, and never in what is used."""

import asyncio
import base64
import html
import importlib
import io
import json
import logging
import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from conftest import ROOT, TEMPLATE
from cookiecutter.main import cookiecutter
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

SECRET = "c0rrect'horse\"\\ b@tt/ery+ü"
SIGNED = "https://host.example/data/x?X-Amz-Credential=AKIAIOSFODNN7EXAMPLE&X-Amz-Signature=3f2a9c71d0be&part=1"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nBAQEFAASCBKcwggSjAgEAAo\n-----END PRIVATE KEY-----\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a generated project whose package can be imported here."""
    folder = Path(cookiecutter(str(ROOT), no_input=True, output_dir=str(tmp_path_factory.mktemp("secrets"))))
    sys.path.insert(0, str(folder / "src"))
    make_record = logging.getLogRecordFactory()
    yield folder
    logging.setLogRecordFactory(make_record)
    sys.path.remove(str(folder / "src"))


@pytest.fixture
def secrets(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return the project's module, in its folder and with no secrets except those that a test sets."""
    monkeypatch.chdir(project)
    for name in list(os.environ):
        monkeypatch.delenv(name)
    values = importlib.import_module("reproml.secrets.values")
    values._read.clear()
    values.refresh()
    yield importlib.import_module("reproml.secrets")
    values._read.clear()
    values.refresh()


Environment = Callable[..., None]


@pytest.fixture
def environment(secrets: Any, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Return a function that sets variables."""

    def put(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        secrets.refresh()

    return put


WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "by Python": lambda text: repr(text)[1:-1],
    "by Python, in a dictionary": lambda text: repr({"'\"": text})[9:-2],
    "as JSON": lambda text: json.dumps(text)[1:-1],
    "as JSON with all letters": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "in an address": quote,
    "in a query": quote_plus,
    "in a path": lambda text: quote(text, safe=""),
    "in an address, small": lambda text: re.sub("%..", lambda match: match[0].lower(), quote(text, safe="")),
    "for Hydra": lambda text: text.replace("\\", "\\\\").replace("'", "\\'"),
    "for a shell": lambda text: shlex.quote(f" {text}")[2:-1],
    "in a page": html.escape,
}


@pytest.mark.parametrize("how", WRITTEN)
@pytest.mark.parametrize("secret", [SECRET, "it's-eleven", 'say "friend"', "C:\\users\\me\tx", "line one\nline two"])
def test_a_secret_is_masked_however_it_is_written(
    secrets: Any, environment: Environment, how: str, secret: str
) -> None:
    text = f"before <{WRITTEN[how](secret)}> after"
    assert secrets.mask(text) == text
    environment(DB_PASSWORD=secret)
    assert secrets.mask(text) == "before <***> after"


@settings(deadline=None, max_examples=200)
@given(secret=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=8, max_size=60))
def test_no_character_makes_a_difference(project: Path, secret: str) -> None:
    forms = importlib.import_module("reproml.secrets.forms").forms
    found = forms(secret)
    assert all(write(secret) in found for write in WRITTEN.values())


@pytest.mark.parametrize("user", ["", "a", "ab", "abc", "admin"])
def test_the_header_of_basic_authentication_is_masked(secrets: Any, environment: Environment, user: str) -> None:
    password = "correct-horse-battery"
    header = base64.b64encode(f"{user}:{password}".encode()).decode()
    environment(DB_PASSWORD=password)
    shown = secrets.mask(f"Authorization: Basic {header}")
    assert "***" in shown
    rest = shown.removeprefix("Authorization: Basic ").split("***")
    assert all(len(part) <= 12 for part in rest)  # the user, and a character or two at the ends
    assert header[8:-4] not in shown


def test_what_a_list_or_dictionary_holds_is_masked(secrets: Any, environment: Environment) -> None:
    environment(HOST_TOKENS="{first: correct-horse, more: [battery-staple, 1]}", ODD_SECRET="[not: a list")
    assert secrets.mask("correct-horse or battery-staple or [not: a list") == "*** or *** or ***"


def test_each_line_of_a_key_is_masked(secrets: Any, environment: Environment) -> None:
    for value in (PEM, PEM.replace("\n", "\\n")):
        environment(SIGNING_KEY=value)
        assert secrets.mask(PEM.splitlines()[2]) == "***"
        assert "MIIE" not in secrets.mask(f"{PEM!r} {json.dumps(PEM)}")
    assert secrets.mask("-----BEGIN PRIVATE KEY-----") == "-----BEGIN PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("DB_PASSWORD", "password1"),
            ("PGPASSWORD", "hunter2hunter2"),
            ("GH_TOKEN", "my_project"),
            ("DB_PASS", SECRET),
        ),
        *(
            ("CLIENT_SECRET", "abcdefgh"),
            ("MYSQL_PWD", "12345678"),
            ("WANDB_API_KEY", 40 * "a"),
            ("SENTRY_DSN", SIGNED),
        ),
        *(("DEPLOY_KEY", "3f2a9c71d0be4455"), ("SSH_KEY", PEM), ("AWS_SECRET_ACCESS_KEY", "a/long/one/with/words")),
        *(("PROXY", "http://me:p@sswort@host:80"), ("SLACK_WEBHOOK", "https://hooks.example/services/T0/B0/x")),
    ],
)
def test_what_is_secret_by_its_name(secrets: Any, environment: Environment, name: str, value: str) -> None:
    environment(**{name: value})
    shown = secrets.mask(f"it was {value}.")
    assert "***" in shown
    assert value not in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("SONAR_PROJECT_KEY", "my_project"), ("DATASET_KEY", "breast_cancer"), ("S3_KEY", "datasets/v1/train.tar")),
        *(("SORT_KEY", "val/loss"), ("KEYBOARD_LAYOUT", "de-latin1-nodeadkeys"), ("CACHE_KEY", "2026-11-27")),
        *(("TOKENIZER", "bert-base-uncased"), ("GIT_ASKPASS", "/usr/bin/askpass"), ("COLOUR", "correct-horse")),
        *(("GOOGLE_APPLICATION_CREDENTIALS", "{here}/README.md"), ("DB_PASSWORD", "short")),
    ],
)
def test_ordinary_values_are_no_secrets(
    secrets: Any, environment: Environment, project: Path, name: str, value: str
) -> None:
    value = value.format(here=project)
    environment(**{name: value})
    assert secrets.mask(f"it was {value}.") == f"it was {value}."


@pytest.mark.parametrize(
    "text",
    [
        "${oc.env:PLACE}",
        "at ${oc.env:PLACE} and more",
        "${oc.env:PLACE,default}",
        "${oc.select:first}",
        "${first}",
        "${oc.decode:${oc.env:QUOTED}}",
        "${oc.env:${oc.env:WHICH}}",
        "${group}",
    ],
)
def test_what_the_configuration_reads_from_the_environment(secrets: Any, environment: Environment, text: str) -> None:
    """It is kept as it is written, used as it is, and masked where it is shown, although no name marks it as secret."""
    environment(PLACE="correct horse, battery", QUOTED="'correct horse, battery'", WHICH="PLACE")
    cfg = OmegaConf.create({"first": "${oc.env:PLACE}", "group": {"list": ["${oc.env:PLACE}"]}, "value": text, "n": 1})
    written = secrets.public(cfg)
    assert written["value"] == text
    assert written["first"] == "${oc.env:PLACE}"
    assert written["n"] == 1
    assert "correct horse" not in json.dumps(written)
    used = str(OmegaConf.to_container(cfg, resolve=True)["value"])
    assert "correct horse, battery" in used
    assert "correct horse" not in secrets.mask(f"cannot open {used!r}")
    assert secrets.values_from_environment(cfg).keys() == {"first", "group.list.0", "value"}
    assert OmegaConf.to_container(OmegaConf.create(written), resolve=True) == OmegaConf.to_container(cfg, resolve=True)


def test_a_password_that_is_a_word_of_the_project_changes_nothing(secrets: Any, environment: Environment) -> None:
    environment(DB_PASSWORD="my_project", SONAR_PROJECT_KEY="my_project", GH_TOKEN="breast_cancer")
    cfg = OmegaConf.create(
        {"model": {"_target_": "my_project.models.cnn.CNN"}, "data": "breast_cancer", "a": "${data}"}
    )
    assert secrets.public(cfg) == {**OmegaConf.to_container(cfg, resolve=True)}
    secrets.refuse_in_configuration(cfg)
    secrets.refuse_in(["experiment=breast_cancer", "model._target_=my_project.models.cnn.CNN"])
    assert secrets.mask(str(cfg.model)) == "{'_target_': '***.models.cnn.CNN'}"


@pytest.mark.parametrize(
    "argument",
    [
        "note=correct-horse-battery",
        "data.source='a\\'b-c0rrect'",
        f"data.source={SIGNED}",
        "+x=postgres://me:my_project@host",
        "hub_token=breast_cancer",
        f"x=hf_{34 * 'a'}",
    ],
)
def test_a_secret_itself_is_refused(secrets: Any, environment: Environment, argument: str) -> None:
    ConfigError = importlib.import_module("reproml.errors").ConfigError
    environment(
        DB_PASSWORD="correct-horse-battery", A_TOKEN="a'b-c0rrect", B_TOKEN="breast_cancer", C_TOKEN="my_project"
    )
    key, _, value = argument.partition("=")
    with pytest.raises(ConfigError, match=r"=\*\*\* holds a secret, .* write \$\{oc.env:NAME\}"):
        secrets.refuse_in([argument])
    if "\\" not in value:
        with pytest.raises(ConfigError, match=r"holds a secret"):
            secrets.refuse_in_configuration(OmegaConf.create({"a": [{key.lstrip("+"): value}]}))
    by_name = "data.source=https://host.example/x?token=${oc.env:A_TOKEN}", "x=s3://me:${oc.env:A_TOKEN}@host"
    secrets.refuse_in(by_name)


@pytest.mark.parametrize("name", ["DATA_URL", "WANDB_BASE_URL"])
def test_an_address_from_the_environment_is_masked_in_parts(secrets: Any, environment: Environment, name: str) -> None:
    environment(**{name: SIGNED})
    assert OmegaConf.create({"source": "${oc.env:" + name + "}/train.csv"}).source.startswith(SIGNED)
    shown = secrets.mask(f"{SIGNED}/train.csv: no url: /data/x?{SIGNED.partition('?')[2]} on host.example")
    assert "3f2a9c71d0be" not in shown
    assert "AKIA" not in shown
    assert shown.endswith("on host.example")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at /x?a=1&X-Amz-Signature=3f%2B2a&b=2", "at /x?a=1&X-Amz-Signature=***&b=2"),
        ("<https://host/x?sv=2&sig=ab%3D>", "<https://host/x?sv=2&sig=***>"),
        ("'https://host/x?access_token=abc'", "'https://host/x?access_token=***'"),
        ("next=https%3A%2F%2Fhost%3Ftoken%3Dabc%26page%3D2", "next=https%3A%2F%2Fhost%3Ftoken%3D***%26page%3D2"),
        ("postgres://user:p@ss@host/db", "postgres://user:***@host/db"),
        (f"with ghp_{36 * 'a'}", "with ***"),
        ("at http://127.0.0.1:5000/?page=2, by me@example.com", None),
        ("the token=3 of sk-learn and task-is-a-word_that_is_long_enough", None),
    ],
)
def test_signatures_and_tokens_are_masked_wherever_they_come_from(secrets: Any, text: str, shown: str | None) -> None:
    assert secrets.mask(text) == (shown or text)


def test_every_log_record_is_masked_once_whatever_handler_writes_it(
    secrets: Any, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(DB_PASSWORD=SECRET)
    masking = importlib.import_module("reproml.secrets.masking")
    calls, mask = [], masking.mask
    monkeypatch.setattr(masking, "mask", lambda text: calls.append(text) or mask(text))
    log, streams = logging.Logger("of a library"), [io.StringIO(), io.StringIO()]
    for stream in streams:
        log.addHandler(logging.StreamHandler(stream))
    try:
        raise ValueError(SECRET)
    except ValueError:
        log.exception("with %s", SECRET, stack_info=True)
    assert len(calls) == 3  # message, traceback and stack
    log.error("nothing has failed", exc_info=True)
    for stream in streams:
        assert stream.getvalue().count("***") == 2
        assert "ValueError: ***" in stream.getvalue()
        assert stream.getvalue().endswith("nothing has failed\n")
        assert "c0rrect" not in stream.getvalue()


def test_a_warning_is_masked(
    secrets: Any, environment: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log of a trial and that of a job hold what the console shows."""
    environment(DB_PASSWORD=SECRET)
    masking = importlib.import_module("reproml.secrets.masking")
    monkeypatch.setattr(warnings, "showwarning", masking._show_masked)  # in place of pytest's
    warnings.showwarning(UserWarning(f"with {SECRET}"), UserWarning, "file.py", 1)
    shown = capsys.readouterr().err
    assert "UserWarning: with ***" in shown
    assert "c0rrect" not in shown


PRIVATE = """prod.env .env .env.production config/.env.local .npmrc .pypirc secrets.yaml secrets.yml secret.json
secrets.toml store.jks .netrc vault.kdbx .htpasswd
credentials credentials.json gcs-credentials.json service-account.json
service_account_key.json .docker/config.json .aws/config deploy/.ssh/known_hosts kubeconfig office.ovpn .git-credentials
ID_RSA id_ed25519.pub server.PEM deploy_rsa terraform.tfvars client_secret_1.json"""
ORDINARY = """.env.example src/my_project/credentials.py docs/credentials.md environment.yml
src/reproml/secrets/values.py docs/secrets.md keys.py data.json token.txt monkey.csv"""


def test_files_that_are_named_like_secrets(secrets: Any) -> None:
    assert [name for name in PRIVATE.split() if not secrets.is_private(PurePath(name))] == []
    assert [name for name in ORDINARY.split() if secrets.is_private(PurePath(name))] == []


def test_docker_leaves_out_the_same_files(project: Path) -> None:
    files = importlib.import_module("reproml.secrets.files")
    lines = (TEMPLATE / ".dockerignore").read_text().splitlines()
    assert "**/.*" in lines  # all hidden ones
    assert all(name.startswith(".") for name in files.PRIVATE_FOLDERS)
    names = [name for name in files.PRIVATE if not name.startswith(".")]
    assert [line for line in lines if line.startswith("**/")][-len(names) :] == [f"**/{name}" for name in names]
    kept = [name for name in files.NOT_PRIVATE if not name.startswith(".")]
    assert lines[-2 * len(kept) :] == [f"!{place}{name}" for name in kept for place in ("", "src/**/")]


@pytest.mark.parametrize(
    ("content", "before", "held"),
    [
        (b"my key is hunter2hunter2", b"", True),
        (b"nothing", b"my key was hunter2hunter2", True),
        (b"from my_project import CNN", b"", False),
        (PEM.encode(), b"", True),
        (b"# changed\n" + PEM.encode(), PEM.encode(), False),  # it is committed already
        (b"token: ghp_" + 36 * b"a", b"", True),
        (b"x = 'AKIAIOSFODNN7EXAMPLE'", b"", True),
        (b"\xff\xfe hunter2hunter2", b"", True),
        (b"def task(): pass", b"", False),
    ],
)
def test_files_that_hold_secrets(
    secrets: Any, environment: Environment, content: bytes, before: bytes, held: bool
) -> None:
    environment(DB_PASSWORD="hunter2hunter2", GH_TOKEN="my_project")
    assert secrets.holds_secret(content, before) is held


def test_the_log_of_the_server_says_why_it_failed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = importlib.import_module("reproml.serving.logs")

    async def failing(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("the weights are gone")

    scope = {"type": "http", "method": "GET", "path": "/model", "client": None}
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        logs.configure()
        asyncio.run(logs.RequestLog(failing)(scope, None, None))
    finally:
        logging.captureWarnings(False)
        logging.basicConfig(handlers=handlers, level=level, force=True)
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["status"]) == ("error", 500)
    assert line["traceback"].splitlines()[0] == "Traceback (most recent call last):"
    assert line["traceback"].splitlines()[-1] == "ValueError: the weights are gone"
