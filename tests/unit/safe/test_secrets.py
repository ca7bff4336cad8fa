"""The masking of secrets in all output."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest

from kestra_sync.safe.secrets import Masker, secrets_of_url, without_userinfo


def clean(text: str, *secrets: str, limit: int = 4000, **environ: str) -> str:
    return Masker(secrets, environ).clean(text, limit)


@pytest.mark.parametrize(
    "secret",
    [
        "ghp_" + "a" * 36,
        "github_pat_" + "a1_" * 20,
        "glpat-" + "a" * 20,
        "AKIAIOSFODNN7EXAMPLE",
        "AIza" + "b" * 35,
        "xoxb-1234567890-abcdef",
        "sk_live_" + "c" * 24,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\ncut off in the mid",
    ],
)
def test_tokens_are_known_by_their_form(secret: str) -> None:
    assert clean(f"got {secret}") == "got ***"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password=hunter22 ok", "password=*** ok"),
        ('{"api_key": "abcd1234", "n": 1}', '{"api_key": "***", "n": 1}'),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "Authorization: Basic ***"),
        ("bearer abcdefghijklmnop", "bearer ***"),
        ("postgres://me:pa55@db/x", "postgres://***@db/x"),
        ("at http://me:pa/s?s@w@host:80/x y@z", "at http://***@host:80/x y@z"),
        ("https://token-only@host/x", "https://***@host/x"),
        ("the password was wrong", "the password was wrong"),
        ("basic authentication failed", "basic authentication failed"),
        ("http://host:8080/path", "http://host:8080/path"),
        ("commit 2b64e0b79bcf918a7a900549017ecb439c322d13", None),
    ],
)
def test_name__secret_by_its_name(text: str, shown: str | None) -> None:
    assert clean(text) == (shown or text)


def test_known_secrets_in_every_disguise() -> None:
    secret = 'p"ä ss/word'
    for form in (
        secret,
        "p%22%C3%A4%20ss%2Fword",
        'p\\"\\u00e4 ss/word',
        'p\\"ä ss/word',
        base64.b64encode(secret.encode()).decode(),
    ):
        assert clean(f"<{form}>", secret) == "<***>"


def test_secret__multiline_is_masked_line_by_line() -> None:
    secret = "-----BEGIN THING-----\nline-one-of-it\nline-two-of-it\n-----END THING-----"
    assert clean("x line-two-of-it y", secret) == "x *** y"


def test_secrets_of_the_environment() -> None:
    environ = {
        "KESTRA_PASSWORD": "pw12",
        "MY_API_KEY": "abcdef12",
        "SECRET_DB": base64.b64encode(b"inner-secret").decode(),
        "SECRET_NOT_BASE64": "plain secret!",
        "GITHUB_TOKEN_PERMISSIONS": "write",
        "PATH": "/usr/bin:/bin",
        "SHORT_TOKEN": "main2",
        "KEYBOARD": "qwertyuiop",
    }
    masker = Masker((), environ)
    text = "pw12 abcdef12 inner-secret plain secret! write /usr/bin:/bin main2 qwertyuiop"
    assert masker.clean(text) == "*** *** *** *** write /usr/bin:/bin main2 qwertyuiop"


def test_short_secrets_do_not_mask_everything() -> None:
    assert clean("a b c", "a", "") == "a b c"


def test_a_secret_at_the_limit_is_masked_before_the_cut() -> None:
    assert clean("x" * 10 + "topsecret", "topsecret", limit=14) == "xxxxxxxxxx***"
    assert clean("x" * 12 + "topsecret", "topsecret", limit=14) == "xxxxxxxxxxxx**…"


def test_clean__very_long_text_is_truncated_first() -> None:
    assert clean("y" * 100_000, limit=10) == "yyyyyyyyyy…"


def test_escape_sequences_are_taken_away() -> None:
    text = "\x1b[31mred\x1b[0m \x1b]0;title\x07bell \x1b]8;;http://x\x1b\\link \x9b2Jgone \x1b(Bset"
    assert clean(text) == "red bell link gone set"


@pytest.mark.parametrize(
    "url",
    ["http://me:{}@host", "me:{}@host", "//me:{}@host/x", "https://me:{}@host:99999/@x@"],
)
@pytest.mark.parametrize("secret", ["plain-secret", "a/b-secret", "p@s:s?secret", "a%2Fsecret"])
def test_the_userinfo_of_a_url_is_a_secret_however_it_is_written(url: str, secret: str) -> None:
    text = url.format(secret)
    assert secret not in without_userinfo(text)
    assert secret in secrets_of_url(text)[0]
    masker = Masker(secrets_of_url(text), {})
    for shown in (text, secret, secret.rpartition("/")[2], f"port '{secret}' is not a number"):
        assert secret.rpartition("/")[2] not in masker.mask(shown)


@pytest.mark.parametrize("before", ["", "a", "me:", "user:", "admin@example.com:"])
@pytest.mark.parametrize("after", ["", "}", "\n"])
def test_base64_is_decoded_wherever_it_contains_the_secret(before: str, after: str) -> None:
    secret = "Very-Secret+12345"
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        masked = clean(encode(f"{before}{secret}{after}".encode()).decode(), secret)
        # What is left are the letters that belong to what is around.
        assert len(masked) <= len(f"{before}{after}") * 4 / 3 + 12


def test_known_secrets_in_the_forms_of_reports() -> None:
    secret = "p<w>&'q\"/+ü"
    for form in (
        html.escape(secret),
        html.escape(secret, quote=False),
        html.escape(secret).replace("&#x27;", "&#39;"),
        html.escape(secret).replace("&#x27;", "&apos;"),
        json.dumps(json.dumps(secret))[3:-3],
        html.escape(json.dumps(secret)[1:-1]),
        quote(quote(secret, safe=""), safe=""),
        quote_plus(secret),
        quote(secret, safe="").lower(),
        repr(secret)[1:-1],
    ):
        assert clean(f"<{form}>", secret) == "<***>", form


def test_headers__are_secrets_but_for_short_values() -> None:
    headers = "CF-Access-Client-Secret: 0123456789abcdef\nX-Env: prod\nCookie: a=session-1234; b=1"
    shown = clean("0123456789abcdef prod session-1234", KESTRA_HEADERS=headers)
    assert shown == "*** prod ***"


def test_mask__masked_text_is_neutralized() -> None:
    assert clean("x\n::add-mask::y\u202e\x07") == "x\n\\x3a:add-mask::y\\u202e\\x07"
