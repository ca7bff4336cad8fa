"""The server's URL as a user writes it, and whose credentials are for it.

Those of one environment go first: ``KESTRA_TOKEN_PROD`` in place of ``KESTRA_TOKEN``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from kestra_sync.errors import UsageError
from kestra_sync.safe.secrets import without_userinfo

# What follows the base if the URL is copied from the browser or from API documentation.
_TAIL = re.compile(r"(/api(/v1(/.*)?)?|/ui(/.*)?)$")


@dataclass(frozen=True)
class Address:
    """A base URL without credentials, and the credentials that stood in it."""

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def parse_address(text: str) -> Address:
    """``https://me:pw@host/kestra/ui/main/flows`` is ``https://host/kestra``, me and pw.

    :raises UsageError: no ``http://`` or ``https://``, no host, a bad port, an ``@`` in the path.
    """
    text = text.strip()
    shown = without_userinfo(text)
    if not re.match(r"https?://", text, re.IGNORECASE):
        if "://" in shown:
            raise UsageError(f"the Kestra URL must begin with http:// or https://: {shown}")
        raise UsageError(
            f"the Kestra URL has no scheme: {shown}",
            remedy=f"write http://{shown} or https://{shown}",
        )
    rest = text.partition("://")[2]
    end = re.search(r"[/?#\\]", rest)
    if end is not None and "@" in rest[end.end() :]:
        # `http://me:pa/ss@host` is a password with a slash: who reads it literally has the host
        # `me` and the port `pa`, and would send or show the rest.
        raise UsageError(
            f"the Kestra URL has an @ after a slash or another special character: {shown}",
            remedy="set KESTRA_USERNAME and KESTRA_PASSWORD instead, or percent-encode them",
        )
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UsageError(f"the Kestra URL is not valid: {shown}") from None
    if not host or re.search(r"\s", text):
        raise UsageError(f"the Kestra URL is not valid: {shown}")
    netloc = f"[{host}]" if ":" in host else host
    if port is not None:
        netloc += f":{port}"
    path = _TAIL.sub("", parts.path.rstrip("/")).rstrip("/")
    return Address(
        url=f"{parts.scheme.lower()}://{netloc}{path}",
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


TOKEN, TOKEN_FILE = "KESTRA_TOKEN", "KESTRA_TOKEN_FILE"
USERNAME = "KESTRA_USERNAME"
PASSWORD, PASSWORD_FILE = "KESTRA_PASSWORD", "KESTRA_PASSWORD_FILE"
HEADERS = "KESTRA_HEADERS"
#: The variables that say who we are, of any environment.
LOGIN = (TOKEN, TOKEN_FILE, USERNAME, PASSWORD, PASSWORD_FILE, HEADERS)


@dataclass(frozen=True)
class LoginScope:
    """Whose credentials are wanted.

    :param environment: the environment of the run; ``None`` for one without.
    :param token_env: the variable that the configuration names for its token.
    :param configured: the configuration names the server: credentials that were given without a
        server are not for it.
    """

    environment: str | None = None
    token_env: str | None = None
    configured: bool = False

    def names(self) -> Iterator[tuple[str, str]]:
        """Each variable of the environment, and the general one that it replaces."""
        if self.token_env is not None:
            yield self.token_env, TOKEN
        if self.environment:
            suffix = suffix_of(self.environment)
            for name in LOGIN:
                if f"{name}_{suffix}" not in LOGIN:  # an environment may be called `file`
                    yield f"{name}_{suffix}", name

    def of(self, values: Mapping[str, str | None]) -> dict[str, str | None]:
        """The credentials of the environment in ``values``, under their general names."""
        found: dict[str, str | None] = {}
        for name, general in self.names():
            if (values.get(name) or "").strip():
                found.setdefault(general, values[name])
        return found

    def over(self, values: Mapping[str, str | None]) -> dict[str, str | None]:
        """``values`` with the credentials of the environment in place of the general ones."""
        own = self.of(values)
        if not own:
            return dict(values)
        return {**{name: each for name, each in values.items() if name not in LOGIN}, **own}


#: Those of a run without an environment.
GENERAL = LoginScope()


def suffix_of(environment: str) -> str:
    """What an environment's variables end with: ``PROD_EU`` for ``prod-eu``."""
    return re.sub(r"[^A-Z0-9]", "_", environment.upper())


def not_for_it(url: str, scope: LoginScope, given: list[str]) -> UsageError:
    """The error for credentials that were given without a server, which is not to get them.

    :param given: the variables that hold them.
    """
    where = f"the environment {scope.environment}" if scope.environment else "the configuration"
    names = " and ".join(given)
    if scope.environment:
        suffix = suffix_of(scope.environment)
        own = " and ".join(f"{each}_{suffix}" for each in given)
        remedy = f"set {own} for this environment, or KESTRA_API_URL to the same URL"
    else:
        remedy = "set KESTRA_API_URL to the same URL, or pass --url"
    return UsageError(
        f"{names} is not sent to {url}, which {where} names: credentials given without a server"
        " could be meant for another one",
        remedy=remedy,
    )
