"""One command for several environments, on servers in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from kestra_sync.cli.main import run
from kestra_sync.errors import ExitCode, worst
from tests.fuzz.small_kestra import Answer, SmallKestra, State
from tests.support.schemas import check_result
from tests.support.sources import log_flow

CONFIG = """\
version: 1
name: ours
scope: [acme]
environments:
  dev: {{url: "{dev}"}}
  staging: {{url: "{staging}", patches: [{{flows: "*", set: {{labels.env: staging}}}}]}}
  prod: {{url: "{prod}"}}
"""
NOTHING = "http://127.0.0.1:9"


class Servers:
    """Three servers and a repository with one flow."""

    def __init__(self, root: Path, dev: SmallKestra, staging: SmallKestra) -> None:
        self.root, self.dev, self.staging = root, dev, staging
        self.prod: str = NOTHING

    def configure(self, prod: str = NOTHING) -> None:
        """Write the configuration; the server of ``prod`` cannot be reached by default."""
        text = CONFIG.format(dev=self.dev.url, staging=self.staging.url, prod=prod)
        (self.root / "kestra-sync.yaml").write_text(text)


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    """Nothing is on them."""
    monkeypatch.chdir(tmp_path)
    for name in ("KESTRA_API_URL", "KESTRA_TOKEN", "KESTRA_USERNAME", "KESTRA_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    for name in ("DEV", "STAGING", "PROD"):
        monkeypatch.setenv(f"KESTRA_TOKEN_{name}", f"token-of-{name.lower()}")
    monkeypatch.setattr("kestra_sync.client.retry.Backoff.wait", lambda *_args: None)
    monkeypatch.setattr("kestra_sync.apply.lock._SETTLE", 0.01)
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "a.yaml").write_text(log_flow("acme", "a"))
    with SmallKestra() as dev, SmallKestra() as staging:
        made = Servers(tmp_path, dev, staging)
        made.configure()
        dev.begin(State())
        staging.begin(State())
        yield made


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    """Stdout as JSON, as its schema promises."""
    document = json.loads(capsys.readouterr().out)
    check_result(document)
    return document


def test_worst__is_the_greatest_code_and_failure_counts_more_than_changes() -> None:
    assert worst([]) is ExitCode.OK
    assert worst([ExitCode.OK, ExitCode.CHANGES]) is ExitCode.CHANGES
    assert worst([ExitCode.FAILURE, ExitCode.CHANGES]) is ExitCode.FAILURE
    assert worst([ExitCode.FAILURE, ExitCode.INVALID]) is ExitCode.INVALID
    assert worst([ExitCode.UNREACHABLE, ExitCode.PARTIAL]) is ExitCode.UNREACHABLE


def test_plan__shows_environments_in_the_order_given(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [f"{name}=out.{name}" for name in ("json", "junit", "sarif", "html", "comment")]
    outputs = [f"--output={each}" for each in files]
    code = run(["plan", "-e", "prod", "-e", "staging", "-e", "dev", *outputs])
    shown = capsys.readouterr()
    assert code == ExitCode.UNREACHABLE
    headings = [each for each in shown.out.splitlines() if each.startswith("== ")]
    assert headings == ["== prod", "== staging", "== dev"]
    assert shown.out.count("Plan: 1 to create, 0 unchanged.") == 4  # each, and in the overview
    assert "kestra-sync: error: prod: " in shown.err
    assert not {"create", "put record"} & {*servers.dev.routes, *servers.staging.routes}

    document = json.loads(Path("out.json").read_text())
    check_result(document)
    found = {each["environment"]: each["result"] for each in document["environments"]}
    assert [*found] == ["prod", "staging", "dev"]
    assert document["exit_code"] == found["prod"]["exit_code"] == 69
    assert found["prod"]["error"]["kind"] == "Unreachable"
    # What a run for one environment prints, to the byte.
    assert run(["plan", "-e", "dev", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == found["dev"]

    suites = ET.fromstring(Path("out.junit").read_bytes())
    assert [each.get("name") for each in suites] == [
        f"kestra-sync plan {name}" for name in ("prod", "staging", "dev")
    ]
    runs = json.loads(Path("out.sarif").read_text())["runs"]
    assert [each["automationDetails"]["id"] for each in runs] == [
        f"kestra-sync/plan/{name}/" for name in ("prod", "staging", "dev")
    ]
    comment = Path("out.comment").read_text()
    assert comment.startswith("<!-- kestra-sync:prod+staging+dev -->\n\n### kestra-sync plan · 3")
    assert comment.count("### kestra-sync plan · <code>") == 3
    page = Path("out.html").read_text()
    assert page.count('class="environment"') == 3
    ids = [part.split('"')[0] for part in page.split(' id="')[1:]]
    assert len(ids) == len(set(ids))


def test_plan__detailed_exit_code_is_the_worst(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["apply", "--yes", "-e", "dev"]) == 0
    assert run(["plan", "-e", "dev", "-e", "staging", "--detailed-exitcode"]) == 2
    assert run(["apply", "--yes", "-e", "staging"]) == 0
    assert run(["plan", "-e", "dev", "-e", "staging", "--detailed-exitcode"]) == 0
    capsys.readouterr()
    servers.dev.state.flows["acme", "a"].append(log_flow("acme", "a", "edited").encode())
    assert run(["drift", "-e", "staging", "-e", "dev", "--format", "json"]) == 2
    found = printed(capsys)["environments"]
    assert [each["result"]["exit_code"] for each in found] == [0, 2]


def test_apply__stops_at_the_first_failure(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    order = ["-e", "dev", "-e", "prod", "-e", "staging"]
    assert run(["apply", "--yes", *order, "--format", "json"]) == ExitCode.UNREACHABLE
    document = printed(capsys)
    assert [each["result"]["exit_code"] for each in document["environments"]] == [0, 69]
    assert document["not_attempted"] == ["staging"]
    assert ("acme", "a") in servers.dev.state.flows
    assert servers.staging.routes == []

    assert run(["apply", "--yes", *order, "--keep-going"]) == ExitCode.UNREACHABLE
    shown = capsys.readouterr().out
    assert "== staging" in shown
    assert b"env: staging" in servers.staging.state.live()["acme", "a"]
    # Nothing is left to do but for the one that cannot be reached.
    assert run(["plan", "--all-environments", "--detailed-exitcode", "--format", "json"]) == 69
    document = printed(capsys)
    assert [each["environment"] for each in document["environments"]] == ["dev", "staging", "prod"]
    assert [each["result"]["exit_code"] for each in document["environments"]] == [0, 0, 69]


def test_apply__partial_failure_of_one_is_in_its_result(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(route: str, _number: int, answer: Answer) -> Answer:
        if route != "create":
            return answer
        servers.dev.state.flows.clear()
        return Answer(422, b'{"message": "no"}')

    servers.dev.begin(State(), refuse)
    code = run(["apply", "--yes", "-e", "dev", "-e", "staging", "--keep-going", "--format", "json"])
    document = printed(capsys)
    codes = [each["result"]["exit_code"] for each in document["environments"]]
    assert codes == [1, 0]
    assert code == 1


def test_apply__nothing_is_written_if_an_environment_cannot_be_connected(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KESTRA_TOKEN_STAGING")
    monkeypatch.setenv("KESTRA_TOKEN", "for-somewhere-else")
    assert run(["apply", "--yes", "-e", "dev", "-e", "staging"]) == ExitCode.USAGE
    assert "KESTRA_TOKEN_STAGING" in capsys.readouterr().err
    assert servers.dev.routes == servers.staging.routes == []


def test_saved_plans__one_file_for_each_environment(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    two = ["-e", "dev", "-e", "staging"]
    assert run(["plan", *two, "--out", "plan.json"]) == ExitCode.USAGE
    assert "{environment}" in capsys.readouterr().err
    assert run(["plan", *two, "--allow-large", "--out", "plan-{environment}.json"]) == 0
    saved = json.loads((servers.root / "plan-staging.json").read_text())
    assert saved["options"] == {"environment": "staging", "allow_large": True}
    assert run(["apply", *two, "--plan", "plan-{environment}.json"]) == 0
    assert b"env: staging" in servers.staging.state.live()["acme", "a"]
    # One of them alone, as a plan of one environment.
    (servers.root / "flows" / "b.yaml").write_text(log_flow("acme", "b"))
    assert run(["plan", *two, "--out", "plan-{environment}.json"]) == 0
    assert run(["apply", "--plan", "plan-dev.json"]) == 0
    assert ("acme", "b") in servers.dev.state.flows
    assert ("acme", "b") not in servers.staging.state.flows


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["-e", "dev", "-e", "nowhere"], "has no environment 'nowhere'"),
        (["-e", "dev", "--all-environments"], "cannot be used together"),
        (["--all-environments", "--url", NOTHING], "--url cannot be used with several"),
        (["--all-environments", "--expect-digest", "sha256:0"], "--expect-digest"),
        (["--all-environments", "--plan", "plan.json"], "each environment has a plan of its own"),
    ],
)
def test_usage__nothing_is_asked(
    servers: Servers, args: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["apply", "--yes", *args]) == ExitCode.USAGE
    assert words in capsys.readouterr().err
    assert servers.dev.routes == servers.staging.routes == []


def test_one_environment__named_twice_is_a_run_for_one(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", "-e", "dev", "-e", "dev", "--format", "json"]) == 0
    assert printed(capsys)["plan"]["target"]["environment"] == "dev"
