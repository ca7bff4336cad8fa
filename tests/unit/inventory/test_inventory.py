"""The record as JSON, its owner, and its location."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kestra_sync.client.errors import Gone, NotCredible, NotFound
from kestra_sync.client.kv import KvKey
from kestra_sync.errors import RefusedError
from kestra_sync.inventory.codec import FORMAT, InventoryError, from_json, to_json
from kestra_sync.inventory.others import read_others
from kestra_sync.inventory.read import (
    InventoryLocation,
    check_owner,
    find_inventory,
    read_inventory,
    server_of,
)
from kestra_sync.inventory.record import (
    HistoryEntry,
    Intent,
    Inventory,
    Origin,
    Resource,
    actor,
    origin,
)
from kestra_sync.model import FlowId, Scope, Target

TEXT = st.text(max_size=8)
HASHES = st.text("0123456789abcdef", min_size=4, max_size=4)
IDS = st.builds(FlowId, st.sampled_from(["acme", "acme.team"]), st.sampled_from(["a", "b.c", "d"]))
RESOURCES = st.builds(
    Resource, IDS, TEXT, HASHES, HASHES, st.none() | st.integers(1, 99), st.booleans()
)


def keyed(resources: list[Resource]) -> dict[FlowId, Resource]:
    return {each.flow_id: each for each in resources}


UNKNOWN = st.lists(
    st.fixed_dictionaries({"kind": st.sampled_from(["dashboard", "app"]), "path": TEXT}), max_size=2
).map(tuple)
INVENTORIES = st.builds(
    Inventory,
    TEXT,
    st.builds(Target, TEXT, TEXT, st.none() | TEXT),
    TEXT,
    st.builds(Scope, st.lists(TEXT, max_size=2).map(tuple), st.booleans()),
    st.integers(0, 99),
    st.none() | TEXT,
    st.none() | TEXT,
    TEXT,
    st.none()
    | st.builds(
        Intent,
        TEXT,
        st.none() | TEXT,
        st.lists(RESOURCES, max_size=3).map(keyed) | st.dictionaries(IDS, st.none(), max_size=2),
        UNKNOWN,
    ),
    st.lists(RESOURCES, max_size=3).map(keyed),
    st.lists(
        st.builds(
            HistoryEntry,
            st.integers(0, 99),
            TEXT,
            st.none() | TEXT,
            st.none() | TEXT,
            TEXT,
            st.dictionaries(TEXT, st.integers(0, 9), max_size=2),
        ),
        max_size=2,
    ).map(tuple),
    TEXT,
    st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple),
    st.none() | TEXT,
    UNKNOWN,
)


def without_null(value: Any) -> Any:
    """What Kestra makes of a value."""
    if isinstance(value, dict):
        return {key: without_null(each) for key, each in value.items() if each is not None}
    return [without_null(each) for each in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(INVENTORIES)
def test_there_and_back(inventory: Inventory) -> None:
    """Through JSON, and through a store that drops what is null."""
    value = json.loads(json.dumps(to_json(inventory)))
    assert without_null(value) == value
    assert from_json(value) == inventory


SMALL = to_json(Inventory("flows", Target("http://k", "main"), "", Scope(("acme",))))
ENTRY = {"kind": "flow", "namespace": "acme", "id": "a", "path": "a.yaml", "file_sha256": "00"}


def test_members_of_newer_formats_are_ignored_if_they_may_be() -> None:
    newer = {**SMALL, "format": FORMAT + 1, "min_reader": FORMAT, "shiny": 1}
    assert from_json(newer) == from_json(SMALL)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "not an inventory"),
        ("text", "not an inventory"),
        ({"format": "1"}, "not an inventory"),
        ({"format": True}, "not an inventory"),
        ({**SMALL, "format": FORMAT + 1, "min_reader": FORMAT + 1}, "newer kestra-sync"),
        ({"format": FORMAT + 1}, "newer kestra-sync"),
        ({**SMALL, "min_reader": "x"}, "newer kestra-sync"),
        ({**SMALL, "target": None}, "corrupt"),
        ({**SMALL, "resources": [{"kind": "flow"}]}, "corrupt: KeyError"),
        ({**SMALL, "generation": "many"}, "corrupt: TypeError"),
        ({**SMALL, "generation": 1.5}, "corrupt: TypeError"),
        ({**SMALL, "history": ["x"]}, "corrupt"),
        ({**SMALL, "history": "x"}, "corrupt"),
        ({**SMALL, "generation": float("inf")}, "corrupt.*not finite"),
        ({**SMALL, "shiny": [{"x": float("nan")}]}, "corrupt.*not finite"),
        ({**SMALL, "branch": "\udc80"}, "corrupt.*surrogate"),
        ({**SMALL, "resources": [{**ENTRY, "\ud800": 1}]}, "corrupt.*surrogate"),
        ({**SMALL, "name": ["flows"]}, "corrupt: TypeError"),
        ({**SMALL, "scope": "acme"}, "corrupt: TypeError"),
        ({**SMALL, "resources": {"a": 1}}, "corrupt: TypeError"),
        ({**SMALL, "resources": [{**ENTRY, "kind": 7}]}, "corrupt: TypeError"),
        ({**SMALL, "resources": [{**ENTRY, "revision": "7"}]}, "corrupt: TypeError"),
        ({**SMALL, "intent": []}, "corrupt: AttributeError"),
        ({**SMALL, "intent": {"writes": [[]]}}, "corrupt: TypeError"),
        ({**SMALL, "intent": {"writes": [1]}}, "corrupt"),
        ({**SMALL, "neighbours": [["a"]]}, "corrupt: ValueError"),
        ({**SMALL, "deep": json.loads("[" * 500 + "]" * 500)}, "corrupt.*levels"),
    ],
)
def test_record__unreadable_is_refused(value: Any, words: str) -> None:
    """Rather than lost: who does not know what is ours might delete it."""
    with pytest.raises(InventoryError, match=words) as refused:
        from_json(value)
    assert refused.value.exit_code == 4
    assert refused.value.remedy


def test_ownership__of_a_resource() -> None:
    a, b, c = (FlowId("acme", name) for name in "abc")
    inventory = Inventory(
        "flows",
        Target("", ""),
        "",
        Scope(()),
        intent=Intent(
            "",
            None,
            {
                a: Resource(a, "a.yaml", "f2", "s2", kept_off=True),
                b: Resource(b, "b.yaml", "f3", "s3"),
                c: None,
            },
        ),
        resources={a: Resource(a, "a.yaml", "f1", "s1", 4)},
    )
    bases = inventory.bases()
    assert bases.keys() == {a, b}
    assert (bases[a].live_hashes, bases[a].revision, bases[a].kept_off) == (
        frozenset({"s1", "s2"}),
        4,
        True,
    )
    assert (bases[a].file_sha256, bases[a].only_intended) == ("f1", False)
    assert (bases[b].live_hashes, bases[b].only_intended) == (frozenset({"s3"}), True)


class Store:
    """Keys of a tenant."""

    def __init__(self, **values: Any) -> None:
        self.values = values

    def get(self, namespace: str, key: str, *, maybe_absent: bool = False) -> Any:
        value = self.values[key]
        if isinstance(value, Exception):
            raise value
        return value

    def search(self, text: str) -> tuple[KvKey, ...]:
        raise AssertionError(text)


PLACE = InventoryLocation("acme", "flows")


def test_our_inventory_is_read() -> None:
    assert PLACE.key == "kestra-sync.flows"
    assert InventoryLocation("acme", "flows", "prod").lock_key == "kestra-sync-lock.flows.prod"
    found = read_inventory(Store(**{PLACE.key: SMALL}), PLACE)
    assert found == from_json(SMALL)


@pytest.mark.parametrize("first", [None, "", {"url": "http://kestra"}, {"format": "1"}])
def test_read__of_something_else_is_made_again(
    first: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("kestra_sync.inventory.read.time.sleep", slept.append)
    answers: list[object] = [first, SMALL, first, first]
    store = Store()
    monkeypatch.setattr(store, "get", lambda _namespace, _key: answers.pop(0))
    assert read_inventory(store, PLACE) == from_json(SMALL)
    with pytest.raises(InventoryError, match="is not an inventory"):
        read_inventory(store, PLACE)
    assert (answers, slept) == ([], [0.3, 0.3])


@pytest.mark.parametrize("error", [NotFound(404, "", ""), Gone(410, "", "")])
def test_inventory__may_not_exist_yet(error: Exception) -> None:
    assert read_inventory(Store(**{PLACE.key: error}), PLACE) is None


def test_names_and_environments_may_collide_in_a_key() -> None:
    """``a.b`` without an environment, and ``a`` in the environment ``b``."""
    dotted = {**SMALL, "name": "a.b"}
    assert (
        read_inventory(Store(**{"kestra-sync.a.b": dotted}), InventoryLocation("acme", "a.b"))
        is not None
    )
    with pytest.raises(InventoryError, match=r"contains the inventory of 'a\.b'"):
        read_inventory(Store(**{"kestra-sync.a.b": dotted}), InventoryLocation("acme", "a", "b"))


def test_unknown_kinds_are_kept_as_they_are() -> None:
    """A newer kestra-sync applied files; this one must not lose whose they are."""
    newer = {"kind": "dashboard", "namespace": "acme", "path": "/a.py", "sha": "00", "more": [1]}
    meant = {"kind": "dashboard", "path": "/b.py"}
    value = {**SMALL, "resources": [newer, ENTRY], "intent": {"time": "t", "writes": [meant]}}
    again = to_json(from_json(value))
    assert again["resources"] == [ENTRY, newer]
    assert again["intent"]["writes"] == [meant]
    assert from_json(value).bases().keys() == {FlowId("acme", "a")}


#: A record as kestra-sync 0.1.0 wrote it.
RELEASED = {
    "format": 1,
    "min_reader": 1,
    "name": "flows",
    "target": {"url": "http://k", "tenant": "main"},
    "repository": "github.com/a/b",
    "scope": ["acme"],
    "generation": 7,
    "commit": "c0ffee",
    "branch": "main",
    "time": "2026-01-01T00:00:00Z",
    "resources": [{**ENTRY, "revision": 3}],
    "history": [
        {"generation": 7, "time": "2026-01-01T00:00:00Z", "result": "applied", "counts": {}}
    ],
}


def test_the_record_of_the_first_release_is_read() -> None:
    found = from_json(RELEASED)
    assert (found.version, found.neighbours, found.unknown) == ((7, ""), (), ())
    assert found.resources[FlowId("acme", "a")].revision == 3
    again = to_json(found)
    assert again == RELEASED
    assert again["min_reader"] == 1  # kestra-sync 0.1.0 can go on with it


HERE = Target("http://k", "main")


@pytest.mark.parametrize(
    ("theirs", "ours", "words"),
    [
        ("github.com/a/b", "github.com/a/c", "belongs to github.com/a/b"),
        ("github.com/a/b", "github.com/a/b", ""),
        ("github.com/a/b", "", "is unknown"),
        ("", "github.com/a/b", ""),
        ("", "", ""),
    ],
)
def test_another_repositorys_inventory(theirs: str, ours: str, words: str) -> None:
    inventory = from_json({**SMALL, "repository": theirs})
    if words:
        with pytest.raises(RefusedError, match=words) as refused:
            check_owner(inventory, ours, HERE, take_over=False)
        assert "--take-over" in str(refused.value.remedy)
    else:
        check_owner(inventory, ours, HERE, take_over=False)
    check_owner(inventory, ours, HERE, take_over=True)
    check_owner(None, ours, HERE, take_over=False)


@pytest.mark.parametrize(
    ("url", "tenant", "words"),
    [
        ("http://k", "main", ""),
        ("https://K.:443/", "main", ""),
        ("http://k:8080", "main", ""),
        ("http://k", "other", "to the tenant other"),
        ("http://staging.k", "main", "to the server staging.k"),
        ("http://k/staging", "main", "to the server k/staging"),
        ("http://[::1", "main", "to the server http"),
    ],
)
def test_the_inventory_of_another_server(url: str, tenant: str, words: str) -> None:
    """A restored backup or a copied database: what it lists was not deployed here."""
    inventory = from_json({**SMALL, "target": {"url": url, "tenant": tenant}})
    if words:
        with pytest.raises(RefusedError, match=words) as refused:
            check_owner(inventory, "", HERE, take_over=False)
        assert refused.value.exit_code == 4
    else:
        check_owner(inventory, "", HERE, take_over=False)
    check_owner(inventory, "", HERE, take_over=True)


def test_target__names_of_this_machine_are_equal() -> None:
    urls = ["http://localhost:8080", "https://127.0.0.1/", "http://[::1]:9", "127.0.0.1:8080"]
    assert {server_of(url) for url in urls} == {"localhost"}


class Tenant:
    """The KV store of a tenant: (namespace, key) → value. Lists can be made to lie."""

    def __init__(self, values: dict[tuple[str, str], Any]) -> None:
        self.values = values
        self.hidden: set[str] = set()
        self.lies = 0
        self.slept: list[float] = []

    def get(self, namespace: str, key: str, *, maybe_absent: bool = False) -> Any:
        if (namespace, key) not in self.values or namespace in self.hidden:
            raise NotFound(404, "GET", key)
        return self.values[namespace, key]

    def search(self, text: str) -> tuple[KvKey, ...]:
        if self.lies:
            self.lies -= 1
            return ()
        return tuple(sorted(KvKey(*each) for each in self.values if text in each[1]))

    def find(self, scope: tuple[str, ...], repository: str = "", name: str = "flows") -> Any:
        place = InventoryLocation(scope[0], name)
        return find_inventory(self, place, Scope(scope), repository, self.slept.append)


def record_of(repository: str = "", scope: tuple[str, ...] = ("acme",), **more: Any) -> Any:
    return {**SMALL, "repository": repository, "scope": list(scope), **more}


KEY = "kestra-sync.flows"


@pytest.mark.parametrize(
    ("repository", "scope", "ours", "found"),
    [
        ("r/a", ("acme", "beta"), ("beta", "acme"), True),
        ("r/a", ("acme", "beta"), ("beta",), True),
        ("r/a", ("acme",), ("zeta", "acme"), True),
        ("", ("acme", "beta"), ("beta", "acme"), True),
        ("r/b", ("acme", "beta"), ("beta", "acme"), False),
        ("r/a", ("acme",), ("zeta",), False),
    ],
    ids=["reordered", "narrowed", "grown", "no remote", "another repository", "another scope"],
)
def test_record__is_found_in_any_namespace(
    repository: str, scope: tuple[str, ...], ours: tuple[str, ...], found: bool
) -> None:
    tenant = Tenant({("acme", KEY): record_of(repository, scope)})
    lookup = tenant.find(ours, "r/a" if repository else "")
    assert (lookup.inventory is not None) is found
    assert lookup.at.namespace == ("acme" if found else ours[0])
    assert lookup.moves is found
    assert lookup.configured == InventoryLocation(ours[0], "flows")


def test_inventory__renamed_record_is_reported() -> None:
    tenant = Tenant({("acme", KEY): record_of("r/a")})
    lookup = tenant.find(("acme",), "r/a", name="pipelines")
    assert lookup.inventory is None
    assert [each.place.full_name for each in lookup.similar] == ["flows"]
    assert tenant.find(("acme",), "r/b", name="pipelines").similar == ()
    # The scope has changed altogether: it is told as well, and left alone.
    assert [each.place.namespace for each in tenant.find(("zeta",), "r/a").similar] == ["acme"]


def test_two_records_that_may_be_ours_are_refused() -> None:
    records = {("acme", KEY): record_of(), ("beta", KEY): record_of(scope=("beta", "zeta"))}
    with pytest.raises(InventoryError, match="2 inventories 'flows'"):
        Tenant(records).find(("zeta", "acme", "beta"))


def test_record__unreadable_of_the_same_name_is_refused() -> None:
    newer = {"format": 99, "repository": "r/b"}
    with pytest.raises(InventoryError, match="newer"):
        Tenant({("acme", KEY): {"format": 99}}).find(("beta", "acme"), "r/a")
    assert Tenant({("acme", KEY): newer}).find(("beta", "acme"), "r/a").inventory is None


def test_record__absence_is_confirmed_by_the_list() -> None:
    """A gateway answers 404, a token sees half: that must not look like a first apply."""
    tenant = Tenant({("acme", KEY): record_of()})
    tenant.hidden.add("acme")
    with pytest.raises(NotCredible, match="lists the key") as refused:
        tenant.find(("acme",))
    assert refused.value.exit_code == 69
    assert tenant.slept  # it was asked more than once
    tenant.hidden.clear()
    assert tenant.find(("acme",)).inventory is not None


def others_of(tenant: Tenant, ours: Any = SMALL, **more: Any) -> Any:
    inventory = None if ours is None else from_json(ours)
    return read_others(tenant, PLACE, inventory, sleep=tenant.slept.append, **more)


def test_ownership__of_others() -> None:
    theirs = {**SMALL, "name": "other", "resources": [ENTRY]}
    tenant = Tenant(
        {
            ("acme", KEY): SMALL,
            ("acme", "kestra-sync.other"): theirs,
            ("acme", "not-kestra-sync."): "whatever",
        }
    )
    found = others_of(tenant)
    assert found.name(FlowId("acme", "a")) == "other"
    assert found.keys == (KvKey("acme", "kestra-sync.other"),)
    tenant.values["acme", "kestra-sync.newer"] = {"format": 99}
    with pytest.raises(InventoryError, match=r"kestra-sync\.newer in acme"):
        others_of(tenant)


def test_unknown_kinds__of_others_are_skipped() -> None:
    theirs = {**SMALL, "name": "other", "resources": [{"kind": "app", "path": "x"}, ENTRY]}
    tenant = Tenant({("acme", KEY): SMALL, ("acme", "kestra-sync.other"): theirs})
    assert others_of(tenant).owners.keys() == {FlowId("acme", "a")}


def test_key_list__without_our_own_key_is_rejected() -> None:
    """It would make the flows of others look unowned."""
    theirs = {**SMALL, "name": "other", "resources": [ENTRY]}
    tenant = Tenant({("acme", KEY): SMALL, ("acme", "kestra-sync.other"): theirs})
    tenant.lies = 2
    assert others_of(tenant).owners
    assert len(tenant.slept) == 2
    tenant.lies = 99
    with pytest.raises(NotCredible, match=r"lacks kestra-sync\.flows in acme") as refused:
        others_of(tenant)
    assert refused.value.exit_code == 69


def test_before_the_first_apply_the_lock_must_be_listed() -> None:
    tenant = Tenant({("acme", PLACE.lock_key): {}})
    witness = KvKey("acme", PLACE.lock_key)
    assert others_of(tenant, None, witness=witness).owners == {}
    tenant.lies = 99
    with pytest.raises(NotCredible):
        others_of(tenant, None, witness=witness)


def test_inventories__missing_from_the_list_are_requested_by_name() -> None:
    """The list has our own key and is cut all the same."""
    other = ("beta", "kestra-sync.other")
    ours = {**SMALL, "neighbours": [list(other), ["beta", "kestra-sync.gone"]]}
    tenant = Tenant({("acme", KEY): ours})
    hidden = Tenant({other: {**SMALL, "name": "other", "resources": [ENTRY]}, **tenant.values})
    tenant.get = hidden.get  # type: ignore[method-assign]
    assert others_of(tenant, ours).owners.keys() == {FlowId("acme", "a")}


def test_intent__is_found_under_its_own_key() -> None:
    meant = {**SMALL, "intent": {"time": "t", "writes": [ENTRY]}}
    tenant = Tenant(
        {
            ("acme", KEY): SMALL,
            ("acme", PLACE.run_key("n1")): meant,
            ("acme", InventoryLocation("acme", "flows", "prod").run_key("n2")): {
                **meant,
                "target": {"url": "http://k", "tenant": "main", "environment": "prod"},
            },
        }
    )
    runs = others_of(tenant, only_runs=True).runs
    assert [base.live_hashes for base in runs[FlowId("acme", "a")]] == [frozenset({"00"})]


def test_record__old_copy_of_a_move_is_not_foreign() -> None:
    ours = {**SMALL, "moved_from": "beta", "resources": [ENTRY]}
    tenant = Tenant({("acme", KEY): ours, ("beta", KEY): {**SMALL, "resources": [ENTRY]}})
    assert others_of(tenant, ours).owners == {}


GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "Acme/Flows",
    "GITHUB_SHA": "c0ffee",
    "GITHUB_REF_NAME": "main",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_PROJECT_URL": "https://gitlab.example/acme/flows",
    "CI_COMMIT_SHA": "c0ffee",
    "CI_COMMIT_REF_NAME": "main",
}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (GITHUB, Origin("github.com/acme/flows", "c0ffee", "main")),
        ({**GITHUB, "GITHUB_HEAD_REF": "fix"}, Origin("github.com/acme/flows", "c0ffee", "fix")),
        (GITLAB, Origin("gitlab.example/acme/flows", "c0ffee", "main")),
        ({"GITLAB_CI": "true"}, Origin()),
        ({"GITHUB_ACTIONS": "true"}, Origin()),
        (
            {"GITLAB_CI": "true", "KESTRA_SYNC_REPOSITORY": "git@h:Acme/x.git"},
            Origin("h/acme/x"),
        ),
        ({"GITLAB_CI": "true", "KESTRA_SYNC_REPOSITORY": "h/Acme/x"}, Origin("h/acme/x")),
        (
            {**GITHUB, "KESTRA_SYNC_REPOSITORY": "other"},
            Origin("github.com/acme/flows", "c0ffee", "main"),
        ),
    ],
)
def test_provenance__in_ci(environ: dict[str, str], expected: Origin) -> None:
    assert origin(environ=environ) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("git@github.com:Acme/flows.git", "github.com/acme/flows"),
        ("https://user:secret@github.com/acme/flows.git", "github.com/acme/flows"),
        ("ssh://git@git.example:2222/acme/flows/", "git.example/acme/flows"),
        ("/srv/git/flows", ""),
    ],
)
def test_provenance__of_a_checkout(tmp_path: Path, url: str, expected: str) -> None:
    def git(*args: str) -> None:
        who = ["-c", "user.name=x", "-c", "user.email=x@x"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *args], check=True, capture_output=True)

    git("init", "-q", "-b", "trunk")
    git("remote", "add", "origin", url)
    git("commit", "-q", "--allow-empty", "-m", "x")
    found = origin(str(tmp_path), {})
    assert (found.repository, found.branch, len(found.commit or "")) == (expected, "trunk", 40)
    git("checkout", "-q", "--detach")
    assert origin(str(tmp_path), {}).branch is None


def test_provenance__may_be_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert origin(str(tmp_path), {}) == Origin()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert origin(str(tmp_path), {}) == Origin()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"GITHUB_ACTOR": "ada"}, "ada"),
        ({"GITLAB_USER_LOGIN": "grace"}, "grace"),
        ({"BITBUCKET_STEP_TRIGGERER_UUID": "{5f1c}"}, "{5f1c}"),
        ({"GITHUB_ACTOR": " ", "GITLAB_USER_LOGIN": "grace"}, "grace"),
        ({"GITHUB_ACTOR": "a\x1b[2Jb\nc"}, "a\\x1b[2Jb\\x0ac"),
        ({"GITHUB_ACTOR": "x" * 1000}, "x" * 80),
        ({}, "me"),
    ],
)
def test_who_runs_it(
    environ: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "me")
    assert actor(environ) == expected


def test_history__user_without_a_name_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_001)
    assert actor({}) is None


def test_history__contains_user_and_dirty_state() -> None:
    """Members that older versions pass over; absent they mean nothing known, and clean."""
    run = {"generation": 1, "time": "t", "commit": "c0ffee", "result": "applied", "counts": {}}
    value = {**SMALL, "history": [run, {**run, "dirty": True, "by": "ada\x1b" + "x" * 100}]}
    assert (value["format"], value["min_reader"]) == (1, 1)
    first, second = from_json(value).history
    assert (first.dirty, first.by) == (False, None)
    assert (second.dirty, second.by) == (True, "ada\\x1b" + "x" * 73)
    written = to_json(from_json(value))["history"]
    assert "dirty" not in written[0]
    assert "by" not in written[0]
    assert written[1]["dirty"] is True
    with pytest.raises(InventoryError, match="corrupt"):
        from_json({**value, "history": [{**run, "by": ["ada"]}]})
