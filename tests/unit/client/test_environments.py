"""Which credentials go to which server, by environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from kestra_sync.client.credentials import from_environment, resolve
from kestra_sync.client.login import LoginScope, suffix_of
from kestra_sync.client.places import known_secrets
from kestra_sync.errors import UsageError

DEV, PROD = "http://dev.acme.io", "http://prod.acme.io"
#: The configuration names the server of the environment.
CONFIGURED = LoginScope("prod", configured=True)


def test_names_end_with_the_environment() -> None:
    assert suffix_of("prod-eu.1") == "PROD_EU_1"
    names = dict(LoginScope("file").names())
    assert "KESTRA_TOKEN_FILE" not in names  # is the file of the general token
    assert names["KESTRA_PASSWORD_FILE_FILE"] == "KESTRA_PASSWORD_FILE"


def test_environment__gets_only_its_own_credentials() -> None:
    environ = {
        "KESTRA_USERNAME": "me",
        "KESTRA_PASSWORD": "general",
        "KESTRA_TOKEN_DEV": "of-dev",
        "KESTRA_USERNAME_PROD": "robot",
        "KESTRA_PASSWORD_PROD": "of-prod",
        "KESTRA_HEADERS_PROD": "X-Access: x",
    }
    dev = resolve(url=DEV, env_file=None, environ=environ, scope=LoginScope("dev", configured=True))
    assert (dev.token, dev.username, dev.password, dev.headers) == ("of-dev", None, None, ())
    prod = resolve(url=PROD, env_file=None, environ=environ, scope=CONFIGURED)
    assert (prod.token, prod.username, prod.password) == (None, "robot", "of-prod")
    assert prod.headers == (("X-Access", "x"),)
    # The server may also come from the environment.
    named = {**environ, "KESTRA_API_URL": PROD}
    assert resolve(env_file=None, environ=named, scope=LoginScope("prod")).password == "of-prod"


@pytest.mark.parametrize(
    "environ",
    [
        {"KESTRA_TOKEN": "general"},
        {"KESTRA_USERNAME": "me", "KESTRA_PASSWORD": "general"},
        {"KESTRA_HEADERS": "X-Access: general"},
        {"KESTRA_TOKEN": "general", "KESTRA_TOKEN_DEV": "of-dev"},
    ],
)
def test_credentials__without_a_server_are_not_sent_to_a_configured_one(
    environ: dict[str, str],
) -> None:
    with pytest.raises(UsageError, match=r"is not sent to http://prod\.acme\.io") as error:
        resolve(url=PROD, env_file=None, environ=environ, scope=CONFIGURED)
    assert "_PROD" in (error.value.remedy or "")
    assert "general" not in f"{error.value.message}{error.value.remedy}".replace("credentials", "")
    # Typed by the user, the server gets them.
    assert resolve(url=PROD, env_file=None, environ=environ, scope=LoginScope("prod"))


def test_without_credentials_a_configured_server_is_asked_without() -> None:
    found = resolve(url=PROD, env_file=None, environ={}, scope=CONFIGURED)
    assert (found.token, found.username, found.headers) == (None, None, ())


def test_the_configuration_may_name_the_variable() -> None:
    scope = LoginScope("prod", "ACME_KESTRA", configured=True)
    environ = {"ACME_KESTRA": "named", "KESTRA_TOKEN_PROD": "other"}
    assert resolve(url=PROD, env_file=None, environ=environ, scope=scope).token == "named"
    general = LoginScope("prod", "KESTRA_TOKEN", configured=True)
    environ = {"KESTRA_TOKEN": "one for each job"}
    found = resolve(url=PROD, env_file=None, environ=environ, scope=general)
    assert found.token == "one for each job"
    with pytest.raises(UsageError, match="ACME_KESTRA is not set"):
        resolve(url=PROD, env_file=None, environ={"KESTRA_TOKEN": "x"}, scope=scope)


def test_env_file__does_not_redirect_credentials(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    # Its server does not get what the environment has for an environment.
    file.write_text("KESTRA_API_URL=http://evil\n")
    with pytest.raises(UsageError, match="a file in the repository must not"):
        resolve(env_file=file, environ={"KESTRA_TOKEN_PROD": "t"}, scope=LoginScope("prod"))
    # What it has for an environment goes to the configured server, but mixes with nothing.
    file.write_text("KESTRA_USERNAME_PROD=robot\nKESTRA_PASSWORD_PROD=in-file\n")
    found = resolve(url=PROD, env_file=file, environ={}, scope=CONFIGURED)
    assert (found.username, found.password) == ("robot", "in-file")
    own = resolve(url=PROD, env_file=file, environ={"KESTRA_TOKEN_PROD": "mine"}, scope=CONFIGURED)
    assert (own.token, own.username) == ("mine", None)
    # Its general ones are not for that server either.
    file.write_text("KESTRA_TOKEN=general\n")
    with pytest.raises(UsageError, match="KESTRA_TOKEN is not sent"):
        resolve(url=PROD, env_file=file, environ={}, scope=CONFIGURED)


def test_the_server_of_an_env_file_does_not_count_beside_credentials_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.write_text(f"KESTRA_API_URL={DEV}\nKESTRA_TOKEN=dev\n")
    for name in ("KESTRA_API_URL", "KESTRA_TOKEN", "KESTRA_USERNAME", "KESTRA_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    assert from_environment(file)["KESTRA_API_URL"] == DEV
    monkeypatch.setenv("KESTRA_TOKEN_PROD", "t")
    assert from_environment(file, LoginScope("prod")) == {}


def test_secrets_of_every_environment_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KESTRA_TOKEN_PROD", "token-of-prod")
    monkeypatch.setenv("KESTRA_USERNAME_DEV", "robot")
    monkeypatch.setenv("KESTRA_PASSWORD_DEV", "password-of-dev")
    monkeypatch.setenv("KESTRA_HEADERS_DEV", "X-Access: header-of-dev")
    known = known_secrets(None, None)
    assert {"token-of-prod", "password-of-dev", "robot:password-of-dev"} <= set(known)
    assert any("header-of-dev" in each for each in known)
