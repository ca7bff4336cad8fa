from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from kestra_sync.client.credentials import Credentials, parse_address, resolve
from kestra_sync.client.places import check_one_server, has_url
from kestra_sync.client.request import KestraAuth, same_origin
from kestra_sync.errors import UsageError
from kestra_sync.safe.secrets import Masker

URL = "http://kestra:8080"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://localhost:8080", "http://localhost:8080"),
        (" http://localhost:8080/ ", "http://localhost:8080"),
        ("HTTPS://Kestra.Acme.IO/api/v1/", "https://kestra.acme.io"),
        ("https://acme.io/kestra/api/v1/main/flows", "https://acme.io/kestra"),
        ("https://acme.io/kestra/api", "https://acme.io/kestra"),
        ("https://acme.io/ui", "https://acme.io"),
        ("https://acme.io/ui/main/flows?page=1#x", "https://acme.io"),
        ("https://acme.io/uikit", "https://acme.io/uikit"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_base_url(text: str, url: str) -> None:
    assert parse_address(text).url == url


def test_credentials_leave_the_url() -> None:
    address = parse_address("https://me%40acme:p%3Aw@acme.io/")
    assert address.url == "https://acme.io"
    assert (address.username, address.password) == ("me@acme", "p:w")
    assert "p:w" not in repr(address)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("localhost:8080", "no scheme: localhost:8080"),
        ("me:secret@localhost", "no scheme: localhost"),
        ("ftp://me:secret@localhost", "must begin with"),
        ("http://me:secret@host:port", "is not valid: http://host:port"),
        ("http://", "is not valid"),
        ("http://me:secret@a b", "is not valid"),
        ("http://[::1", "is not valid"),
    ],
)
def test_bad_urls_do_not_show_secrets(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(text)
    assert words in caught.value.message
    assert "secret" not in f"{caught.value.message} {caught.value.remedy}"


def test_arguments_over_environment_over_file(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("KESTRA_API_URL=http://file\nKESTRA_TENANT=file\nKESTRA_TOKEN=file$x\n")
    before = dict(os.environ)
    found = resolve(env_file=env_file, environ={})
    assert found == Credentials("http://file", "file", "file$x")
    environ = {"KESTRA_API_URL": "http://env", "KESTRA_TOKEN": "env"}
    assert resolve(env_file=env_file, environ=environ) == Credentials("http://env", "main", "env")
    found = resolve(url=URL, token="arg", env_file=env_file, environ={"KESTRA_TOKEN": "env"})
    assert (found.url, found.token) == (URL, "arg")
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("text", "elsewhere"),
    [
        # The server of the file would get the token of the environment.
        ("KESTRA_API_URL=http://evil", {"KESTRA_TOKEN": "secret"}),
        ("KESTRA_API_URL=http://evil", {"KESTRA_USERNAME": "me", "KESTRA_PASSWORD": "secret"}),
        ("KESTRA_API_URL=http://evil\nKESTRA_USERNAME=me", {"KESTRA_PASSWORD": "secret"}),
        # The server of the environment would be written to with other credentials.
        ("KESTRA_TOKEN=secret", {"KESTRA_API_URL": "http://good"}),
        ("KESTRA_API_URL=http://evil\nKESTRA_TOKEN=secret", {"KESTRA_API_URL": "http://good"}),
        ("KESTRA_PASSWORD=secret", {"KESTRA_API_URL": "http://good", "KESTRA_USERNAME": "me"}),
        ("KESTRA_PASSWORD_FILE=x", {"KESTRA_API_URL": "http://good", "KESTRA_USERNAME": "me"}),
        ("KESTRA_TENANT=theirs", {"KESTRA_API_URL": "http://good", "KESTRA_TOKEN": "secret"}),
    ],
)
@pytest.mark.parametrize("typed", [False, True])
def test_env_file__is_used_completely_or_not_at_all(
    tmp_path: Path, text: str, elsewhere: dict[str, str], typed: bool
) -> None:
    """It is part of a checkout, and so perhaps of a pull request."""
    env_file = tmp_path / ".env"
    env_file.write_text(text)
    names = {"KESTRA_API_URL": "url"}
    names |= {f"KESTRA_{name.upper()}": name for name in ("token", "username", "password")}
    arguments: Any = {names[name]: value for name, value in elsewhere.items()} if typed else {}
    with pytest.raises(UsageError, match="cannot be used together") as caught:
        resolve(env_file=env_file, environ={} if typed else elsewhere, **arguments)
    assert "secret" not in f"{caught.value.message} {caught.value.remedy}"
    assert text.partition("=")[0] in caught.value.message or "TOKEN" in caught.value.message
    assert caught.value.remedy


def test_an_env_file_counts_as_a_whole(tmp_path: Path) -> None:
    """The same server set twice is not a mixture."""
    env_file = tmp_path / ".env"
    env_file.write_text("KESTRA_API_URL=http://here/ui\nKESTRA_TOKEN=t\nKESTRA_TENANT=ours\n")
    whole = Credentials("http://here", "ours", "t")
    assert resolve(env_file=env_file, environ={}) == whole
    assert resolve(url="http://here/", env_file=env_file, environ={}) == whole
    assert resolve(env_file=env_file, environ={"KESTRA_API_URL": "http://HERE"}).token == "t"
    assert resolve(tenant="x", env_file=env_file, environ={}).tenant == "x"
    for nothing in ("", "OTHER=1\n", "KESTRA_TOKEN=\n"):
        env_file.write_text(nothing)
        assert resolve(url=URL, env_file=env_file, environ={}).secrets == ()
    env_file.unlink()
    env_file.mkdir()  # a virtual environment
    assert resolve(url=URL, env_file=env_file, environ={}).secrets == ()


@pytest.mark.parametrize("name", ["KESTRA_PASSWORD_FILE", "KESTRA_TOKEN_FILE"])
def test_env_file__only_names_files_below_its_directory(tmp_path: Path, name: str) -> None:
    """Else it could have any file of this machine sent to its server."""
    checkout = tmp_path / "checkout"
    (checkout / "secrets").mkdir(parents=True)
    (checkout / "secrets" / "pw").write_text("pw\n")
    (tmp_path / "outside").write_text("not theirs")
    (checkout / "link").symlink_to(tmp_path / "outside")
    env_file = checkout / ".env"

    def found(path: str) -> Credentials:
        lines = ("KESTRA_API_URL=http://evil", "KESTRA_USERNAME=me", f"{name}={path}")
        env_file.write_text("\n".join(lines))
        return resolve(env_file=env_file, environ={})

    assert found("secrets/pw").secrets[0] == "pw"
    assert found(str(checkout / "secrets" / "pw")).secrets[0] == "pw"
    outside = [
        "../outside",
        str(tmp_path / "outside"),
        "link",
        "/proc/self/environ",
        "secrets/../../outside",
    ]
    for path in outside:
        with pytest.raises(UsageError, match="is outside") as caught:
            found(path)
        assert "not theirs" not in caught.value.message


@pytest.mark.parametrize("target", ["../outside", "/proc/self/environ"])
def test_an_env_file_is_not_a_link_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (tmp_path / "outside").write_text("KESTRA_API_URL=http://evil\nKESTRA_TOKEN=t")
    monkeypatch.chdir(checkout)
    Path(".env").symlink_to(target)
    with pytest.raises(UsageError, match="leaves the repository"):
        resolve(environ={})


@pytest.mark.parametrize(
    ("variables", "url", "tenant", "words"),
    [
        ({"KESTRA_API_URL": "http://dev"}, "http://prod", None, "http://dev, and .* http://prod"),
        ({"KESTRA_API_URL": "http://u:secret@dev"}, "http://prod", None, "http://dev, and"),
        ({"KESTRA_TENANT": "dev"}, None, "prod", "KESTRA_TENANT is dev, and .* prod"),
        ({"KESTRA_API_URL": "http://same"}, "http://same/ui", None, None),
        ({"KESTRA_API_URL": "http://dev"}, None, "prod", None),
        ({}, "http://prod", "prod", None),
    ],
)
def test_url__named_twice_must_be_equal(
    variables: dict[str, str], url: str | None, tenant: str | None, words: str | None
) -> None:
    """``-e prod`` must not go to dev since a variable was left over."""
    if words is None:
        check_one_server(variables, "kestra-sync.yaml", url, tenant)
        return
    with pytest.raises(UsageError, match=words) as caught:
        check_one_server(variables, "the environment prod in kestra-sync.yaml", url, tenant)
    assert "secret" not in caught.value.message
    assert "the environment prod in kestra-sync.yaml" in caught.value.message


def test_the_token_goes_first_within_a_place() -> None:
    environ = {"KESTRA_TOKEN": "t", "KESTRA_USERNAME": "me", "KESTRA_PASSWORD": "pw"}
    assert resolve(url=URL, environ=environ).username is None
    explicit = resolve(url=URL, username="you", password=" pw ", environ=environ)
    assert (explicit.token, explicit.username, explicit.password) == (None, "you", " pw ")


def test_user_and_password_may_come_from_two_places() -> None:
    found = resolve(url=URL, username="me", env_file=None, environ={"KESTRA_PASSWORD": "pw"})
    assert (found.username, found.password) == ("me", "pw")


def test_credentials_of_the_url_are_used() -> None:
    found = resolve(environ={"KESTRA_API_URL": "http://me:pw@kestra"})
    assert (found.url, found.username, found.password) == ("http://kestra", "me", "pw")
    found = resolve(environ={"KESTRA_API_URL": "http://me@kestra"})
    assert found.username is None


def test_secrets_from_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    assert resolve(url=URL, environ={"KESTRA_TOKEN_FILE": str(secret)}).token == "s3cret"
    environ = {"KESTRA_USERNAME": "me", "KESTRA_PASSWORD_FILE": str(secret)}
    assert resolve(url=URL, environ=environ).password == "s3cret"
    both = {"KESTRA_TOKEN": "direct", "KESTRA_TOKEN_FILE": str(tmp_path / "absent")}
    assert resolve(url=URL, environ=both).token == "direct"


def test_secret_files_that_cannot_be_used(tmp_path: Path) -> None:
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_text("\n")
    binary.write_bytes(b"\xff\xfe")
    for path, words in (
        (tmp_path / "absent", "No such file"),
        (empty, "is empty"),
        (binary, "not UTF-8"),
        ("a\x00b", "not a path"),
        ("x" * 300, "too long"),
    ):
        with pytest.raises(UsageError, match=words):
            resolve(url=URL, environ={"KESTRA_TOKEN_FILE": str(path)})


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "Kestra URL is not set"),
        ({"KESTRA_API_URL": " "}, "Kestra URL is not set"),
        ({"KESTRA_API_URL": URL, "KESTRA_USERNAME": "me"}, "KESTRA_PASSWORD is not"),
        ({"KESTRA_API_URL": URL, "KESTRA_PASSWORD": "pw"}, "KESTRA_USERNAME is not"),
        ({"KESTRA_API_URL": URL, "KESTRA_TOKEN": "secret\nx"}, "KESTRA_TOKEN has a line break"),
        (
            {"KESTRA_API_URL": URL, "KESTRA_USERNAME": "a:b", "KESTRA_PASSWORD": "secret"},
            "must not contain a colon",
        ),
    ],
)
def test_settings__invalid_combinations_are_refused(environ: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        resolve(env_file=None, environ=environ)
    assert "secret" not in str(caught.value)


def test_no_credentials_at_all() -> None:
    assert resolve(url=URL, environ={"KESTRA_TOKEN": ""}).secrets == ()


def test_unreadable_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file = tmp_path / ".env"
    env_file.write_bytes(b"KESTRA_TOKEN=\xff\xfe")
    with pytest.raises(UsageError, match="cannot be read: not UTF-8, in line 1"):
        resolve(url=URL, env_file=env_file, environ={})


def test_has_url(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert not has_url(None)
    assert has_url(URL)
    (tmp_path / ".env").write_text("KESTRA_API_URL=http://x\n")
    assert has_url(None)
    assert not has_url(None, None)
    monkeypatch.setenv("KESTRA_API_URL", URL)
    assert has_url(None, None)


def test_secrets__are_in_no_repr() -> None:
    both = Credentials(URL, token="tok-secret", username="me", password="pw-secret")
    assert "secret" not in f"{both!r} {both} {KestraAuth(both)!r}"
    assert repr(KestraAuth(Credentials(URL))) == "<KestraAuth none>"


def test_redaction() -> None:
    def mask(text: str, credentials: Credentials) -> str:
        return Masker(credentials.secrets, {}).mask(text)

    assert mask("geheim bWU6Z2VoZWlt", Credentials(URL, username="me", password="geheim")) == (
        "*** ***"
    )
    assert mask("abcdef", Credentials(URL, token="abc")) == "abcdef"
    assert mask("x", Credentials(URL)) == "x"


@pytest.mark.parametrize(
    ("there", "ours", "same"),
    [
        ("http://a/x", "http://a", True),
        ("http://a:80/x", "http://a", True),
        ("https://a/x", "http://a", True),
        ("https://a:8443/x", "http://a", False),
        ("http://a/x", "https://a", False),
        ("http://b/x", "http://a", False),
        ("http://a:81/x", "http://a", False),
        ("https://a:443/x", "https://a", True),
    ],
)
def test_same_origin(there: str, ours: str, same: bool) -> None:
    assert same_origin(there, ours) is same
