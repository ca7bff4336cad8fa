"""What an execution says, made fit to be shown."""

from __future__ import annotations

import base64

import pytest

from kestra_sync.smoke.masking import Masker, neutral


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
        ("postgres://me:pa55@db/x", "postgres://me:***@db/x"),
        ("the password was wrong", "the password was wrong"),
        ("basic authentication failed", "basic authentication failed"),
        ("http://host:8080/path", "http://host:8080/path"),
        ("commit 2b64e0b79bcf918a7a900549017ecb439c322d13", None),
    ],
)
def test_what_a_name_gives_away(text: str, shown: str | None) -> None:
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


def test_a_secret_of_many_lines_is_known_by_each() -> None:
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


def test_very_long_texts_are_not_even_looked_at_whole() -> None:
    assert clean("y" * 100_000, limit=10) == "yyyyyyyyyy…"


def test_escape_sequences_are_taken_away() -> None:
    text = "\x1b[31mred\x1b[0m \x1b]0;title\x07bell \x1b]8;;http://x\x1b\\link \x9b2Jgone \x1b(Bset"
    assert clean(text) == "red bell link gone set"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::set-output name=x::y", ": :set-output name=x::y"),
        ("ok\n  ::error::no", "ok\n  : :error::no"),
        ("a ##[group]b", "a ## [group]b"),
        ("##vso[task.setvariable]x", "## vso[task.setvariable]x"),
        ("a::b ## heading", "a::b ## heading"),
    ],
)
def test_nothing_is_left_for_ci_to_obey(text: str, shown: str) -> None:
    assert neutral(text) == shown
