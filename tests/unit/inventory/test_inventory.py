"""The record as JSON, whose it is, and where it comes from."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kestra_sync.errors import RefusedError
from kestra_sync.inventory.codec import FORMAT, InventoryError, from_json, to_json
from kestra_sync.inventory.origin import Origin, origin
from kestra_sync.inventory.read import Place, check_repository, owned_by_others, read_inventory
from kestra_sync.inventory.record import Intent, Inventory, Resource, Run
from kestra_sync.kestra.errors import Gone, NotFound
from kestra_sync.kestra.values import KvKey
from kestra_sync.model import FlowId, Scope, Target

TEXT = st.text(max_size=8)
HASHES = st.text("0123456789abcdef", min_size=4, max_size=4)
IDS = st.builds(FlowId, st.sampled_from(["acme", "acme.team"]), st.sampled_from(["a", "b.c", "d"]))
RESOURCES = st.builds(
    Resource, IDS, TEXT, HASHES, HASHES, st.none() | st.integers(1, 99), st.booleans()
)


def keyed(resources: list[Resource]) -> dict[FlowId, Resource]:
    return {each.flow_id: each for each in resources}


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
    ),
    st.lists(RESOURCES, max_size=3).map(keyed),
    st.lists(
        st.builds(
            Run,
            st.integers(0, 99),
            TEXT,
            st.none() | TEXT,
            st.none() | TEXT,
            TEXT,
            st.dictionaries(TEXT, st.integers(0, 9), max_size=2),
        ),
        max_size=2,
    ).map(tuple),
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
        (None, "no inventory"),
        ("text", "no inventory"),
        ({"format": "1"}, "no inventory"),
        ({**SMALL, "format": FORMAT + 1, "min_reader": FORMAT + 1}, "newer kestra-sync"),
        ({"format": FORMAT + 1}, "newer kestra-sync"),
        ({**SMALL, "min_reader": "x"}, "newer kestra-sync"),
        ({**SMALL, "target": None}, "damaged"),
        ({**SMALL, "resources": [{**ENTRY, "kind": "file"}]}, "unknown kind of resource: file"),
        ({**SMALL, "resources": [{"kind": "flow"}]}, "damaged: KeyError"),
        ({**SMALL, "generation": "many"}, "damaged: ValueError"),
        ({**SMALL, "history": ["x"]}, "damaged"),
    ],
)
def test_what_cannot_be_understood_is_refused(value: Any, words: str) -> None:
    """Rather than lost: who does not know what is ours might delete it."""
    with pytest.raises(InventoryError, match=words) as refused:
        from_json(value)
    assert refused.value.exit_code == 4
    assert refused.value.remedy


def test_what_counts_as_ours() -> None:
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

    def get(self, namespace: str, key: str) -> Any:
        value = self.values[key]
        if isinstance(value, Exception):
            raise value
        return value

    def search(self, text: str) -> tuple[KvKey, ...]:
        return tuple(KvKey("acme", key) for key in self.values)


PLACE = Place("acme", "flows")


def test_our_inventory_is_read() -> None:
    assert PLACE.key == "kestra-sync.flows"
    assert Place("acme", "flows", "prod").lock_key == "kestra-sync-lock.flows.prod"
    found = read_inventory(Store(**{PLACE.key: SMALL}), PLACE)
    assert found == from_json(SMALL)


@pytest.mark.parametrize("error", [NotFound(404, "", ""), Gone(410, "", "")])
def test_there_may_be_none_yet(error: Exception) -> None:
    assert read_inventory(Store(**{PLACE.key: error}), PLACE) is None


def test_names_and_environments_may_collide_in_a_key() -> None:
    """``a.b`` without an environment, and ``a`` in the environment ``b``."""
    dotted = {**SMALL, "name": "a.b"}
    assert read_inventory(Store(**{"kestra-sync.a.b": dotted}), Place("acme", "a.b")) is not None
    with pytest.raises(InventoryError, match=r"holds the inventory of 'a\.b'"):
        read_inventory(Store(**{"kestra-sync.a.b": dotted}), Place("acme", "a", "b"))


@pytest.mark.parametrize(
    ("theirs", "ours", "take_over", "refused"),
    [
        ("github.com/a/b", "github.com/a/c", False, True),
        ("github.com/a/b", "github.com/a/c", True, False),
        ("github.com/a/b", "github.com/a/b", False, False),
        ("github.com/a/b", "", False, False),
        ("", "github.com/a/b", False, False),
    ],
)
def test_another_repositorys_inventory(
    theirs: str, ours: str, take_over: bool, refused: bool
) -> None:
    inventory = from_json({**SMALL, "repository": theirs})
    if refused:
        with pytest.raises(RefusedError, match=f"written from {theirs}"):
            check_repository(inventory, ours, take_over=take_over)
    else:
        check_repository(inventory, ours, take_over=take_over)
    check_repository(None, ours, take_over=take_over)


def test_what_others_own() -> None:
    store = Store(
        **{
            PLACE.key: SMALL,
            "kestra-sync.other": {**SMALL, "name": "other", "resources": [ENTRY]},
            "kestra-sync.gone": Gone(410, "", ""),
            "not-kestra-sync.": "whatever",
        }
    )
    assert owned_by_others(store, PLACE) == {FlowId("acme", "a"): "other"}
    store.values["kestra-sync.newer"] = {"format": 99}
    with pytest.raises(InventoryError):
        owned_by_others(store, PLACE)


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
    ],
)
def test_where_we_are_in_ci(environ: dict[str, str], expected: Origin) -> None:
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
def test_where_we_are_in_a_checkout(tmp_path: Path, url: str, expected: str) -> None:
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


def test_where_we_are_may_be_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert origin(str(tmp_path), {}) == Origin()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert origin(str(tmp_path), {}) == Origin()
