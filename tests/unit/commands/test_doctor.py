"""``doctor``: connection, permissions, and its output."""

from __future__ import annotations

import io
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kestra_sync.apply.probes import forbidden_for_executions, forbidden_for_flows
from kestra_sync.cli.doctor import doctor_lines
from kestra_sync.client.client import ServerInfo, parse_version
from kestra_sync.client.errors import Forbidden, InvalidContent, NotFound
from kestra_sync.client.network import (
    Certificate,
    ConnectionInfo,
    NetworkRoute,
    examine_connection,
    route_to,
)
from kestra_sync.commands.checkup import (
    Checkup,
    Diagnosis,
    Health,
    clock,
    network,
    tls,
    versions,
)
from kestra_sync.commands.doctor import _allowed, doctor
from kestra_sync.commands.files import load_files
from kestra_sync.configured import Connection
from kestra_sync.errors import ExitCode
from kestra_sync.model import Repository, Scope
from kestra_sync.report.lines import write
from kestra_sync.settings import Settings
from kestra_sync.version import __version__
from tests.fuzz.small_kestra import SmallKestra, State
from tests.support.golden import check_golden
from tests.support.proxy import FaultProxy
from tests.support.segments import CERTIFICATE
from tests.support.sources import log_flow

_NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
_URL = "https://kestra.acme.io"
_TRUSTS = "; trusts the CAs of /ca.pem (CURL_CA_BUNDLE)"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def _serving(date: str | None, *, secure: bool = True, protocol: str = "HTTP/1.1") -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = protocol

        def do_GET(self) -> None:
            self.send_response_only(200)
            if date is not None:
                self.send_header("Date", date)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE, CERTIFICATE.with_suffix(".key"))
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http{'s' if secure else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("protocol", ["HTTP/1.0", "HTTP/1.1"])
def test_look__certificate_and_clock(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    earlier = datetime.now(timezone.utc) - timedelta(minutes=5)
    with _serving(format_datetime(earlier, usegmt=True), protocol=protocol) as url:
        look = examine_connection(url)
    assert look.certificate is not None
    assert look.certificate.issuer == "kestra-sync test server"
    assert look.certificate.expires.year == 2126
    assert look.ahead is not None
    assert 290 < look.ahead < 310
    assert clock(look).health is Health.WARNING
    assert "ahead of the server" in clock(look).answer


def test_look__nothing_to_see() -> None:
    """No TLS and no time; a certificate that is not trusted; nothing at all."""
    with _serving(None, secure=False) as url:
        assert examine_connection(url) == ConnectionInfo()
        assert clock(ConnectionInfo()).health is Health.OK
    with _serving("Thu, 26 Nov 2026 12:00:00 GMT") as url:
        assert examine_connection(url) == ConnectionInfo()
    assert examine_connection(url, timeout=1) == ConnectionInfo()


@pytest.mark.parametrize("date", ["soon", "", "Thu, 26 Nov 2026 12:00:00", "Thu, 99 Nov 2026"])
def test_look__odd_dates(date: str) -> None:
    with _serving(date, secure=False) as url:
        examine_connection(url)  # does not raise


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, "to kestra.acme.io directly, without a proxy"),
        (
            {"HTTPS_PROXY": "http://user:secret@proxy:3128"},
            "to kestra.acme.io through the proxy http://proxy:3128 (HTTPS_PROXY)",
        ),
        ({"HTTP_PROXY": "http://proxy:3128"}, "to kestra.acme.io directly, without a proxy"),
        (
            {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".acme.io"},
            "to kestra.acme.io directly: NO_PROXY excludes it from HTTPS_PROXY",
        ),
        (
            {"ALL_PROXY": "http://proxy:3128", "CURL_CA_BUNDLE": "/ca.pem"},
            f"to kestra.acme.io through the proxy http://proxy:3128 (ALL_PROXY){_TRUSTS}",
        ),
    ],
)
def test_network__proxies_and_cas(
    environ: dict[str, str], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert network(route_to(_URL)).answer == wanted


def test_tls__expiry_and_plain_http() -> None:
    soon = ConnectionInfo(None, Certificate("Acme CA", _NOW + timedelta(days=9)))
    assert tls(_URL, soon, _NOW).health is Health.WARNING
    later = ConnectionInfo(None, Certificate("Acme CA", _NOW + timedelta(days=90)))
    assert tls(_URL, later, _NOW).health is Health.OK
    assert tls("http://127.0.0.1:8080", ConnectionInfo()).health is Health.OK
    assert tls("http://kestra.acme.io", ConnectionInfo()).health is Health.WARNING


@pytest.mark.parametrize(
    ("version", "health", "remedy"),
    [
        ("1.3.25", Health.OK, None),
        ("2.0.0", Health.OK, None),
        ("1.2.7", Health.WARNING, "upgrade the server"),
        ("2.1.0", Health.WARNING, "newer version of kestra-sync"),
        ("latest", Health.WARNING, "newer version of kestra-sync"),
    ],
)
def test_versions(version: str, health: Health, remedy: str | None) -> None:
    found = versions(ServerInfo(version, parse_version(version), "OSS", "system"))
    assert found.health is health
    assert (remedy or "") in (found.remedy or "")


class _Calls:
    """A server that knows nothing of what is named, and forbids some calls."""

    def __init__(self, *forbidden: str) -> None:
        self._forbidden = forbidden
        self.made: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Callable[[Any], object]:
        def call(what: Any) -> object:
            self.made.append((name, str(what)))
            if name in self._forbidden:
                raise Forbidden(403, "POST", "/x")
            if name == "validate":
                return ()
            raise (InvalidContent if name == "create" and isinstance(what, bytes) else NotFound)(
                404, "POST", "/x"
            )

        return call


def test_probes__find_what_is_forbidden() -> None:
    """Each permission by itself; nothing that exists is named, and no update is sent."""
    assert forbidden_for_flows(_Calls(), "acme") == ()  # type: ignore[arg-type]
    for verb in ("validate", "create", "delete"):
        calls = _Calls(verb)
        assert forbidden_for_flows(calls, "acme") == (verb,)  # type: ignore[arg-type]
        assert [name for name, _ in calls.made] == ["validate", "create", "delete"]
        assert all("kestra-sync-probe-" in what for _, what in calls.made)
    assert forbidden_for_executions(_Calls(), "acme") == ()  # type: ignore[arg-type]
    assert forbidden_for_executions(_Calls("create"), "acme") == ("start",)  # type: ignore[arg-type]


def _text(*checkups: Checkup) -> str:
    stream = io.StringIO()
    write(doctor_lines(Diagnosis(checkups)), stream, colour=False)
    return stream.getvalue().replace(f"kestra-sync {__version__}", "kestra-sync VERSION")


def test_permissions__only_the_namespaces_that_were_tried_are_named() -> None:
    """Not more than five are tried, and the others are not mentioned."""
    names = [f"acme.n{number}" for number in range(7)]
    asked: list[str] = []

    def forbidden(namespace: str) -> tuple[str, ...]:
        asked.append(namespace)
        return ("delete",) if refuse == namespace else ()

    refuse = ""
    found = _allowed("x", names, forbidden, allowed="can in {}", remedy="ask")
    assert (found.health, found.answer) == (Health.OK, f"can in {', '.join(names[:5])}")
    assert asked == names[:5]
    refuse = "acme.n1"
    found = _allowed("x", names, forbidden, allowed="can in {}", remedy="ask")
    assert found.health is Health.WARNING
    assert found.answer == "the account is not allowed to delete in acme.n1"
    assert _allowed("x", [], forbidden, allowed="", remedy="").health is Health.SKIPPED


def test_doctor__files_and_inventory_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KESTRA_USERNAME", "a")
    monkeypatch.setenv("KESTRA_PASSWORD", "b")
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows/f.yaml").write_text(log_flow("acme", "f"))
    loaded = []

    def load(settings: Settings) -> Repository:
        loaded.append(settings.paths)
        return load_files(settings)

    monkeypatch.setattr("kestra_sync.commands.doctor.load_files", load)
    with SmallKestra() as server, FaultProxy(server.url) as proxy:
        server.begin(State())
        connection = Connection(url=proxy.url)
        found = doctor(Settings(connection=connection, name="ours", scope=Scope(("acme",))))
        listed = proxy.count("GET", "/kv/kestra-sync.ours$")
    answers = {each.question: each.answer for each in found.checkups}
    assert answers["lock"] == "free"
    assert "can validate, create and delete flows in acme" in answers["flows"]
    assert loaded == [("flows",)]
    assert listed == 1


def test_doctor_lines() -> None:
    """Ready; ready to plan only; not ready: with a remedy below what is not as it should be."""
    proxied = NetworkRoute("kestra.acme.io", "http://proxy:3128", "HTTPS_PROXY")
    direct = NetworkRoute(
        "kestra.acme.io", ca_variable="REQUESTS_CA_BUNDLE", ca_bundle="/etc/acme.pem"
    )
    trusted = ConnectionInfo(0.2, Certificate("Acme CA", _NOW + timedelta(days=90)))
    expiring = ConnectionInfo(-95.0, Certificate("Acme CA", _NOW + timedelta(days=9)))
    ready = [
        Checkup("files", Health.OK, "20 flows in flows, scope acme"),
        network(proxied),
        Checkup("server", Health.OK, f"Kestra 1.3.25 (OSS) at {_URL}"),
        tls(_URL, trusted, _NOW),
        clock(trusted),
    ]
    check_golden("doctor_ready.txt", _text(*ready))
    refused = Checkup(
        "flows",
        Health.WARNING,
        "the account is not allowed to create, delete in acme",
        "grant the permission",
        stops_apply=True,
    )
    check_golden("doctor_plan_only.txt", _text(network(direct), tls(_URL, expiring, _NOW), refused))
    failed = Checkup("server", Health.FAILED, "cannot connect", "check", ExitCode.UNREACHABLE)
    skipped = Checkup("lock", Health.SKIPPED, "skipped, see above")
    check_golden("doctor_not_ready.txt", _text(clock(expiring), failed, skipped))
