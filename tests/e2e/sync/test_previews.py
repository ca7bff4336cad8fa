"""Previews on a real server: deployed, listed and removed, and nothing else is changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kestra_sync.model import FlowId, Scope
from tests.e2e.sync.conftest import Repo
from tests.support.cleanup import executions_below, remove_namespaces
from tests.support.proxy import Exchange, FaultProxy, Rule, reset_request
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
    remove_namespaces(http, f"{ns}-preview")


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


def test_preview__up_and_down(previews: Repo, http: Http) -> None:
    repo, ns = previews, previews.namespace
    sleeping = SOURCE.format(id="sleeping", ns=ns, message="x").replace(
        'core.log.Log, message: "x"', "core.flow.Sleep, duration: PT10M"
    )
    repo.write("flows/sleeping.yaml", sleeping)
    assert repo.apply().code == 0  # the live ones
    repo.write("flows/new.yaml", SOURCE.format(id="new", ns=ns, message="new"))
    live = repo.inventory()
    there = f"{ns}-preview.pr-12.team"

    ran = repo.run("preview", "up", "pr-12", "--yes", "--format", "json")
    assert ran.code == 0, ran.out + ran.err
    shown = ran.json["preview"]
    assert shown["namespaces"] == [f"{ns}-preview.pr-12"]
    assert [each["flow"]["id"] for each in shown["flows"]] == [
        *("called", "caller", "new", "sleeping")
    ]
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

    # Git moves on: one flow goes and another changes; an edit in the preview is lost.
    (repo.root / "flows/new.yaml").unlink()
    repo.write("flows/called.yaml", SOURCE.format(id="called", ns=ns, message="changed"))
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
    assert entry["resources"] == {"flows": 3, "files": 1, "keys": 1}

    repo.client.executions.create(FlowId(there, "sleeping"))  # which `down` kills
    ran = repo.run("preview", "down", "pr-12", "--yes", "--format", "json")
    assert ran.code == 0, ran.out + ran.err
    (removed,) = ran.json["previews"]
    assert removed["removed"]
    assert removed["problems"] == []
    # Two runs of the smoke test with its subflow, that of the flow that has gone since, and this.
    assert removed["deleted"]["executions"] >= 6
    nothing_left(repo, http, "pr-12")
    assert repo.inventory() == live
    again = repo.run("preview", "down", "pr-12", "--yes", "--format", "json")
    (nothing,) = again.json["previews"]
    assert (again.code, nothing["existed"], nothing["removed"]) == (0, False, False)


def quiet(repo: Repo) -> None:
    """No smoke tests: they take their time."""
    ns = repo.namespace
    repo.config(CONFIG.format(ns=ns) + "  smoke: false\n")


@pytest.mark.once
def test_preview__resources_of_others_are_not_changed(previews: Repo, http: Http) -> None:
    repo, ns = previews, previews.namespace
    quiet(repo)
    home, there = f"{ns}-preview.x", f"{ns}-preview.x.team"
    theirs = SOURCE.format(id="called", ns=home, message="theirs").encode()
    equal = SOURCE.format(id="called", ns=home, message="hello").encode()
    other = SOURCE.format(id="other", ns=home, message="other").encode()
    for source in (theirs, equal):
        flow_id = repo.client.flows.create(source).flow_id
        ran = repo.run("preview", "up", "x", "--yes", "--format", "json")
        assert (ran.code, ran.refused()) == (4, ["preview-not-ours"]), ran.out
        assert str(flow_id) in ran.json["refusals"][0]["message"]
        assert [each.flow_id for each in repo.client.flows.search(Scope((home,)))] == [flow_id]
        assert repo.client.kv.list(home) == ()
        repo.client.flows.delete(flow_id)
    # The same for a flow of another name and a key, by way of the environment.
    repo.client.flows.create(other)
    repo.client.kv.put(there, "region", "theirs")
    ran = repo.run("apply", "-e", "preview-x", "--take-over", "--yes", "--format", "json")
    assert (ran.code, ran.refused()) == (4, ["preview-not-ours"]), ran.out
    message = ran.json["refusals"][0]["message"]
    assert f"{there}/other" in message
    assert f"{there}/region" in message
    assert repo.client.kv.get(there, "region") == "theirs"
    repo.client.kv.delete(there, "region")
    repo.client.flows.delete(FlowId(there, "other"))

    # Once it is up, resources that others add to its namespaces are kept, also by `down`.
    assert repo.run("preview", "up", "x", "--yes").code == 0
    repo.client.flows.create(other)
    repo.client.executions.create(FlowId(there, "other"), wait=True)
    assert repo.run("preview", "up", "x", "--yes").code == 0
    ran = repo.run("preview", "down", "x", "--yes", "--format", "json")
    assert ran.code == 0, ran.out + ran.err
    (removed,) = ran.json["previews"]
    assert removed["left_alone"] == [{"namespace": there, "id": "other"}]
    assert [each.flow_id.id for each in repo.client.flows.search(Scope((home,)))] == ["other"]
    assert [each["flowId"] for each in executions_below(http, home)] == ["other"]

    # A name with which it would be among the live flows.
    assert repo.apply().code == 0
    before = repo.lives()
    repo.config(f'preview:\n  namespaces: {{{ns}: "{ns}.{{name}}"}}\n  smoke: false\n')
    ran = repo.run("preview", "up", "team", "--yes", "--format", "json")
    assert (ran.code, ran.refused()) == (4, ["preview-not-ours"]), ran.out + ran.err
    assert repo.lives() == before
    # Namespaces that have changed since: neither `up` nor `down` guesses.
    repo.config(f'preview:\n  namespaces: {{{ns}: "{ns}-preview.{{name}}"}}\n  smoke: false\n')
    assert repo.run("preview", "up", "y", "--yes").code == 0
    repo.config(f'preview:\n  namespaces: {{{ns}: "{ns}-preview2.{{name}}"}}\n  smoke: false\n')
    for name in ("up", "down"):
        ran = repo.run("preview", name, "y", "--yes")
        assert (ran.code, "remove it with the" in ran.err) == (4, True), ran.out + ran.err


#: From which request on nothing arrives any more, as if the process or the network had ended: of
#: commands that put a preview up, one after another, and of those that take it down.
CUTS: list[dict[str, list[tuple[str, str, int]]]] = [
    {
        "up": [("PUT", r"/kv/kestra-sync-run\.", 1), ("PUT", r"/kv/kestra-sync\.", 1)],
        "down": [("PUT", r"/kv/kestra-sync\.", 1), ("DELETE", r"/flows/", 2)],
    },
    {
        "up": [("POST", r"/flows$", 2), ("PUT", r"/kv/kestra-sync\.", 2)],
        "down": [
            ("PUT", r"/kv/kestra-sync\.", 2),
            ("DELETE", r"/executions/", 1),
            ("DELETE", r"/kv/kestra-sync\.", 1),
        ],
    },
]


@pytest.mark.once
def test_preview__interrupted_command_is_completed_by_the_next(
    previews: Repo, proxy: FaultProxy, http: Http
) -> None:
    repo, there = previews, f"{previews.namespace}-preview.x.team"
    quiet(repo)

    def cut(exchange: Exchange) -> None:
        proxy.add(Rule(reset_request, times=None))
        reset_request(exchange)

    for commands in CUTS:
        for command, cuts in commands.items():
            for method, path, nth in cuts:
                rule = proxy.add(Rule(cut, method, path, nth=nth))
                ran = repo.run("preview", command, "x", "--yes")
                assert ran.code in (1, 5, 6, 69), (command, path, ran.out + ran.err)
                assert rule.seen >= nth, (command, path, nth)
                proxy.clear()
                for each in repo.client.kv.search("kestra-sync-lock."):
                    if each.namespace.startswith(f"{repo.namespace}-preview"):
                        repo.client.kv.delete(each.namespace, each.key)
            ran = repo.run("preview", command, "x", "--yes")
            assert ran.code == 0, (command, ran.out + ran.err)
            if command == "up":
                assert {each.flow_id.id for each in repo.client.flows.search(Scope((there,)))} == {
                    *("called", "caller")
                }
                repo.client.executions.create(FlowId(there, "called"), wait=True)
        nothing_left(repo, http, "x")


@pytest.mark.once
def test_preview_clean__removes_expired_previews(previews: Repo, http: Http) -> None:
    repo, ns = previews, previews.namespace
    quiet(repo)
    for name in ("one", "two"):
        assert repo.run("preview", "up", name, "--yes").code == 0
    repo.client.files.put(ns, "kept/x", b"")  # of the live namespace
    assert "No expired previews." in repo.run("preview", "clean", "--yes").out
    home, key = f"{ns}-preview.one", f"{repo.key}.preview-one"
    record = repo.client.kv.get(home, key)
    record["preview"]["expires"] = "2026-01-01T00:00:00Z"
    # A record that someone has forged reaches nothing outside of the preview.
    forged = {"kind": "file", "namespace": ns, "id": "kept/x"}
    record["preview"]["past"] = [forged, {"kind": "flow", "namespace": ns, "id": "live"}]
    repo.client.kv.put(home, key, record)
    assert repo.run("preview", "clean").code == 64  # there is no terminal to ask on
    ran = repo.run("preview", "clean", "--yes", "--format", "json")
    assert ran.code == 0, ran.out + ran.err
    assert [each["name"] for each in ran.json["previews"]] == ["one"]
    nothing_left(repo, http, "one")
    assert repo.client.files.get(ns, "kept/x") == b""
    ran = repo.run("preview", "clean", "--keep", "Two", "--yes", "--format", "json")
    assert (ran.code, ran.json["previews"]) == (0, [])
    # One that cannot be removed does not keep the others.
    repo.config(f'preview:\n  namespaces: {{{ns}: "{ns}-preview.b.{{name}}"}}\n  smoke: false\n')
    assert repo.run("preview", "up", "four", "--yes").code == 0
    ran = repo.run("preview", "clean", "--keep", "none", "--yes", "--format", "json")
    assert ran.code == 4, ran.out + ran.err
    assert {each["name"]: each["removed"] for each in ran.json["previews"]} == {
        "four": True,
        "two": False,
    }
