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
    # A reference that leads nowhere outside of the scope, or of a trigger, is a warning.
    repo.write("flows/x1.yaml", subflow(ns, "x1", "nowhere", f"{ns}2"))
    repo.write("flows/x2.yaml", log_flow(ns, "x2", extra=flow_trigger(repo.release, ns, "nowhere")))
    computed = task(SUBFLOW, namespace=ns, flowId='"{{ inputs.which }}"')
    repo.write(
        "flows/x3.yaml", flow(ns, "x3", computed, "inputs:\n  - id: which\n    type: STRING\n")
    )
    ran = repo.apply()
    assert ran.code == 0
    found = [(each["severity"], each["rule"], each["path"]) for each in ran.json["diagnostics"]]
    assert found == [
        ("warning", "reference-missing", "flows/x1.yaml"),
        ("warning", "reference-missing", "flows/x2.yaml"),
    ]
    order = [name for _, name in writes(repo, proxy)]
    names = ["a_top", "b_waits", "m_middle", "other", "x1", "x2", "x3", "z_bottom"]
    assert sorted(order) == names
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
    ran = repo.apply("--allow-large")
    assert ran.code == 0
    assert ran.reasons() == {
        "new_name": "move moved",
        "caller": "update changed",
        "gone": "delete removed",
    }
    done = writes(repo, proxy)
    assert done[:2] == [("POST", "new_name"), ("PUT", "caller")]
    assert sorted(done[2:]) == [("DELETE", "gone"), ("DELETE", "old_name")]


def test_flows_that_call_each_other_are_written_and_named(repo: Repo) -> None:
    ns = repo.namespace
    repo.config()
    repo.write("flows/a.yaml", subflow(ns, "a", "b"))
    repo.write("flows/b.yaml", subflow(ns, "b", "a"))
    repo.write("flows/c.yaml", subflow(ns, "c", "a"))
    ran = repo.apply()
    (told,) = [each for each in ran.json["diagnostics"] if each["rule"] == "reference-cycle"]
    assert (told["severity"], told["path"]) == ("warning", "flows/a.yaml")
    assert told["message"].endswith(f"{ns}/a -> {ns}/b -> {ns}/a")
    assert f"these flows call each other: {ns}/a, {ns}/b" in ran.err
    if repo.release >= (2, 0) and ran.code != 0:
        # Kestra 2.0 refuses the flow that closes the loop, if it has noted the calls of the first.
        assert ran.code == 6
        assert "would create an execution loop" in ran.out
        assert sorted(ran.outcomes().values())[:1] == ["applied"]
        return
    assert ran.code == 0
    assert set(repo.lives()) == {"a", "b", "c"}


@pytest.mark.once
def test_reference__missing_in_the_scope_is_an_error_with_its_line(repo: Repo) -> None:
    """Also to a flow that will be deleted; in the batch or on the server it leads somewhere."""
    ns = repo.namespace
    repo.config()
    repo.flow("called")
    repo.flow("other")
    assert repo.apply().code == 0
    repo.remove("called")
    repo.write("flows/caller.yaml", subflow(ns, "caller", "called"))
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
    ran = repo.apply("--allow-large")
    assert ran.code == 3
    found = {each["path"]: each for each in ran.json["diagnostics"]}
    assert set(found) == {"flows/a.yaml", "flows/caller.yaml"}
    assert {(each["severity"], each["rule"]) for each in found.values()} == {
        ("error", "reference-missing")
    }
    assert found["flows/a.yaml"]["line"] == 11
    assert f"calls {ns}/nowhere" in found["flows/a.yaml"]["message"]
    assert set(repo.lives()) == {"called", "other"}
    repo.flow("called")
    repo.client.flows.create(repo.source("nowhere"))
    ran = repo.apply()
    assert (ran.code, ran.json["diagnostics"]) == (0, [])
