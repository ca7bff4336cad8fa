"""Masks secrets in texts: one masker, for errors, logs, reports and output of executions.

Known secrets are found in the forms in which requests, tools and formats carry them; besides,
whatever looks like a secret is taken for one.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import os
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus, unquote

from kestra_sync.safe.text import harmless, without_escapes

MASK = "***"
MAX_MESSAGE = 4000
"""Characters of one message that are kept."""

_SHORTEST = 4
"""A secret shorter than this would mask half of every text."""

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:SECRETS?|TOKEN|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|APIKEY"
    r"|(?:API|ACCESS|PRIVATE|ENCRYPTION|SIGNING|ACCOUNT)_KEY)(?:_|$)",
    re.IGNORECASE,
)
#: Names that look like secrets and hold none.
_HARMLESS_VALUES = frozenset({"true", "false", "none", "null", "read", "write", "main"})

_TOKENS = re.compile(
    r"""
    -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----.*?(?:-----END\ [A-Z ]*PRIVATE\ KEY-----|\Z)
    | \bgh[opsur]_[A-Za-z0-9]{20,} | \bgithub_pat_[A-Za-z0-9_]{20,}       # GitHub
    | \bgl[a-z]{2,5}-[A-Za-z0-9_-]{20,}                                   # GitLab
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                                       # AWS
    | \bAIza[A-Za-z0-9_-]{35}\b | \bya29\.[A-Za-z0-9_-]{20,}              # Google
    | \bxox[abeoprs]-[A-Za-z0-9-]{10,}                                    # Slack
    | \b[sr]k_(?:live|test)_[A-Za-z0-9]{10,}                              # Stripe
    | \bsk-[A-Za-z0-9_-]{20,}                                             # OpenAI and others
    | \b(?:npm|pypi|dop_v1|hvs|hf)[_.-][A-Za-z0-9_-]{20,}
    | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?      # JWT
    """,
    re.VERBOSE | re.DOTALL,
)
# A name that says that a secret follows; the name stays.
_NAMED = re.compile(
    r"""(?P<name>(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|client[_-]?secret)
        ["']?\s{0,3}[:=]\s{0,3}["']?)(?P<value>[^\s"'&,;<>{}]{4,})
    | (?P<scheme>\b(?:authorization["']?\s{0,3}[:=]\s{0,3}["']?(?:basic|bearer)|bearer)\s{1,3})
      (?P<credentials>[A-Za-z0-9._~+/=-]{12,})
    | (?P<url>\b[a-z][a-z0-9+.-]{1,20}:/{1,3})(?P<userinfo>[^\s/:@?\#]{0,200}:[^\s]{0,200})(?=@)
    | (?P<user_only>\bhttps?://)(?P<user>[^\s/@]{1,200})(?=@)""",
    re.VERBOSE | re.IGNORECASE,
)
_URL_VARIABLE = re.compile(r"(?:^|_)URL(?:_|$)|_PROXY$", re.IGNORECASE)
_SCHEME = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*:/{1,3}|https?:|/{1,3})?", re.IGNORECASE)


class Masker:
    """Takes known secrets and whatever looks like one out of texts.

    :param secrets: values that must not be shown, in addition to those of the environment.
    """

    def __init__(
        self, secrets: Iterable[str] = (), environ: Mapping[str, str] | None = None
    ) -> None:
        known: set[str] = set()
        for secret in (*secrets, *_of_environment(os.environ if environ is None else environ)):
            known.update(_disguises(secret))
        # The longest first: of two secrets one may be a part of the other.
        ordered = sorted(
            (each for each in known if len(each) >= _SHORTEST), key=lambda it: (-len(it), it)
        )
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def mask(self, text: str) -> str:
        """``text`` without secrets."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        return _NAMED.sub(_keep_name, _TOKENS.sub(MASK, text))

    def clean(self, text: str, limit: int = MAX_MESSAGE) -> str:
        """``text`` as it may be shown: without secrets, harmless, at most ``limit`` characters."""
        # Text far beyond the limit can be ignored; a secret at the limit cannot.
        cut = len(text) > limit + 20_000
        text = self.mask(without_escapes(text[: limit + 20_000] if cut else text))
        if len(text) > limit or cut:
            text = f"{text[:limit]}…"
        return harmless(text)


def secrets_of_url(url: str) -> tuple[str, ...]:
    """What may be a secret in a URL, however it is written: all that is before its last ``@``.

    A password with a ``/``, a ``?`` or an ``@`` in it does not stand where a password should.
    """
    before, at, _ = url.rpartition("@")
    if not at:
        return ()
    userinfo = _SCHEME.sub("", before)
    password = userinfo.partition(":")[2]
    if not password and len(userinfo) < 12:
        return ()  # a name
    found = (userinfo, password) if password else (userinfo,)
    # A part of it may be all that an error shows: what was taken for the port or the path.
    parts = re.split(r"[/?#@:\s]+", password or userinfo)
    return tuple(
        dict.fromkeys(
            each for form in (*found, *parts) for each in (form, unquote(form)) if len(each) >= 3
        )
    )


def secrets_of_headers(text: str) -> tuple[str, ...]:
    """What may be a secret in lines of ``Name: value``: the values, and what is in them.

    What is shorter than eight characters is not: ``X-Env: prod`` would mask half of a plan.
    """
    values = [line.partition(":")[2].strip() for line in text.splitlines()]
    parts = [part for value in values for part in re.split(r"[\s;,=]+", value)]
    return tuple(dict.fromkeys(each for each in (*values, *parts) if len(each) >= 8))


def without_userinfo(url: str) -> str:
    """``url`` as it may be shown: all that is before its last ``@`` taken out, but the scheme."""
    before, at, after = url.rpartition("@")
    if not at:
        return url
    scheme = re.match(r"\s*([a-z][a-z0-9+.-]*:/{1,3})", before, re.IGNORECASE)
    return f"{scheme.group(1) if scheme else ''}{after}"


def _keep_name(match: re.Match[str]) -> str:
    kept = match["name"] or match["scheme"] or match["url"] or match["user_only"]
    return f"{kept}{MASK}"


def _of_environment(environ: Mapping[str, str]) -> Iterable[str]:
    for name, value in environ.items():
        if _SECRET_NAME.search(name) and value.lower() not in _HARMLESS_VALUES:
            if len(value) >= 6 or name in ("KESTRA_TOKEN", "KESTRA_PASSWORD"):
                yield value
            # The open-source Kestra takes its secrets from SECRET_… in base64.
            if name.startswith("SECRET_"):
                yield from _decoded(value)
        elif name == "KESTRA_HEADERS":
            yield from secrets_of_headers(value)
        elif _URL_VARIABLE.search(name):
            yield from secrets_of_url(value)


def _decoded(value: str) -> Iterable[str]:
    try:
        yield base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return


def _disguises(secret: str) -> Iterable[str]:
    """A secret as it stands, and as it looks after passing through formats and tools."""
    secret = secret.strip()
    if len(secret) < _SHORTEST:
        return
    forms = {secret}
    for safe in ("", "/", "!$&'()*+,;=:@/"):
        forms.add(quote(secret, safe=safe))
    forms.add(quote_plus(secret))
    forms |= {re.sub(r"%[0-9A-F]{2}", lambda it: it.group().lower(), form) for form in forms}
    forms |= {quote(form, safe="") for form in forms}  # a URL in a URL
    for ascii_only in (True, False):
        as_json = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        forms |= {as_json, as_json.replace("/", "\\/"), json.dumps(as_json)[1:-1]}
    forms.add(repr(secret)[1:-1])
    for form in tuple(forms):
        escaped = html.escape(form, quote=False)
        for double in ('"', "&quot;", "&#34;"):
            for single in ("'", "&#x27;", "&#39;", "&apos;"):
                forms.add(escaped.replace('"', double).replace("'", single))
    yield from forms
    yield from _base64_forms(secret.encode())
    # A key of many lines is logged line by line.
    lines = [each.strip() for each in secret.splitlines()]
    yield from (each for each in lines if len(each) >= 8 and not each.startswith("-----"))


def _base64_forms(data: bytes) -> Iterable[str]:
    """``data`` in base64, alone or in the middle of something, such as ``user:password``."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        alone = encode(data).decode()
        yield alone
        yield alone.rstrip("=")
        for before in range(3):
            # Three bytes are four letters; those at both ends depend on what is around.
            text = encode(bytes(before) + data).decode().rstrip("=")
            first = -(-before * 4 // 3)
            last = (before + len(data)) // 3 * 4
            inner = text[first:last]
            if len(inner) >= 8:
                yield inner
