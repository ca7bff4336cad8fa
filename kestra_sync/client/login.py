"""The variables with credentials: those of one environment, and headers.

Those of one environment take precedence: ``KESTRA_TOKEN_PROD`` in place of ``KESTRA_TOKEN``.
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
#: The variables that say who we are, of any environment.
LOGIN = (TOKEN, TOKEN_FILE, USERNAME, PASSWORD, PASSWORD_FILE, HEADERS)

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
#: Those that say what a request or answer is.
_OWN_HEADERS = frozenset(
    {
        *("accept", "accept-encoding", "connection", "content-encoding", "content-length"),
        *("content-type", "expect", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)


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


def parse_headers(text: str, *, login: bool = False) -> tuple[tuple[str, str], ...]:
    """The headers in ``text``, one ``Name: value`` per line.

    :param login: whether there is a token or password, which has a header of its own.
    :raises UsageError: a line that is not a header, or one of a header that is not to be set.
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
