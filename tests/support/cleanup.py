"""Leaves a server as it was found: empties the namespaces that a test has used."""

from __future__ import annotations

import time
from collections.abc import Iterator
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
_MANY = 20


def remove_namespace(http: Http, namespace: str) -> None:
    """Remove flows, executions, KV entries and files of ``namespace`` and of all below it."""
    used = {namespace}
    # Flows first: without them no trigger starts another execution.
    flows = _below(http, "/flows/search", namespace)
    used |= {flow["namespace"] for flow in flows}
    if len(flows) >= _MANY:
        names = [{"namespace": flow["namespace"], "id": flow["id"]} for flow in flows]
        http.delete("/flows/delete/by-ids", json=names)
        flows = _below(http, "/flows/search", namespace)
    for flow in flows:
        http.delete(f"/flows/{flow['namespace']}/{flow['id']}")
    for execution in executions_below(http, namespace):
        used.add(execution["namespace"])
        _remove_execution(http, execution)
    for entry in _below(http, "/kv", namespace):
        used.add(entry["namespace"])
        http.delete(f"/namespaces/{entry['namespace']}/kv/{entry['key']}")
    for name in used:
        _remove_files(http, name)


def executions_below(http: Http, namespace: str) -> Iterator[dict[str, Any]]:
    """The executions of all kinds in ``namespace`` and below it."""
    seen: set[str] = set()
    for kind in (*_KINDS, *(_KINDS_OF_2 if http.server.release >= (2, 0) else ())):
        for execution in _below(http, "/executions/search", namespace, kind):
            if execution["id"] not in seen:
                seen.add(execution["id"])
                yield execution


def _below(
    http: Http, path: str, namespace: str, more: dict[str, str] | None = None
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    page = 1
    while True:
        query: dict[str, str | int] = {"filters[namespace][PREFIX]": namespace, **(more or {})}
        answer = http.get(path, params={**query, "page": page, "size": _PAGE})
        answer.raise_for_status()
        results = answer.json()["results"]
        # Never trust a filter with what is to be deleted.
        found += [it for it in results if f"{it['namespace']}.".startswith(f"{namespace}.")]
        if len(results) < _PAGE:
            return found
        page += 1


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
