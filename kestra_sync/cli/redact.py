"""Keeps secrets out of messages and logs, whatever path they took to get there."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote

_SECRET_VARIABLES = ("KESTRA_TOKEN", "KESTRA_PASSWORD")
_URL_CREDENTIALS = re.compile(r"(?P<scheme>https?://)[^/\s@]+@")
#: Replacing anything shorter would only garble the text.
_SHORTEST = 4


def redact(text: str, *, env_file: str | None = None) -> str:
    """``text`` with passwords, tokens and credentials in URLs replaced by ``***``.

    :param env_file: where secrets may stand that are not in the environment.
    """
    secrets = {each for each in _secrets(env_file) if len(each) >= _SHORTEST}
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return _URL_CREDENTIALS.sub(r"\g<scheme>***@", text)


def _secrets(env_file: str | None) -> Iterator[str]:
    """The secrets, and the forms in which requests carry them."""
    found = [value for name in _SECRET_VARIABLES if (value := os.environ.get(name))]
    user = os.environ.get("KESTRA_USERNAME", "")
    with suppress(Exception):
        from kestra_sync.kestra.credentials import login_in

        login = login_in(env_file)
        user = login.pop("KESTRA_USERNAME", user)
        found.extend(login.values())
    for url in (None, "http://localhost"):  # with the credentials of the URL, and without a URL
        # What cannot be resolved was never used; and this is no place to fail.
        with suppress(Exception):
            from kestra_sync.kestra.credentials import resolve

            known = resolve(url=url, env_file=env_file)
            found.extend(known.secrets)
            user = known.username or user
    for secret in found:
        yield secret
        yield quote(secret, safe="")
        yield base64.b64encode(f"{user}:{secret}".encode()).decode()
