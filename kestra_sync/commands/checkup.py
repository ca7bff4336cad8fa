"""The results of ``doctor``, and its checks of the connection."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

from kestra_sync.client.client import ServerInfo
from kestra_sync.client.network import ConnectionInfo, NetworkRoute
from kestra_sync.errors import ExitCode, KestraSyncError
from kestra_sync.inventory.read import server_of
from kestra_sync.model import StrEnum, plural
from kestra_sync.version import __version__

#: The versions of Kestra that the tests run on.
_TESTED = ((1, 3), (2, 0))
_SOON = timedelta(days=21)
#: Seconds; a ``Date`` header is only exact to one, and the request takes time as well.
_APART = 30


class Health(StrEnum):
    """The result of a check; stable in the JSON."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Checkup:
    """One check and its result.

    :param remedy: what to do about it, if anything.
    :param exit_code: the exit code of a plan that fails because of it.
    :param stops_apply: a plan can be made, but the server would reject an apply.
    """

    question: str
    health: Health
    answer: str
    remedy: str | None = None
    exit_code: ExitCode = ExitCode.OK
    stops_apply: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """All checks, in the order in which they were made."""

    checkups: tuple[Checkup, ...]

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the first failed check: later failures may be consequences."""
        failed = (each.exit_code for each in self.checkups if each.health is Health.FAILED)
        return next(failed, ExitCode.OK)

    @property
    def stops_apply(self) -> bool:
        """Whether a plan can be made and an apply cannot."""
        return any(each.stops_apply for each in self.checkups)


def run_check(question: str, answer: Callable[[], Checkup]) -> Checkup:
    """Run a check; an error of the run becomes its result."""
    try:
        return answer()
    except KestraSyncError as error:
        return Checkup(question, Health.FAILED, error.message, error.remedy, error.exit_code)


def network(route: NetworkRoute) -> Checkup:
    """Report the proxy and the trusted CAs, on which every connection depends."""
    if route.proxy:
        words = f"to {route.host} through the proxy {route.proxy} ({route.proxy_variable})"
    elif route.bypassed:
        words = f"to {route.host} directly: NO_PROXY excludes it from {route.proxy_variable}"
    else:
        words = f"to {route.host} directly, without a proxy"
    if route.ca_variable:
        words += f"; trusts the CAs of {route.ca_bundle} ({route.ca_variable})"
    return Checkup("network", Health.OK, words)


def tls(url: str, info: ConnectionInfo, now: datetime | None = None) -> Checkup:
    """Check how long the certificate is valid; it was verified with the first request."""
    if urlsplit(url).scheme != "https":
        if server_of(url).partition("/")[0] == "localhost":
            return Checkup("tls", Health.OK, "not needed: the server is on this machine")
        return Checkup(
            "tls",
            Health.WARNING,
            "none: http sends credentials and flows unencrypted",
            "use https://, unless the network in between is trusted",
        )
    found = info.certificate
    if found is None:
        return Checkup("tls", Health.OK, "the certificate is trusted; its expiry is not known")
    left = found.expires - (now or datetime.now(timezone.utc))
    words = (
        f"the certificate, issued by {found.issuer}, is trusted"
        f" and valid until {found.expires:%Y-%m-%d}"
        f" ({plural(left.days, 'day')})"
    )
    if left < _SOON:
        return Checkup("tls", Health.WARNING, words, "renew it on the server")
    return Checkup("tls", Health.OK, words)


def clock(info: ConnectionInfo) -> Checkup:
    """Check whether the clocks of this machine and of the server agree."""
    if info.ahead is None:
        return Checkup("clock", Health.OK, "not compared: the server does not send its time")
    if abs(info.ahead) <= _APART:
        return Checkup("clock", Health.OK, "in sync with the server")
    side = "ahead of" if info.ahead > 0 else "behind"
    return Checkup(
        "clock",
        Health.WARNING,
        f"{round(abs(info.ahead)):,} seconds {side} the server",
        "synchronize both clocks (NTP): tokens and certificates depend on them, and times in the "
        "history and in logs would be misleading",
    )


def versions(info: ServerInfo) -> Checkup:
    """Check whether kestra-sync is tested with this version of the server."""
    ours = f"kestra-sync {__version__}, Python {platform.python_version()}"
    tested = " and ".join(".".join(map(str, each)) for each in _TESTED)
    number = info.version_tuple[:2]
    if number in _TESTED:
        return Checkup("versions", Health.OK, f"{ours}; tested with Kestra {tested}")
    words = f"{ours}; Kestra {info.version} is not one of those it is tested with ({tested})"
    remedy = (
        "upgrade the server: Kestra supports 1.3 and 2.0"
        if number and number < _TESTED[0]
        else "check for a newer version of kestra-sync, and review plans carefully"
    )
    return Checkup("versions", Health.WARNING, words, remedy)
