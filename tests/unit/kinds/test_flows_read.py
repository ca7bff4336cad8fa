"""Reading live flows from an untrusted server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from kestra_sync.client.bulk import FlowSummary
from kestra_sync.client.errors import NotFound
from kestra_sync.kinds.flows.read import base_sources, with_revisions
from kestra_sync.kinds.flows.snapshot import snapshot, unusable_names
from kestra_sync.model import Base, FlowId, Live, Scope, sha256
from tests.support.plans import base, source

_UNCLEAR = b'{"id": "json", "namespace": "acme"\n'
"""What neither the scan nor the parser understands."""


class FakeFlows:
    """Flows by name, each with its revisions; counts the calls."""

    def __init__(self, *flows: tuple[str, str, bytes], empty_exports: int = 0) -> None:
        self.lives = {
            FlowId(namespace, id_): Live(FlowId(namespace, id_), data, 1)
            for namespace, id_, data in flows
        }
        self.old: dict[FlowId, list[Live]] = {}
        self.calls: list[str] = []
        self._empty_exports = empty_exports

    def export(self, scope: Scope | None) -> tuple[bytes, ...]:
        """Everything, whatever was asked for: so do filters that are not known."""
        assert scope is not None
        self.calls.append(f"export {','.join(scope.namespaces)}")
        if self._empty_exports:
            self._empty_exports -= 1
            return ()
        return tuple(each.source for each in self.lives.values())

    def search(self, scope: Scope | None) -> tuple[FlowSummary, ...]:
        """As ``export``."""
        self.calls.append("search")
        return tuple(FlowSummary(key, each.revision) for key, each in self.lives.items())

    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that hold flows."""
        self.calls.append("namespaces")
        return tuple(sorted({key.namespace for key in self.lives}))

    def get(self, flow_id: FlowId, *, revision: int | None = None) -> Live:
        """A flow, or an old revision of it."""
        self.calls.append(f"get {flow_id}{'' if revision is None else f' {revision}'}")
        if revision is None and flow_id in self.lives:
            return self.lives[flow_id]
        for each in self.old.get(flow_id, ()):
            if each.revision == revision:
                return each
        raise NotFound(404, "GET", f"/flows/{flow_id}")

    def revisions(self, flow_id: FlowId) -> tuple[Live, ...]:
        """All that are left."""
        self.calls.append(f"revisions {flow_id}")
        if flow_id not in self.old:
            raise NotFound(404, "GET", f"/flows/{flow_id}/revisions")
        return tuple(self.old[flow_id])


def _acme(*names: str) -> list[tuple[str, str, bytes]]:
    return [("acme", name, source(name)) for name in names]


def _names(found: Iterable[FlowId]) -> list[str]:
    return sorted(map(str, found))


def test_one_export_is_enough() -> None:
    """Names come from the sources, and equal bytes are not even looked at."""
    flows = FakeFlows(*_acme("a", "b"))
    known = {sha256(source("a")): FlowId("acme", "renamed_by_hash")}
    found = snapshot(flows, Scope(("acme",)), known)
    assert _names(found) == ["acme/b", "acme/renamed_by_hash"]
    assert found[FlowId("acme", "b")] == Live(FlowId("acme", "b"), source("b"), None)
    assert flows.calls == ["export acme"]


def test_no_scope_asks_nothing() -> None:
    """Not even whether there is a server."""
    flows = FakeFlows(*_acme("a"))
    assert snapshot(flows, Scope(()), {}) == {}
    assert flows.calls == []


def test_scope__foreign_namespaces_are_dropped() -> None:
    """Whatever the server's filter did."""
    flows = FakeFlows(
        *_acme("a"),
        ("acme.team", "b", source("b", namespace="acme.team")),
        ("acme2", "c", source("c", namespace="acme2")),
    )
    assert _names(snapshot(flows, Scope(("acme",)), {})) == ["acme.team/b", "acme/a"]
    assert _names(snapshot(flows, Scope(("acme",), exact=True), {})) == ["acme/a"]


def test_an_empty_export_is_confirmed() -> None:
    """By the list of namespaces; else every flow would look deleted."""
    flows = FakeFlows(("other", "x", source("x", namespace="other")))
    assert snapshot(flows, Scope(("acme",)), {}) == {}
    assert flows.calls == ["export acme", "namespaces"]


def test_export__empty_response_is_confirmed_first() -> None:
    """Where there are namespaces, each is read by itself."""
    flows = FakeFlows(
        *_acme("a"), ("acme.b", "b", source("b", namespace="acme.b")), empty_exports=1
    )
    assert _names(snapshot(flows, Scope(("acme",)), {})) == ["acme.b/b", "acme/a"]
    assert flows.calls == ["export acme", "namespaces", "export acme", "export acme.b"]


def test_export__falls_back_to_single_reads() -> None:
    """The search names them."""
    flows = FakeFlows(*_acme("a"), empty_exports=9)
    assert _names(snapshot(flows, Scope(("acme",)), {})) == ["acme/a"]
    assert flows.calls[-2:] == ["search", "get acme/a"]


def test_export__source_without_a_name_is_read_separately() -> None:
    """The server knows whose it is."""
    flows = FakeFlows(
        *_acme("a"), ("acme", "json", _UNCLEAR), ("other", "x", source("x", namespace="other"))
    )
    found = snapshot(flows, Scope(("acme",)), {})
    assert _names(found) == ["acme/a", "acme/json"]
    assert found[FlowId("acme", "json")].source == _UNCLEAR
    assert flows.calls == ["export acme", "search", "get acme/json"]


def test_a_few_flows_are_read_again() -> None:
    """With their newest source; those that are gone are left out."""
    flows = FakeFlows(*_acme("a"))
    stale = [Live(FlowId("acme", name), b"old") for name in "ab"]
    found = with_revisions(flows, stale, parallelism=1)
    assert found == {FlowId("acme", "a"): Live(FlowId("acme", "a"), source("a"), 1)}


def test_many_flows_are_looked_up() -> None:
    """One search instead of a hundred reads; the source is the exported one."""
    names = [f"f{number}" for number in range(101)]
    flows = FakeFlows(*_acme(*names[:-1]))
    found = with_revisions(flows, [Live(FlowId("acme", name), b"exported") for name in names])
    assert len(found) == 100
    assert found[FlowId("acme", "f0")] == Live(FlowId("acme", "f0"), b"exported", 1)
    assert flows.calls == ["search", "get acme/f100"]  # what the search lacks is asked for


@pytest.mark.parametrize("count", [10, 11])
def test_revision__of_unedited_flows_comes_from_the_record(count: int) -> None:
    """Nothing is asked for those; of a few the true one is told, edited and put back or not."""
    names = [f"f{number}" for number in range(count)]
    flows = FakeFlows(*_acme(*names))
    lives = [Live(each.flow_id, each.source) for each in flows.lives.values()]
    bases = {each.flow_id: base(each.source, revision=7) for each in lives}
    found = with_revisions(flows, lives, bases=bases)
    many = count > 10
    assert {each.revision for each in found.values()} == {7 if many else 1}
    assert len(flows.calls) == (0 if many else count)


@pytest.mark.parametrize(
    "recorded",
    [
        base(b"other", revision=7),
        base(source("f0"), revision=None),
        replace(base(source("f0"), revision=7), live_hashes=frozenset({sha256(source("f0")), "x"})),
    ],
)
def test_revision__recorded_for_another_source_is_ignored(recorded: Base) -> None:
    """Nor one that may be of either of two."""
    flows = FakeFlows(*_acme(*(f"f{number}" for number in range(11))))
    lives = list(flows.lives.values())
    bases = {each.flow_id: base(each.source, revision=7) for each in lives}
    bases[FlowId("acme", "f0")] = recorded
    found = with_revisions(flows, lives, bases=bases)
    assert [found[each.flow_id].revision for each in lives] == [1, *[7] * 10]
    assert flows.calls == ["get acme/f0"]


@pytest.mark.parametrize(
    ("wanted", "there", "searched"),
    [
        (11, 40, True),
        (11, 50, False),  # too many would come along
        (10, 10, False),
        (11, None, False),
    ],
)
def test_most_of_a_namespace_is_looked_up(wanted: int, there: int | None, searched: bool) -> None:
    """Whichever brings less over the network."""
    names = [f"f{number}" for number in range(there or wanted)]
    flows = FakeFlows(*_acme(*names), ("other", "a", source("a")))
    lives = [flows.lives[FlowId("acme", name)] for name in names[:wanted]]
    found = with_revisions(flows, lives, everything=flows.lives if there else None)
    assert len(found) == wanted
    assert (flows.calls == ["search"]) is searched


@pytest.mark.parametrize(("seconds", "searched"), [(1.0, True), (0.01, False)])
def test_a_server_that_is_slow_at_single_reads(seconds: float, searched: bool) -> None:
    """The first of them tell; the rest is looked up."""
    names = [f"f{number}" for number in range(200)]
    flows = FakeFlows(*_acme(*names))
    now = iter(number * seconds for number in range(1000))
    lives = [flows.lives[FlowId("acme", name)] for name in names[:40]]
    found = with_revisions(flows, lives, everything=flows.lives, clock=lambda: next(now))
    assert found == {live.flow_id: live for live in lives}
    assert len(flows.calls) == (8 + 1 if searched else 40)


def test_the_search_of_many_namespaces_is_not_exact() -> None:
    each = [(f"acme.n{number}", "a", source("a")) for number in range(11)]
    flows = FakeFlows(*each, *_acme(*(f"f{number}" for number in range(60))))
    lives = [flows.lives[FlowId(namespace, name)] for namespace, name, _ in each]
    assert len(with_revisions(flows, lives, everything=flows.lives)) == 11
    assert flows.calls[0].startswith("get")


@pytest.mark.parametrize(
    ("revision", "kept", "wanted", "calls"),
    [
        (3, [(3, b"applied")], b"applied", ["get acme/a 3"]),
        # The server restarted the numbering, or the revision was deleted: the hash is looked for.
        (3, [(1, b"applied"), (3, b"edited")], b"applied", ["get acme/a 3", "revisions acme/a"]),
        (3, [(4, b"applied")], b"applied", ["get acme/a 3", "revisions acme/a"]),
        (None, [(1, b"applied"), (2, b"edited")], b"applied", ["revisions acme/a"]),
        (None, [(1, b"edited")], None, ["revisions acme/a"]),
        (None, None, None, ["revisions acme/a"]),
    ],
)
def test_base__is_the_last_applied_state(
    revision: int | None,
    kept: list[tuple[int, bytes]] | None,
    wanted: bytes | None,
    calls: list[str],
) -> None:
    """As far as the server still has it, by its hash."""
    flow_id = FlowId("acme", "a")
    flows = FakeFlows()
    if kept is not None:
        flows.old[flow_id] = [Live(flow_id, data, number) for number, data in kept]
    found = base_sources(flows, {flow_id: base(b"applied", revision=revision)})
    assert found == ({} if wanted is None else {flow_id: wanted})
    assert flows.calls == calls


@pytest.mark.parametrize(
    ("written", "odd"),
    [("010", True), ("0x10", True), ("1e3", True), ("yes", True), ("1.50", True), ("12", False)]
    + [(text, False) for text in ("true", '"010"', "a010", "v1.50")],
)
def test_flow_id__that_yaml_reads_differently_is_reported(written: str, odd: bool) -> None:
    """Kestra keeps it under the name as written: there is nothing to be found under the other."""
    data = f"id: {written}\nnamespace: acme\ntasks: []\n".encode()
    found: set[FlowId] = set()
    server = FakeFlows(("acme", "x", data), *_acme("other"))
    flows = snapshot(server, Scope(("acme",)), {}, unusable=found)
    assert found == ({FlowId("acme", written)} if odd else set())
    assert len(flows) == (1 if odd else 2)
    if odd:
        (told,) = unusable_names(found)
        assert "YAML does not read it as text" in told.message
