"""Remedies for failed connections."""

from __future__ import annotations

import os
import ssl
from urllib.parse import urlsplit

import requests
from requests.utils import get_environ_proxies, select_proxy

from kestra_sync.client.breakage import causes
from kestra_sync.safe.secrets import without_userinfo

_DATES = ("expired", "not yet valid")
#: A word in the reason of OpenSSL → what to do.
_TLS = {
    "WRONG_VERSION_NUMBER": "the server does not use TLS on this port: use http:// or another port",
    "HTTP_REQUEST": "the server does not use TLS on this port: use http:// or another port",
    "UNSUPPORTED_PROTOCOL": "the server only offers an outdated TLS version: enable TLS 1.2 on it",
    "PROTOCOL_VERSION": "the server only offers an outdated TLS version: enable TLS 1.2 on it",
    "UNSAFE_LEGACY": "the server only offers an outdated TLS version: enable TLS 1.2 on it",
    "CERTIFICATE_REQUIRED": "the server requires a client certificate, which is not supported",
    "HANDSHAKE_FAILURE": "the server requires a client certificate or another TLS version",
}


def proxy_for(url: str) -> str | None:
    """The HTTP proxy that the environment names for a URL, without credentials."""
    proxy = select_proxy(url, get_environ_proxies(url))
    return without_userinfo(proxy) if proxy else None


def remedy_of(error: requests.RequestException, url: str) -> str:
    """The remedy, as precisely as the failure allows."""
    found = list(causes(error))
    text = " ".join(str(cause) for cause in found)
    proxy = proxy_for(url)
    if proxy is not None and (isinstance(error, requests.exceptions.ProxyError) or not _tls(found)):
        return (
            f"the connection goes through the proxy {proxy}, set by {proxy_variable(url)}: check"
            f" the proxy, or exclude {urlsplit(url).hostname} with NO_PROXY"
        )
    for cause in found:
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = (cause.verify_message or "").lower()
            if any(each in reason for each in _DATES):
                return "renew the certificate, or correct the clock of this machine"
            if "mismatch" in reason or "not valid for" in reason:
                return "use a host name that the certificate covers"
            return (
                "if the certificate is signed by a private CA, set REQUESTS_CA_BUNDLE to a PEM "
                "file with the CA certificate"
            )
    for word, words in _TLS.items():
        if word in text.upper():
            return words
    if "\\x15\\x03" in text or "\x15\x03" in text:
        return "the server uses TLS on this port: use https://"
    return "check the URL, and that Kestra is running"


def _tls(found: list[BaseException]) -> bool:
    return any(isinstance(cause, ssl.SSLError) for cause in found)


def proxy_variable(url: str) -> str:
    """The variable that names the proxy for ``url``."""
    scheme = urlsplit(url).scheme
    names = [f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"]
    return next((name for name in names if os.environ.get(name)), "the system's configuration")
