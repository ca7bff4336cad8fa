"""Server URL and credentials: from arguments, the environment, or a ``.env`` file.

The file is read, never loaded into ``os.environ``. A token takes
precedence over a password, and a more explicit source over both: a user name and password given as
arguments are used even if the environment has a token.

A ``.env`` file is part of a checkout, so its author may be untrusted. URL and credentials come from
it together, or neither does: otherwise it could choose the server that receives a password from the
environment, or the local file that is sent to its server.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from kestra_sync.client.login import (
    GENERAL,
    HEADERS,
    LOGIN,
    PASSWORD,
    PASSWORD_FILE,
    TOKEN,
    TOKEN_FILE,
    USERNAME,
    LoginScope,
    not_for_it,
    parse_headers,
)
from kestra_sync.errors import UsageError
from kestra_sync.safe.paths import is_below, is_directory, is_there, read_text
from kestra_sync.safe.secrets import secrets_of_headers, without_userinfo

DEFAULT_TENANT = "main"
URL, TENANT = "KESTRA_API_URL", "KESTRA_TENANT"
_LOGIN = LOGIN
# The path after the base of a URL that was copied from the browser or API documentation.
_TAIL = re.compile(r"(/api(/v1(/.*)?)?|/ui(/.*)?)$")
#: Maximum size in bytes of a secret or a list of variables.
_LIMIT = 64 * 1024


@dataclass(frozen=True)
class Address:
    """A base URL without credentials, and the credentials that were in it."""

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def parse_address(text: str) -> Address:
    """Parse ``https://me:pw@host/kestra/ui/main/flows`` to ``https://host/kestra``, me and pw.

    :raises UsageError: no ``http://`` or ``https://``, no host, a bad port, an ``@`` in the path.
    """
    text = text.strip()
    if not re.match(r"https?://", text, re.IGNORECASE):
        shown = without_userinfo(text)
        if "://" in shown:
            raise UsageError(f"the Kestra URL must begin with http:// or https://: {shown}")
        raise UsageError(
            f"the Kestra URL has no scheme: {shown}",
            remedy=f"write http://{shown} or https://{shown}",
        )
    rest = text.partition("://")[2]
    end = re.search(r"[/?#\\]", rest)
    if end is not None and "@" in rest[end.end() :]:
        # `http://me:pa/ss@host` has a password with a slash: read literally, the host is `me`,
        # the port `pa`, and the rest would be sent or shown.
        raise UsageError(
            "the Kestra URL has an @ after a slash or another special character:"
            f" {without_userinfo(text)}",
            remedy="set KESTRA_USERNAME and KESTRA_PASSWORD instead, or percent-encode them",
        )
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or re.search(r"\s", text):
        raise UsageError(f"the Kestra URL is not valid: {without_userinfo(text)}")
    netloc = f"[{host}]" if ":" in host else host
    if port is not None:
        netloc += f":{port}"
    path = _TAIL.sub("", parts.path.rstrip("/")).rstrip("/")
    return Address(
        url=f"{parts.scheme.lower()}://{netloc}{path}",
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


@dataclass(frozen=True)
class Credentials:
    """A server, a tenant, and either a token, or a user name and password, or neither."""

    url: str
    tenant: str = DEFAULT_TENANT
    token: str | None = field(default=None, repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown, including user name and password as a pair."""
        pair = f"{self.username}:{self.password}" if self.username and self.password else None
        lines = "\n".join(f"{name}: {value}" for name, value in self.headers)
        known = (self.token, self.password, pair, *secrets_of_headers(lines))
        return tuple(secret for secret in known if secret)


def resolve(
    *,
    url: str | None = None,
    tenant: str | None = None,
    token: str | None = None,
    username: str | None = None,
    password: str | None = None,
    env_file: str | os.PathLike[str] | None = ".env",
    environ: Mapping[str, str] | None = None,
    scope: LoginScope = GENERAL,
) -> Credentials:
    """Combine arguments, environment and ``.env`` file.

    :param scope: which credentials to use.
    :raises UsageError: no URL or a bad one, a user name without a password, an unreadable file; a
        ``.env`` file that would be mixed with what comes from elsewhere.
    """
    arguments = {URL: url, TENANT: tenant, TOKEN: token, USERNAME: username, PASSWORD: password}
    variables = os.environ if environ is None else environ
    outside = _of_scope(scope, variables)
    if scope.configured and not scope.of(variables):
        # They were set without a server, so they are not for the configured one.
        outside = {name: value for name, value in outside.items() if name not in LOGIN}
    layers = [_layer(arguments), _layer(outside)]
    if scope.configured:
        layers.append(_of_checkout(env_file, url or "", variables, scope))
    else:
        layers.append(_of_file(env_file, _merged(layers), scope))
    everything = _merged(layers)
    if URL not in everything:
        raise UsageError(
            "the Kestra URL is not set",
            remedy=f"set {URL}, for example to http://localhost:8080",
        )
    found = _login(layers)
    return Credentials(
        url=everything[URL],
        tenant=everything.get(TENANT, DEFAULT_TENANT),
        token=found.get(TOKEN),
        username=found.get(USERNAME),
        password=found.get(PASSWORD),
        headers=parse_headers(everything[HEADERS], login=bool(found))
        if HEADERS in everything
        else (),
    )


def _of_scope(scope: LoginScope, values: Mapping[str, str | None]) -> Mapping[str, str | None]:
    """Return ``values`` with the credentials of the environment, if any."""
    return values if scope == GENERAL else scope.over(values)


def _of_checkout(
    path: str | os.PathLike[str] | None,
    url: str,
    variables: Mapping[str, str | None],
    scope: LoginScope,
) -> dict[str, str]:
    """Return the layer of a ``.env`` file for a server that the configuration names.

    :raises UsageError: there are credentials, but none for that server.
    """
    if scope.of(variables):
        return {}
    values = read_env_file(path)
    own = scope.of(values)
    if own:
        return _layer(own, below=Path(path or ".").absolute().parent)
    given = [name for name in _LOGIN if (variables.get(name) or "").strip()]
    given = given or [name for name in _LOGIN if (values.get(name) or "").strip()]
    if scope.token_env is not None:
        raise UsageError(
            f"{scope.token_env} is not set, which `token_env` names",
            remedy="set it to the token for this environment",
        )
    if given:
        raise not_for_it(parse_address(url).url, scope, given)
    return {}


def _of_file(
    path: str | os.PathLike[str] | None, outside: Mapping[str, str], scope: LoginScope
) -> dict[str, str]:
    """Return the layer of a ``.env`` file: all of it, or nothing.

    :param outside: the values set elsewhere.
    :raises UsageError: the credentials are only complete with both.
    """
    held = _of_scope(scope, read_env_file(path))
    values = {name: value for name, value in held.items() if (value or "").strip()}
    assert path is not None or not values
    login = [name for name in _LOGIN if name in values]
    if not (login or URL in values or TENANT in values):
        return {}
    folder = Path(path or ".").absolute().parent
    logged_in = any(name in outside for name in (TOKEN, USERNAME, PASSWORD, HEADERS))
    url = parse_address(values[URL] or "").url if URL in values else None
    if not logged_in and outside.get(URL, url) == url and (login or url):
        return _layer(values, below=folder)
    complete = TOKEN in outside or (USERNAME in outside and PASSWORD in outside)
    missing = [] if complete else login
    if URL not in outside and url:
        missing.insert(0, URL)
    if not login and not url and TENANT not in outside:
        missing.append(TENANT)
    if not missing:
        return {}
    given = [name for name in (URL, TOKEN, USERNAME, PASSWORD) if name in outside]
    raise UsageError(
        f"{' and '.join(missing)} of {os.fspath(path or '')} cannot be used together with"
        f" {' and '.join(given) or 'nothing else'} from elsewhere: a file in the repository must "
        f"not choose which server receives a password, or which password a server receives",
        remedy=f"set the URL and the credentials in one place: all of them in that file ({URL} "
        "with the same URL included), or none",
    )


def _layer(values: Mapping[str, str | None], *, below: Path | None = None) -> dict[str, str]:
    """Normalize one source: ignore empty values, read files, split credentials from the URL.

    :param below: the directory that contains such files.
    """
    names = (URL, TENANT, TOKEN, USERNAME, PASSWORD, TOKEN_FILE, PASSWORD_FILE, HEADERS)
    layer = {name: value for name in names if (value := values.get(name) or "").strip()}
    # Only a password may begin or end with a space.
    layer = {name: value if name == PASSWORD else value.strip() for name, value in layer.items()}
    for name, file_name in ((TOKEN, TOKEN_FILE), (PASSWORD, PASSWORD_FILE)):
        path = layer.pop(file_name, None)
        if path is not None and name not in layer:
            layer[name] = read_secret(path, file_name, below)
    if URL in layer:
        address = parse_address(layer[URL])
        layer[URL] = address.url
        if address.username and address.password:
            layer.setdefault(USERNAME, address.username)
            layer.setdefault(PASSWORD, address.password)
    return layer


def _merged(layers: list[dict[str, str]]) -> dict[str, str]:
    merged: dict[str, str] = {}
    for layer in layers:
        for name, value in layer.items():
            merged.setdefault(name, value)
    return merged


def _login(layers: list[dict[str, str]]) -> dict[str, str]:
    """Return the login of the most explicit source that completes one."""
    for depth in range(len(layers)):
        merged = _merged(layers[: depth + 1])
        if TOKEN in merged:
            return {TOKEN: _printable(merged[TOKEN], TOKEN)}
        if USERNAME in merged and PASSWORD in merged:
            if ":" in merged[USERNAME]:
                raise UsageError(f"{USERNAME} must not contain a colon")
            for name in (USERNAME, PASSWORD):
                _one_line(merged[name], name)
            return {USERNAME: merged[USERNAME], PASSWORD: merged[PASSWORD]}
    merged = _merged(layers)
    for here, there in ((USERNAME, PASSWORD), (PASSWORD, USERNAME)):
        if here in merged:
            raise UsageError(f"{here} is set and {there} is not", remedy=f"set {there}")
    return {}


def _one_line(value: str, name: str) -> None:
    """:raises UsageError: the value has a line break, usually from ``echo`` or a file."""
    if "\n" in value or "\r" in value:
        inner = value.rstrip("\r\n")
        at = "has" if "\n" in inner or "\r" in inner else "ends with"
        raise UsageError(
            f"{name} {at} a line break",
            remedy="remove it: `printf %s` writes no line break, and `echo` does",
        )


def _printable(token: str, name: str) -> str:
    """Check that a header can contain the token. The error does not show it."""
    _one_line(token, name)
    if not (token.isascii() and token.isprintable()):
        raise UsageError(f"{name} contains characters that are not allowed in a token")
    return token


def read_secret(path: str, name: str, below: Path | None) -> str:
    """Read the secret in the file that the variable ``name`` refers to.

    :param below: the directory that must contain it.
    :raises UsageError: it is elsewhere, cannot be read, or is empty.
    """
    place = path if below is None else below / path
    if below is not None and not is_below(place, [below]):
        raise UsageError(
            f"the file set by {name} is outside of {below}: {path}",
            remedy="a .env file can only refer to files in its own directory; set the variable in "
            "the environment to use another file",
        )
    try:
        value = read_text(place, limit=_LIMIT).strip()
    except OSError as error:
        raise UsageError(
            f"the file set by {name} cannot be read: {path}: {error.strerror}"
        ) from None
    if not value:
        raise UsageError(f"the file set by {name} is empty: {path}")
    return value


def read_env_file(path: str | os.PathLike[str] | None) -> dict[str, str | None]:
    """Read the variables in a ``.env`` file; none if it does not exist.

    :raises UsageError: it cannot be read.
    """
    if path is None or not os.fspath(path) or not is_there(path) or is_directory(path):
        return {}  # a virtual environment may be called .env, too
    from io import StringIO

    from dotenv import dotenv_values  # few have such a file

    try:
        text = read_text(path, limit=_LIMIT)
    except OSError as error:
        raise UsageError(f"{os.fspath(path)} cannot be read: {error.strerror}") from None
    # No interpolation: a `$` in a password is a `$`.
    return dotenv_values(stream=StringIO(text), interpolate=False)


def from_environment(
    env_file: str | os.PathLike[str] | None = ".env", scope: LoginScope = GENERAL
) -> dict[str, str]:
    """The URL and the tenant that the environment or the ``.env`` file names, by variable.

    The file counts only where it would be used: if the environment has neither URL nor login.

    :raises UsageError: an unreadable ``env_file``.
    """
    found = {name: value for name in (URL, TENANT) if (value := os.environ.get(name, "").strip())}
    logged_in = any(os.environ.get(name, "").strip() for name in _LOGIN)
    if found.get(URL) or logged_in or (scope != GENERAL and scope.of(os.environ)):
        return found
    values = read_env_file(env_file)
    return {
        name: value
        for name in (URL, TENANT)
        if (value := found.get(name) or (values.get(name) or "").strip())
    }
