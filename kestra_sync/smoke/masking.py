"""Makes what an execution says fit to be shown: no secrets, no escapes, no commands, no end of it.

Whoever can change what a task prints can write to the log of our CI job. So nothing of it may be
taken for an instruction by a terminal or by the machine that reads the log.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

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
    | (?P<url>\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{0,200}:)(?P<userinfo>[^\s/@]{1,200})(?=@)""",
    re.VERBOSE | re.IGNORECASE,
)
# CSI, OSC and the like, two-character escapes, and the C1 form of CSI.
_ESCAPES = re.compile(
    "\x1b(?:\\[[0-?]*[ -/]*[@-~]|[\\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\)?|[ -/]*[0-Z\\\\^-~])"
    "|\x9b[0-?]*[ -/]*[@-~]"
)
# GitHub and Azure obey `##[error]` and `##vso[…]` anywhere in a line, `::error::` at its begin.
_COMMAND_AT_BEGIN = re.compile(r"^(\s*):(?=:)", re.MULTILINE)
_COMMAND_ANYWHERE = re.compile(r"##(?=\w{0,20}\[)")


class Masker:
    """Takes known secrets and whatever looks like one out of texts.

    :param secrets: values that must not be shown, beside those of the environment.
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

    def clean(self, text: str, limit: int = MAX_MESSAGE) -> str:
        """``text`` as it may be shown, at most ``limit`` characters of it."""
        # What is far beyond the limit need not be looked at; a secret at the limit must be.
        cut = len(text) > limit + 20_000
        text = _ESCAPES.sub("", text[: limit + 20_000] if cut else text)
        if self._known is not None:
            text = self._known.sub(MASK, text)
        text = _NAMED.sub(_keep_name, _TOKENS.sub(MASK, text))
        if len(text) > limit or cut:
            text = f"{text[:limit]}…"
        return neutral(text)


def neutral(text: str) -> str:
    """``text`` without anything that CI would take for a command, and else the same."""
    return _COMMAND_ANYWHERE.sub("## ", _COMMAND_AT_BEGIN.sub(r"\1: ", text))


def _keep_name(match: re.Match[str]) -> str:
    return f"{match['name'] or match['scheme'] or match['url']}{MASK}"


def _of_environment(environ: Mapping[str, str]) -> Iterable[str]:
    for name, value in environ.items():
        if _SECRET_NAME.search(name) and value.lower() not in _HARMLESS_VALUES:
            if len(value) >= 6 or name in ("KESTRA_TOKEN", "KESTRA_PASSWORD"):
                yield value
            # The open-source Kestra takes its secrets from SECRET_… in base64.
            if name.startswith("SECRET_"):
                yield from _decoded(value)


def _decoded(value: str) -> Iterable[str]:
    try:
        yield base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return


def _disguises(secret: str) -> Iterable[str]:
    """A secret as it stands, and as it looks after passing through what tasks use."""
    secret = secret.strip()
    if len(secret) < _SHORTEST:
        return
    yield secret
    yield quote(secret, safe="")
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield base64.b64encode(secret.encode()).decode()
    # A key of many lines is logged line by line.
    lines = [each.strip() for each in secret.splitlines()]
    yield from (each for each in lines if len(each) >= 8 and not each.startswith("-----"))
