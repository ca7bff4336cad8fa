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
    for name in ("caller", "other", "work"):
        write(repo, f"flows/{name}.smoke.yaml", f"flow: $NS/{name}\n")
    assert repo.apply("--smoke").json["smoke"]["summary"]["passed"] == 3
    write(repo, "flows/work.yaml", BAD)
    ran = repo.apply("--smoke", "--allow-large")
    assert ran.code == 7, ran.err
    runs = {run["flow"]["id"]: run for run in ran.json["smoke"]["runs"]}
    assert runs["caller"]["verdict"] == "failed"  # it calls the new revision of its subflow
    assert runs["other"]["verdict"] == "skipped"
    failed = runs["work"]
    assert (failed["verdict"], failed["revision"], failed["line"]) == ("failed", 2, 1)
    assert failed["culprit"]["error"] == "version 2 burns"
    assert failed["cleanup"]["kept"]
    assert [each["status"] for each in ran.json["outcomes"]] == ["applied"]


@pytest.mark.once
def test_smoke_command__from_no_tests_to_invalid_ones(repo: Repo) -> None:  # noqa: F811
    """What is wrong with a test is reported before any write."""
    write(repo, "flows/work.yaml", GOOD)
    assert repo.run("smoke").code == 64
    ran = repo.apply("--smoke")
    assert (ran.code, ran.json["smoke"]) == (0, None)
    assert "note: no smoke tests found" in ran.err

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

    write(repo, "flows/work.smoke.yaml", "# smoke\nflow: $NS/work\ntimeuot: 5s\n")
    write(repo, "flows/more.smoke.yaml", "flow: a: b")
    write(repo, "flows/work.yaml", GOOD.replace("version 1", "version 3"))
    ran = repo.apply("--smoke")
    assert ran.code == 3
    assert {(each["path"], each["line"], each["rule"]) for each in ran.json["diagnostics"]} == {
        ("flows/work.smoke.yaml", 3, "smoke-unknown-key"),
        ("flows/more.smoke.yaml", 1, "yaml-syntax"),
    }
    assert ran.json["outcomes"] == []
    assert repo.run("smoke").code == 3
