"""No server gets the credentials of another one, regardless of the checkout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kestra_sync.cli.main import run
from kestra_sync.errors import ExitCode
from tests.fuzz.small_kestra import SmallKestra, State
from tests.support.sources import log_flow

Servers = tuple[SmallKestra, SmallKestra]


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    """Two servers, for the environments ``dev`` and ``prod`` of a repository with one flow."""
    monkeypatch.chdir(tmp_path)
    for name in ("API_URL", "TOKEN", "USERNAME", "PASSWORD", "TOKEN_DEV", "TOKEN_PROD"):
        monkeypatch.delenv(f"KESTRA_{name}", raising=False)
    monkeypatch.setattr("kestra_sync.apply.lock._SETTLE", 0.01)
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "a.yaml").write_text(log_flow("acme", "a"))
    with SmallKestra() as dev, SmallKestra() as prod:
        dev.begin(State())
        prod.begin(State())
        (tmp_path / "kestra-sync.yaml").write_text(
            "version: 1\nname: ours\nscope: [acme]\nenvironments:\n"
            f"  dev: {{url: '{dev.url}'}}\n  prod: {{url: '{prod.url}'}}\n"
        )
        yield dev, prod


def test_environments__each_server_gets_its_own_credentials_only(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    dev, prod = servers
    monkeypatch.setenv("KESTRA_TOKEN_DEV", "of-dev")
    monkeypatch.setenv("KESTRA_TOKEN_PROD", "of-prod")
    monkeypatch.setenv("KESTRA_TOKEN", "of-somewhere-else")
    for command in (
        ["plan", "-e", "dev", "-e", "prod"],
        ["apply", "--yes", "--all-environments"],
        ["drift", "--all-environments"],
        ["status"],
        ["diff", "--from", "dev", "--to", "prod"],
        ["history", "-e", "prod"],
        ["plan", "-e", "dev"],
    ):
        assert run(command) == 0, command
    assert dev.logins == {"Bearer of-dev"}
    assert prod.logins == {"Bearer of-prod"}


def test_environments__credentials_without_a_server_are_sent_nowhere(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dev, prod = servers
    monkeypatch.setenv("KESTRA_TOKEN", "of-somewhere-else")
    monkeypatch.setenv("KESTRA_TOKEN_DEV", "of-dev")
    assert run(["plan", "-e", "prod"]) == ExitCode.USAGE
    assert run(["apply", "--yes", "--all-environments"]) == ExitCode.USAGE
    assert run(["status"]) == ExitCode.USAGE
    shown = capsys.readouterr()
    assert "KESTRA_TOKEN_PROD" in shown.out + shown.err
    assert "of-somewhere-else" not in shown.out + shown.err
    assert dev.logins == {"Bearer of-dev"}  # of status, which shows what it can
    assert prod.routes == []


def test_env_file__of_the_checkout_cannot_redirect_credentials(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, prod = servers
    # One that names a server only, and one that brings credentials as well.
    for more in ("", "KESTRA_TOKEN=theirs\n", "KESTRA_TOKEN_PROD=theirs\n"):
        Path(".env").write_text(f"KESTRA_API_URL={theirs.url}\n{more}")
        with monkeypatch.context() as patch:
            patch.setenv("KESTRA_TOKEN", "of-the-environment")
            assert run(["plan"]) == ExitCode.USAGE
            # What is in the file for this server is sent to it; what is in the environment is not.
            own = "TOKEN_PROD" in more
            assert run(["plan", "-e", "prod"]) == (ExitCode.OK if own else ExitCode.USAGE)
        with monkeypatch.context() as patch:
            patch.setenv("KESTRA_TOKEN_PROD", "of-prod")
            assert run(["plan", "-e", "prod"]) == ExitCode.OK
        with monkeypatch.context() as patch:
            patch.setenv("KESTRA_API_URL", prod.url)
            patch.setenv("KESTRA_TOKEN", "of-prod")
            assert run(["plan", "-e", "prod"]) == ExitCode.OK
    assert theirs.routes == []
    assert prod.logins <= {"Bearer of-prod", "Bearer theirs"}
