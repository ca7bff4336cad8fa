"""Previews on a real server: put up, looked at, taken down, and nothing else is ever touched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kestra_sync.model import FlowId, Scope
from tests.e2e.sync.conftest import Repo
from tests.support.cleanup import executions_below, remove_namespace
from tests.support.server import Http

pytestmark = pytest.mark.versions

SOURCE = """\
id: {id}
namespace: {ns}.team
tasks:
  - {{id: log, type: io.kestra.plugin.core.log.Log, message: "{message}"}}
"""
CALLER = """\
id: caller
namespace: {ns}.team
tasks:
  - id: call
    type: io.kestra.plugin.core.flow.Subflow
    namespace: {ns}.team
    flowId: called
    wait: true
triggers:
  - id: often
    type: io.kestra.plugin.core.trigger.Schedule
    cron: "*/5 * * * *"
"""
CONFIG = """\
kv: [kv/*.yaml]
files: [{{path: files, namespace: {ns}.team}}]
preview:
  namespaces: {{{ns}: "{ns}-preview.{{name}}"}}
  ttl: 7d
"""


@pytest.fixture
def previews(repo: Repo, http: Http) -> Iterator[Repo]:
    """A repository with flows, files, keys and a smoke test, and rules for previews."""
    ns = repo.namespace
    repo.config(CONFIG.format(ns=ns))
    repo.write("flows/called.yaml", SOURCE.format(id="called", ns=ns, message="hello"))
    repo.write("flows/caller.yaml", CALLER.format(ns=ns))
    repo.write("files/sub/query.sql", "select 1")
    repo.write("kv/team.yaml", f"namespace: {ns}.team\nvalues:\n  region: emea\n")
    repo.write(
        "flows/caller.smoke.yaml",
        f"flow: {ns}.team/caller\ntimeout: 60s\nexpect: {{state: SUCCESS}}\n",
    )
    yield repo
    remove_namespace(http, f"{ns}-preview")


def nothing_left(repo: Repo, http: Http, name: str) -> None:
    """No trace of a preview on the server."""
    namespace = f"{repo.namespace}-preview.{name}"
    client = repo.client
    assert client.flows.search(Scope((namespace,))) == ()
    assert list(executions_below(http, namespace)) == []
    for each in (namespace, f"{namespace}.team"):
        assert client.files.list(each) == ()
        assert client.kv.list(each) == ()
    assert [each for each in client.kv.search("kestra-sync") if namespace in each.namespace] == []


def test_up_and_down(previews: Repo, http: Http) -> None:
    repo, ns = previews, previews.namespace
    assert repo.apply().code == 0  # the live ones
    live = repo.inventory()
    there = f"{ns}-preview.pr-12.team"

    ran = repo.run("preview", "up", "pr-12", "--yes", "--format", "json")
    assert ran.code == 0, ran.out + ran.err
    shown = ran.json["preview"]
    assert shown["namespaces"] == [f"{ns}-preview.pr-12"]
    assert [each["flow"]["id"] for each in shown["flows"]] == ["called", "caller"]
    (run,) = ran.json["smoke"]["runs"]
    assert (run["verdict"], run["cleanup"]["kept"]) == ("passed", True)
    assert [each["id"] for each in shown["executions"]] == [run["execution"]]
    caller = repo.client.flows.get(FlowId(there, "caller")).source.decode()
    assert f"namespace: {there}\n    flowId: called" in caller
    assert "disabled: true" in caller
    assert repo.client.files.get(there, "sub/query.sql") == b"select 1"
    assert repo.client.kv.get(there, "region") == "emea"
    record = repo.client.kv.get(f"{ns}-preview.pr-12", f"{repo.key}.preview-pr-12")
    assert record["preview"]["result"] == "applied"

    # Git moves on: one flow goes, another is new, a third changes; an edit in the preview is lost.
    repo.write("flows/called.yaml", SOURCE.format(id="called", ns=ns, message="changed"))
    repo.write("flows/new.yaml", SOURCE.format(id="new", ns=ns, message="new"))
    assert repo.run("preview", "up", "pr-12", "--yes").code == 0
    (repo.root / "flows/new.yaml").unlink()
    repo.client.executions.create(FlowId(there, "new"), wait=True)
    edited = SOURCE.format(id="called", ns=f"{ns}-preview.pr-12", message="edited")
    repo.client.flows.update(FlowId(there, "called"), edited.encode())
    ran = repo.run("preview", "up", "pr-12", "--yes", "--format", "json")
    assert ran.code == 0, ran.out + ran.err
    assert repo.client.flows.get(FlowId(there, "called")).source.decode() == SOURCE.format(
        id="called", ns=f"{ns}-preview.pr-12", message="changed"
    )

    listed = repo.run("preview", "list", "--format", "json")
    assert listed.code == 0, listed.err
    (entry,) = listed.json["previews"]
    assert (entry["name"], entry["expired"], entry["result"]) == ("pr-12", False, "applied")
    assert entry["resources"] == {"flows": 2, "files": 1, "keys": 1}
    assert "pr-12" in repo.run("preview", "list").out

    ran = repo.run("preview", "down", "pr-12", "--yes", "--format", "json")
    assert ran.code == 0, ran.out + ran.err
    (removed,) = ran.json["previews"]
    assert removed["removed"]
    assert removed["problems"] == []
    # Four runs of the smoke test with its subflow, and the one of the flow that has gone since.
    assert removed["deleted"]["executions"] >= 7
    nothing_left(repo, http, "pr-12")
    assert repo.inventory() == live
    assert repo.run("preview", "list", "--format", "json").json["previews"] == []
    assert repo.run("preview", "down", "pr-12", "--yes").code == 0  # there is nothing to do
