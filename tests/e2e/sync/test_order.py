"""Callees are written before their callers, and references are checked."""

from __future__ import annotations

import re

import pytest

from tests.e2e.sync.conftest import Repo
from tests.support.proxy import FaultProxy
from tests.support.sources import (
    SUBFLOW,
    calls_in_a_loop,
    flow,
    flow_trigger,
    log_flow,
    subflow,
    task,
)

pytestmark = pytest.mark.versions

INPUTS = "inputs:\n  - id: file\n    type: FILE\n"


def writes(repo: Repo, proxy: FaultProxy) -> list[tuple[str, str]]:
    """Method and flow of each write, in the order in which the server got them."""
    found = []
    for each in proxy.requests:
        if each.method == "POST" and re.search(r"/flows$", each.path):
            name = re.search(rb"^id: (\S+)", each.body, re.MULTILINE)
            assert name is not None
            found.append(("POST", name[1].decode()))
        elif each.method in ("PUT", "DELETE") and (
            match := re.search(rf"/flows/{repo.namespace}/([^/]+)$", each.path)
        ):
            found.append((each.method, match[1]))
    return found


def test_order__callees_are_written_first_and_deleted_last(repo: Repo, proxy: FaultProxy) -> None:
    """The alphabetical order of the names is not the order of the calls."""
    ns = repo.namespace
    repo.config()
    repo.flow("other")
    repo.write("flows/a.yaml", subflow(ns, "a_top", "m_middle"))
    repo.write(
        "flows/m.yaml", flow(ns, "m_middle", calls_in_a_loop(repo.release, ns, "z_bottom"), INPUTS)
    )
    repo.write("flows/z.yaml", log_flow(ns, "z_bottom"))
    repo.write(
        "flows/b.yaml", log_flow(ns, "b_waits", extra=flow_trigger(repo.release, ns, "z_bottom"))
    )
    repo.apply()
    order = [name for _, name in writes(repo, proxy)]
    assert sorted(order) == ["a_top", "b_waits", "m_middle", "other", "z_bottom"]
    assert order.index("z_bottom") < order.index("m_middle") < order.index("a_top")
    assert order.index("z_bottom") < order.index("b_waits")

    proxy.forget()
    for name in "amzb":
        (repo.root / f"flows/{name}.yaml").unlink()
    assert repo.apply("--allow-large").code == 0
    order = [name for _, name in writes(repo, proxy)]
    assert sorted(order) == ["a_top", "b_waits", "m_middle", "z_bottom"]
    assert order.index("z_bottom") > order.index("m_middle") > order.index("a_top")


@pytest.mark.once
def test_order__deletions_come_after_all_other_writes(repo: Repo, proxy: FaultProxy) -> None:
    """Also those of a move: the caller gets the new name before the old one goes."""
    ns = repo.namespace
    repo.config()
    repo.write("flows/called.yaml", log_flow(ns, "old_name"))
    repo.write("flows/caller.yaml", subflow(ns, "caller", "old_name"))
    repo.flow("gone", "first")
    repo.flow("stays")
    repo.apply()
    proxy.forget()
    repo.write("flows/called.yaml", log_flow(ns, "new_name"))
    repo.write("flows/caller.yaml", subflow(ns, "caller", "new_name"))
    repo.remove("gone")
    assert repo.plan().reasons() == {
        "new_name": "move moved",
        "caller": "update changed",
        "gone": "delete removed",
    }
    proxy.forget()
    assert repo.apply("--allow-large").code == 0
    done = writes(repo, proxy)
    assert done[:2] == [("POST", "new_name"), ("PUT", "caller")]
    assert sorted(done[2:]) == [("DELETE", "gone"), ("DELETE", "old_name")]
    assert repo.plan().reasons() == {}


def test_flows_that_call_each_other_are_written_and_named(repo: Repo) -> None:
    ns = repo.namespace
    repo.config()
    repo.write("flows/a.yaml", subflow(ns, "a", "b"))
    repo.write("flows/b.yaml", subflow(ns, "b", "a"))
    repo.write("flows/c.yaml", subflow(ns, "c", "a"))
    planned = repo.plan()
    assert planned.code == 0
    (told,) = [each for each in planned.json["diagnostics"] if each["rule"] == "reference-cycle"]
    assert (told["severity"], told["path"]) == ("warning", "flows/a.yaml")
    assert told["message"].endswith(f"{ns}/a -> {ns}/b -> {ns}/a")
    ran = repo.apply()
    assert f"these flows call each other: {ns}/a, {ns}/b" in ran.err
    if repo.release >= (2, 0) and ran.code != 0:
        # Kestra 2.0 refuses the flow that closes the loop, if it has noted the calls of the first.
        assert ran.code == 6
        assert "would create an execution loop" in ran.out
        assert sorted(ran.outcomes().values())[:1] == ["applied"]
        return
    assert ran.code == 0
    assert set(repo.lives()) == {"a", "b", "c"}
    assert repo.plan().reasons() == {}


@pytest.mark.once
def test_reference__missing_in_the_scope_is_an_error_with_its_line(repo: Repo) -> None:
    ns = repo.namespace
    repo.config()
    nested = f"""\
  - id: outer
    type: io.kestra.plugin.core.flow.Sequential
    tasks:
      - id: call
        type: {SUBFLOW}
        namespace: {ns}
        flowId: nowhere
"""
    repo.write("flows/a.yaml", "# a comment\n" + flow(ns, "a", nested))
    repo.flow("fine")
    ran = repo.apply()
    assert ran.code == 3
    (found,) = ran.json["diagnostics"]
    assert (found["severity"], found["rule"]) == ("error", "reference-missing")
    assert (found["path"], found["line"]) == ("flows/a.yaml", 11)
    assert f"calls {ns}/nowhere" in found["message"]
    assert repo.lives() == {}
    # In the batch, or on the server, it leads somewhere.
    repo.flow("nowhere")
    assert repo.plan().json["diagnostics"] == []
    repo.remove("nowhere")
    repo.client.flows.create(repo.source("nowhere"))
    assert repo.apply().code == 0


@pytest.mark.once
def test_reference__to_a_flow_that_will_be_deleted_is_missing(repo: Repo) -> None:
    ns = repo.namespace
    repo.config()
    repo.flow("called")
    repo.flow("other")
    repo.apply()
    repo.remove("called")
    repo.write("flows/caller.yaml", subflow(ns, "caller", "called"))
    ran = repo.apply()
    assert ran.code in (3, 4)
    assert set(repo.lives()) == {"called", "other"}


def test_outside_the_scope_and_for_triggers_it_is_a_warning(repo: Repo) -> None:
    ns = repo.namespace
    repo.config()
    repo.write("flows/a.yaml", subflow(ns, "a", "nowhere", f"{ns}2"))
    repo.write("flows/b.yaml", log_flow(ns, "b", extra=flow_trigger(repo.release, ns, "nowhere")))
    computed = task(SUBFLOW, namespace=ns, flowId='"{{ inputs.which }}"')
    inputs = "inputs:\n  - id: which\n    type: STRING\n"
    repo.write("flows/c.yaml", flow(ns, "c", computed, inputs))
    ran = repo.apply()
    assert ran.code == 0
    found = [(each["severity"], each["rule"], each["path"]) for each in ran.json["diagnostics"]]
    assert found == [
        ("warning", "reference-missing", "flows/a.yaml"),
        ("warning", "reference-missing", "flows/b.yaml"),
    ]
    assert set(repo.lives()) == {"a", "b", "c"}
