"""Cleans up the server: empties the namespaces that a test used."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from tests.support.server import Http

_PAGE = 100
# Without a filter come those without a kind and the normal ones; the others must be asked for.
_KINDS: tuple[dict[str, str], ...] = (
    {},
    {"filters[kind][EQUALS]": "TEST"},
    {"filters[kind][EQUALS]": "PLAYGROUND"},
)
_KINDS_OF_2: tuple[dict[str, str], ...] = ({"filters[kind][EQUALS]": "LOOP"},)
_FINAL = frozenset(
    ("SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "SKIPPED", "RETRIED", "RESUBMITTED")
)
_PATIENCE_SECONDS = 20.0


def remove_namespaces(http: Http, *namespaces: str, executions: bool = True) -> None:
    """Remove flows, executions, keys and files of these namespaces and their children.

    What is asked for is asked once for all of them, below the namespace that they have in common.

    :param executions: whether there may be any.
    """
    used = set(namespaces)
    # Flows first: without them no trigger starts another execution.
    flows = _below(http, "/flows/search", namespaces)
    used |= {flow["namespace"] for flow in flows}
    if len(flows) > 1:
        names = [{"namespace": flow["namespace"], "id": flow["id"]} for flow in flows]
        deleted = http.delete("/flows/delete/by-ids", json=names)
        complete = deleted.ok and deleted.json().get("count") == len(flows)
        flows = [] if complete else _below(http, "/flows/search", namespaces)
    for flow in flows:
        http.delete(f"/flows/{flow['namespace']}/{flow['id']}")
    if executions:
        used |= remove_executions(http, *namespaces)
    keys: dict[str, list[str]] = {}
    for entry in _below(http, "/kv", namespaces):
        keys.setdefault(entry["namespace"], []).append(entry["key"])
    for name, all_keys in keys.items():
        used.add(name)
        http.delete(f"/namespaces/{name}/kv", json={"keys": all_keys})
    for name in used:
        _remove_files(http, name)


def remove_executions(http: Http, *namespaces: str) -> set[str]:
    """End and remove the executions of these namespaces and of all below them; where they were."""
    found = list(executions_below(http, *namespaces))
    for execution in found:
        _remove_execution(http, execution)
    return {execution["namespace"] for execution in found}


def executions_below(http: Http, *namespaces: str) -> Iterator[dict[str, Any]]:
    """The executions of all kinds in these namespaces and their children."""
    seen: set[str] = set()
    for kind in (*_KINDS, *(_KINDS_OF_2 if http.server.release >= (2, 0) else ())):
        for execution in _below(http, "/executions/search", namespaces, kind):
            if execution["id"] not in seen:
                seen.add(execution["id"])
                yield execution


def _below(
    http: Http, path: str, namespaces: Sequence[str], more: dict[str, str] | None = None
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    common = namespaces[0] if len(namespaces) == 1 else _above(namespaces)
    page = 1
    while True:
        query: dict[str, str | int] = {"filters[namespace][PREFIX]": common, **(more or {})}
        answer = http.get(path, params={**query, "page": page, "size": _PAGE})
        answer.raise_for_status()
        results = answer.json()["results"]
        # Never trust a filter with what is to be deleted.
        ours = tuple(f"{each}." for each in namespaces)
        found += [it for it in results if f"{it['namespace']}.".startswith(ours)]
        if len(results) < _PAGE:
            return found
        page += 1


def _above(namespaces: Sequence[str]) -> str:
    """The namespace that these have in common."""
    (root,) = {each.partition(".")[0] for each in namespaces}
    return root


def _remove_execution(http: Http, execution: dict[str, Any]) -> None:
    path = f"/executions/{execution['id']}"
    # At a breakpoint nothing runs, and a kill has no effect until it is resumed.
    if execution["state"]["current"] not in {*_FINAL, "BREAKPOINT"}:
        action = "/actions/kill" if http.server.release >= (2, 0) else "/kill"
        http.delete(path + action)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            answer = http.get(path)
            if answer.status_code == 404 or answer.json()["state"]["current"] in _FINAL:
                break
            time.sleep(0.1)
    http.delete(path)


def _remove_files(http: Http, namespace: str) -> None:
    files = f"/namespaces/{namespace}/files"
    answer = http.get(f"{files}/directory", params={"path": "/"})
    if answer.ok:
        for file in answer.json():
            http.delete(files, params={"path": f"/{file['fileName']}"})
