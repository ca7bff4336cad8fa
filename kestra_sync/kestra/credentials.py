"""Where the server is and who we are: arguments over environment over ``.env`` file.

The file is read, never loaded into ``os.environ``. Of a token and a password the token is taken,
but a more explicit place goes first: a user name and password given as arguments are used even
if the environment has a token.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kestra_sync.errors import UsageError
from kestra_sync.kestra.address import parse_address

DEFAULT_TENANT = "main"
URL, TENANT = "KESTRA_API_URL", "KESTRA_TENANT"
TOKEN, TOKEN_FILE = "KESTRA_TOKEN", "KESTRA_TOKEN_FILE"
USERNAME = "KESTRA_USERNAME"
PASSWORD, PASSWORD_FILE = "KESTRA_PASSWORD", "KESTRA_PASSWORD_FILE"


@dataclass(frozen=True)
class Credentials:
    """A server, a tenant, and either a token, or a user name and password, or neither."""

    url: str
    tenant: str = DEFAULT_TENANT
    token: str | None = field(default=None, repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        return tuple(secret for secret in (self.token, self.password) if secret)


def resolve(
    *,
    url: str | None = None,
    tenant: str | None = None,
    token: str | None = None,
    username: str | None = None,
    password: str | None = None,
    env_file: str | os.PathLike[str] | None = ".env",
    environ: Mapping[str, str] | None = None,
) -> Credentials:
    """Put the three places together.

    :raises UsageError: no URL or a bad one, a user name without a password, an unreadable file.
    """
    arguments = {URL: url, TENANT: tenant, TOKEN: token, USERNAME: username, PASSWORD: password}
    layers = [
        _layer(arguments),
        _layer(os.environ if environ is None else environ),
        _layer(_env_file(env_file)),
    ]
    everything = _merged(layers)
    if URL not in everything:
        raise UsageError(
            "no Kestra URL is given",
            remedy=f"set {URL}, for example to http://localhost:8080",
        )
    found = _login(layers)
    return Credentials(
        url=everything[URL],
        tenant=everything.get(TENANT, DEFAULT_TENANT),
        token=found.get(TOKEN),
        username=found.get(USERNAME),
        password=found.get(PASSWORD),
    )


def _layer(values: Mapping[str, str | None]) -> dict[str, str]:
    """One place: empty is unset, files are read, credentials come out of the URL."""
    names = (URL, TENANT, TOKEN, USERNAME, PASSWORD, TOKEN_FILE, PASSWORD_FILE)
    layer = {name: value for name in names if (value := values.get(name) or "").strip()}
    # A password may begin or end with a blank; nothing else may.
    layer = {name: value if name == PASSWORD else value.strip() for name, value in layer.items()}
    for name, file_name in ((TOKEN, TOKEN_FILE), (PASSWORD, PASSWORD_FILE)):
        path = layer.pop(file_name, None)
        if path is not None and name not in layer:
            layer[name] = _secret_file(path, file_name)
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
    """The login of the most explicit place that completes one."""
    for depth in range(len(layers)):
        merged = _merged(layers[: depth + 1])
        if TOKEN in merged:
            return {TOKEN: _printable(merged[TOKEN], TOKEN)}
        if USERNAME in merged and PASSWORD in merged:
            if ":" in merged[USERNAME]:
                raise UsageError(f"{USERNAME} must not hold a colon")
            return {USERNAME: merged[USERNAME], PASSWORD: merged[PASSWORD]}
    merged = _merged(layers)
    for here, there in ((USERNAME, PASSWORD), (PASSWORD, USERNAME)):
        if here in merged:
            raise UsageError(f"{here} is set and {there} is not", remedy=f"set {there}")
    return {}


def _printable(token: str, name: str) -> str:
    """A header can hold it. The token itself is not shown."""
    if not (token.isascii() and token.isprintable()):
        raise UsageError(f"{name} holds characters that no token has")
    return token


def _secret_file(path: str, name: str) -> str:
    try:
        value = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise UsageError(f"the file that {name} names cannot be read: {path}: {reason}") from None
    if not value:
        raise UsageError(f"the file that {name} names is empty: {path}")
    return value


def _env_file(path: str | os.PathLike[str] | None) -> dict[str, str | None]:
    if path is None or not Path(path).is_file():
        return {}
    from dotenv import dotenv_values  # few have such a file

    try:
        # No interpolation: a `$` in a password is a `$`.
        return dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise UsageError(f"{os.fspath(path)} cannot be read: {reason}") from None


def from_environment(env_file: str | os.PathLike[str] | None = ".env") -> dict[str, str]:
    """The URL and the tenant that the environment or the ``.env`` file names, by variable.

    :raises UsageError: an unreadable ``env_file``.
    """
    layers = (os.environ, _env_file(env_file))
    return {
        name: value
        for name in (URL, TENANT)
        if (value := next((v for each in layers if (v := (each.get(name) or "").strip())), ""))
    }


def has_url(url: str | None, env_file: str | os.PathLike[str] | None = ".env") -> bool:
    """Whether any of the three places names a server.

    :raises UsageError: an unreadable ``env_file``.
    """
    return bool((url or "").strip() or URL in from_environment(env_file))
