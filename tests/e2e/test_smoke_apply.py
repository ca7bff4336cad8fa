"""``smoke`` and ``apply --smoke --rollback`` on a real Kestra."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.sync.conftest import Repo, repo  # noqa: F401 - a fixture
from tests.support.cleanup import executions_below
from tests.support.server import Http
from tests.support.smoke import FAIL, LOG, SUBFLOW

pytestmark = pytest.mark.versions

GOOD = f"""\
id: work
namespace: $NS
tasks:
  - {{id: say, type: {LOG}, message: "version 1"}}
"""
BAD = GOOD.replace(LOG, FAIL).replace(', message: "version 1"', ", errorMessage: version 2 burns")


def write(repo: Repo, path: str, text: str) -> bytes:  # noqa: F811
    data = text.replace("$NS", repo.namespace).encode()
    repo.write(path, data)
    return data


@pytest.mark.once
def test_smoke__failed_test_after_an_apply_is_exit_7(repo: Repo) -> None:  # noqa: F811
    write(repo, "flows/work.yaml", BAD)
    write(repo, "flows/work.smoke.yaml", "flow: $NS/work\n")
    ran = repo.apply("--smoke")
    assert ran.code == 7, ran.err
    (run,) = ran.json["smoke"]["runs"]
    assert (run["verdict"], run["revision"], run["line"]) == ("failed", 1, 1)
    assert run["culprit"]["error"] == "version 2 burns"
    assert run["cleanup"]["kept"]
    assert [each["status"] for each in ran.json["outcomes"]] == ["applied"]


def test_smoke__failed_test_with_rollback_restores_the_sources(
    repo: Repo,  # noqa: F811
    http: Http,
) -> None:
    """Byte for byte, with their entries in the record; what was created is gone."""
    repo.config(f"smoke:\n  - {{flow: {repo.namespace}/work, keep: never}}\n")
    odd = GOOD + "# an odd end: no line break"
    before = write(repo, "flows/work.yaml", odd.replace("\n", "\r\n"))
    caller = GOOD.replace("id: work", "id: gone").replace("version 1", "goes")
    removed = write(repo, "flows/gone.yaml", caller)
    first = repo.apply("--smoke")
    assert first.code == 0, first.out + first.err
    record = repo.inventory()["resources"]
    write(repo, "flows/work.yaml", BAD)
    write(repo, "flows/fresh.yaml", GOOD.replace("id: work", "id: fresh"))
    repo.remove("gone")
    ran = repo.apply("--smoke", "--rollback", "--allow-large")
    assert ran.code == 7, ran.out + ran.err
    assert {each["result"] for each in ran.json["restored"]} == {"restored"}
    assert repo.live("work") == before
    assert repo.live("gone") == removed
    assert [flow.flow_id.id for flow in repo.client.flows.search(repo.scope)] == ["gone", "work"]
    after = repo.inventory()["resources"]
    assert [(each["id"], each["file_sha256"]) for each in after] == [
        (each["id"], each["file_sha256"]) for each in record
    ]
    assert list(executions_below(http, repo.namespace)) == []
    assert len(ran.json["smoke"]["runs"]) == 1


@pytest.mark.once
def test_smoke__selects_changed_flows_and_their_callers(repo: Repo) -> None:  # noqa: F811
    repo.config()
    write(repo, "flows/work.yaml", GOOD)
    write(
        repo,
        "flows/caller.yaml",
        f"id: caller\nnamespace: $NS\ntasks:\n  - id: call\n    type: {SUBFLOW}\n"
        "    namespace: $NS\n    flowId: work\n    wait: true\n    transmitFailed: true\n",
    )
    write(repo, "flows/other.yaml", GOOD.replace("id: work", "id: other"))
    for name in ("caller", "other"):
        write(repo, f"flows/{name}.smoke.yaml", f"flow: $NS/{name}\n")
    assert repo.apply("--smoke").json["smoke"]["summary"]["passed"] == 2
    write(repo, "flows/work.yaml", GOOD.replace("version 1", "version 2"))
    runs = repo.apply("--smoke", "--allow-large").json["smoke"]["runs"]
    assert {run["flow"]["id"]: run["verdict"] for run in runs} == {
        "caller": "passed",
        "other": "skipped",
    }
    unchanged = repo.apply("--smoke")
    assert (unchanged.code, unchanged.json["smoke"]["summary"]["skipped"]) == (0, 2)


@pytest.mark.once
def test_smoke__invalid_test_stops_all_writes(repo: Repo) -> None:  # noqa: F811
    write(repo, "flows/work.yaml", GOOD)
    write(repo, "flows/work.smoke.yaml", "# smoke\nflow: $NS/work\ntimeuot: 5s\n")
    ran = repo.apply("--smoke")
    assert ran.code == 3
    (found,) = ran.json["diagnostics"]
    assert (found["path"], found["line"], found["rule"]) == (
        "flows/work.smoke.yaml",
        3,
        "smoke-unknown-key",
    )
    assert repo.client.flows.search(repo.scope) == ()


@pytest.mark.once
def test_smoke_alone(repo: Repo) -> None:  # noqa: F811
    write(repo, "flows/work.yaml", GOOD)
    assert repo.run("smoke").code == 64
    assert repo.apply().code == 0
    write(repo, "flows/work.smoke.yaml", "- flow: $NS/work\n- {flow: $NS/work, name: two}\n")
    ran = repo.run("smoke", "-o", "junit=smoke.xml")
    assert ran.code == 0, ran.err
    assert "Smoke: 2 passed in" in ran.out
    assert "running 2 smoke tests" in ran.err
    assert (ran.out + ran.err).count(f"{repo.namespace}/work") == 2
    assert Path("smoke.xml").read_text().count("<testcase") == 2
    repo.edit("work", BAD.replace("$NS", repo.namespace).encode())
    only = ("--only", f"{repo.namespace}/*", "--keep", "never", "-o", "junit=red.xml")
    red = repo.run("smoke", *only, "flows/work.yaml")
    assert red.code == 7
    assert "<failure" in Path("red.xml").read_text()
    assert "task say FAILED: version 2 burns" in red.out
    assert repo.run("smoke", "--exclude", repo.namespace).code == 64


@pytest.mark.once
def test_smoke__apply_without_tests_reports_that(repo: Repo) -> None:  # noqa: F811
    write(repo, "flows/work.yaml", GOOD)
    ran = repo.apply("--smoke")
    assert (ran.code, ran.json["smoke"]) == (0, None)
    assert "note: no smoke tests found" in ran.err


@pytest.mark.once
def test_smoke_file__invalid_yaml_is_reported(repo: Repo) -> None:  # noqa: F811
    write(repo, "flows/work.smoke.yaml", "flow: a: b")
    ran = repo.run("smoke")
    assert ran.code == 3
    assert "flows/work.smoke.yaml:1:" in ran.err
