"""Checks that all sources of settings agree, and collects the secrets in them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from kestra_sync.client.credentials import (
    TENANT,
    URL,
    from_environment,
    parse_address,
    read_env_file,
    read_secret,
)
from kestra_sync.client.login import HEADERS, PASSWORD, PASSWORD_FILE, TOKEN, TOKEN_FILE, USERNAME
from kestra_sync.errors import UsageError
from kestra_sync.safe.secrets import secrets_of_headers, secrets_of_url


def check_one_server(
    variables: Mapping[str, str], where: str, url: str | None, tenant: str | None
) -> None:
    """Reject two sources that name different servers, of which one would silently win.

    :param variables: the result of :func:`from_environment`.
    :param where: the configuration, for the message.
    :param url: the URL in the configuration; ``None`` if ``--url`` was passed.
    :param tenant: the tenant in the configuration; ``None`` if ``--tenant`` was passed.
    :raises UsageError: they differ.
    """
    named = variables.get(URL)
    if named and url and parse_address(named).url != parse_address(url).url:
        raise UsageError(
            f"two different servers are configured: {URL} is {parse_address(named).url}, and "
            f"`url` of {where} is"
            f" {parse_address(url).url}",
            remedy="unset one of them, or pass --url to choose one",
        )
    named = variables.get(TENANT)
    if named and tenant and named != tenant:
        raise UsageError(
            f"two different tenants are configured: {TENANT} is {named}, and `tenant` of {where} "
            f"is {tenant}",
            remedy="unset one of them, or pass --tenant to choose one",
        )


def has_url(url: str | None, env_file: str | os.PathLike[str] | None = ".env") -> bool:
    """Return whether any of the three sources names a server.

    :raises UsageError: an unreadable ``env_file``.
    """
    return bool((url or "").strip() or URL in from_environment(env_file))


def known_secrets(
    url: str | None = None, env_file: str | os.PathLike[str] | None = ".env"
) -> tuple[str, ...]:
    """Return all secrets in any source of settings, whether used or not.

    For error messages, so it never raises: sources that cannot be read are skipped.
    """
    found: list[str] = [*secrets_of_url(url or "")]
    layers: list[tuple[Mapping[str, str | None], Path | None]] = [(os.environ, None)]
    with suppress(Exception):
        layers.append((read_env_file(env_file), Path(env_file or ".").absolute().parent))
    for layer, below in layers:
        # The variables of every environment: KESTRA_TOKEN_PROD, KESTRA_USERNAME_DEV.
        users = [value or "" for name, value in layer.items() if name.startswith(USERNAME)]
        secrets = [*secrets_of_url(layer.get(URL) or "")]
        for name, value in layer.items():
            if name.startswith((TOKEN_FILE, PASSWORD_FILE)):
                with suppress(Exception):
                    secrets.append(read_secret(value or "", name, below))
            elif name.startswith((TOKEN, PASSWORD)):
                secrets.append(value or "")
            elif name.startswith(HEADERS):
                found += secrets_of_headers(value or "")
        pairs = (f"{user}:{secret}" for secret in secrets for user in users if user and secret)
        found += [*secrets, *pairs]
    return tuple(dict.fromkeys(each for each in found if each))
