"""Masks secrets in errors, logs, reports and the output of executions.

Known secrets are found in all forms that requests, tools and formats use. In addition, everything
that looks like a secret is masked.
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
"""Maximum length of a message."""

_SHORTEST = 4
"""Minimum length of a secret: masking shorter ones would garble texts."""

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:SECRETS?|TOKEN|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|APIKEY"
    r"|(?:API|ACCESS|PRIVATE|ENCRYPTION|SIGNING|ACCOUNT)_KEY)(?:_|$)",
    re.IGNORECASE,
)
#: Values that are not secrets, whatever the name of their variable.
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
# A name that is followed by a secret; the name is kept.
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
    """Masks known secrets and everything that looks like one.

    :param secrets: values that must not be shown, in addition to those of the environment.
    """

    def __init__(
        self, secrets: Iterable[str] = (), environ: Mapping[str, str] | None = None
    ) -> None:
        known: set[str] = set()
        for secret in (*secrets, *_of_environment(os.environ if environ is None else environ)):
            known.update(_encoded_forms(secret))
        # Longest first: a secret may be part of another.
        ordered = sorted(
            (each for each in known if len(each) >= _SHORTEST), key=lambda it: (-len(it), it)
        )
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def mask(self, text: str) -> str:
        """Mask the secrets in ``text``."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        return _NAMED.sub(_keep_name, _TOKENS.sub(MASK, text))

    def clean(self, text: str, limit: int = MAX_MESSAGE) -> str:
        """Make ``text`` safe to display: masked, harmless, at most ``limit`` characters."""
        # Text far beyond the limit is dropped first, but not a secret at the limit.
        cut = len(text) > limit + 20_000
        text = self.mask(without_escapes(text[: limit + 20_000] if cut else text))
        if len(text) > limit or cut:
            text = f"{text[:limit]}…"
        return harmless(text)


def secrets_of_url(url: str) -> tuple[str, ...]:
    """Return possible secrets in a URL in any form: everything before its last ``@``.

    A password with ``/``, ``?`` or ``@`` is not where a parser expects a password.
    """
    before, at, _ = url.rpartition("@")
    if not at:
        return ()
    userinfo = _SCHEME.sub("", before)
    password = userinfo.partition(":")[2]
    if not password and len(userinfo) < 12:
        return ()  # only a user name
    found = (userinfo, password) if password else (userinfo,)
    # An error may only show a part, which was parsed as the port or the path.
    parts = re.split(r"[/?#@:\s]+", password or userinfo)
    return tuple(
        dict.fromkeys(
            each for form in (*found, *parts) for each in (form, unquote(form)) if len(each) >= 3
        )
    )


def secrets_of_headers(text: str) -> tuple[str, ...]:
    """Return possible secrets in lines of ``Name: value``: the values and their parts.

    Values shorter than eight characters are not secrets: ``X-Env: prod`` would mask half of a plan.
    """
    values = [line.partition(":")[2].strip() for line in text.splitlines()]
    parts = [part for value in values for part in re.split(r"[\s;,=]+", value)]
    return tuple(dict.fromkeys(each for each in (*values, *parts) if len(each) >= 8))


def without_userinfo(url: str) -> str:
    """Return ``url`` without everything between the scheme and its last ``@``."""
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
            # Kestra OSS reads secrets from SECRET_… variables in base64.
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


def _encoded_forms(secret: str) -> Iterable[str]:
    """Yield a secret as it is, and as encoded by formats and tools."""
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
    # A multi-line key is logged line by line.
    lines = [each.strip() for each in secret.splitlines()]
    yield from (each for each in lines if len(each) >= 8 and not each.startswith("-----"))


def _base64_forms(data: bytes) -> Iterable[str]:
    """Yield ``data`` in base64, alone or as part of other data, such as ``user:password``."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        alone = encode(data).decode()
        yield alone
        yield alone.rstrip("=")
        for before in range(3):
            # Three bytes become four characters; those at both ends depend on adjacent bytes.
            text = encode(bytes(before) + data).decode().rstrip("=")
            first = -(-before * 4 // 3)
            last = (before + len(data)) // 3 * 4
            inner = text[first:last]
            if len(inner) >= 8:
                yield inner
