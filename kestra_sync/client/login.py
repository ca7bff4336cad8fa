"""The variables with credentials, general and per environment, and extra headers.

Those of an environment take precedence: ``KESTRA_TOKEN_PROD`` over ``KESTRA_TOKEN``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kestra_sync.errors import UsageError

TOKEN, TOKEN_FILE = "KESTRA_TOKEN", "KESTRA_TOKEN_FILE"
USERNAME = "KESTRA_USERNAME"
PASSWORD, PASSWORD_FILE = "KESTRA_PASSWORD", "KESTRA_PASSWORD_FILE"
HEADERS = "KESTRA_HEADERS"
#: The variables with credentials, without the suffix of an environment.
LOGIN = (TOKEN, TOKEN_FILE, USERNAME, PASSWORD, PASSWORD_FILE, HEADERS)

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
#: Headers that kestra-sync or the HTTP protocol sets.
_OWN_HEADERS = frozenset(
    {
        *("accept", "accept-encoding", "connection", "content-encoding", "content-length"),
        *("content-type", "expect", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)


@dataclass(frozen=True)
class LoginScope:
    """Which credentials to use.

    :param environment: the environment of the run, if any.
    :param token_env: the variable that the configuration names for its token.
    :param configured: the configuration names the server, so credentials that are set without a
        server are not sent to it.
    """

    environment: str | None = None
    token_env: str | None = None
    configured: bool = False

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield each variable of the environment, and the general one that it replaces."""
        if self.token_env is not None:
            yield self.token_env, TOKEN
        if self.environment:
            suffix = suffix_of(self.environment)
            for name in LOGIN:
                if f"{name}_{suffix}" not in LOGIN:  # an environment may be called `file`
                    yield f"{name}_{suffix}", name

    def of(self, values: Mapping[str, str | None]) -> dict[str, str | None]:
        """Return the credentials of the environment in ``values``, under their general names."""
        found: dict[str, str | None] = {}
        for name, general in self.names():
            if (values.get(name) or "").strip():
                found.setdefault(general, values[name])
        return found

    def over(self, values: Mapping[str, str | None]) -> dict[str, str | None]:
        """Return ``values`` with the environment's credentials in place of the general ones."""
        own = self.of(values)
        if not own:
            return dict(values)
        return {**{name: each for name, each in values.items() if name not in LOGIN}, **own}


#: The credentials of a run without an environment.
GENERAL = LoginScope()


def suffix_of(environment: str) -> str:
    """Return the suffix of an environment's variables: ``PROD_EU`` for ``prod-eu``."""
    return re.sub(r"[^A-Z0-9]", "_", environment.upper())


def not_for_it(url: str, scope: LoginScope, given: list[str]) -> UsageError:
    """Return the error for credentials that are set without a server, and so are not sent.

    :param given: the variables with these credentials.
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


def parse_headers(text: str, *, login: bool = False) -> tuple[tuple[str, str], ...]:
    """Parse the headers in ``text``, one ``Name: value`` per line.

    :param login: there is a token or password, which sets ``Authorization``.
    :raises UsageError: a line is not a header, or a header may not be set.
    """
    found: list[tuple[str, str]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip()
        where = f"{HEADERS}, line {number}"  # its value is secret
        if not colon or not _HEADER_NAME.fullmatch(name):
            raise UsageError(f"{where}: not a valid header", remedy="write it as Name: value")
        if not value or not (value.isascii() and value.isprintable()):
            raise UsageError(f"{where}: the value of {name} is empty or not printable ASCII")
        if name.lower() in _OWN_HEADERS:
            raise UsageError(f"{where}: {name} is set by kestra-sync itself")
        if name.lower() == "authorization" and login:
            raise UsageError(
                f"{where}: Authorization is set from {TOKEN} or {USERNAME} already",
                remedy="set only one of them",
            )
        if name.lower() in {each.lower() for each, _ in found}:
            raise UsageError(f"{where}: {name} is set more than once")
        found.append((name, value))
    return tuple(found)
