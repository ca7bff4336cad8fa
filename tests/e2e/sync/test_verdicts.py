"""The server decides: an offline check does not refuse a flow that the server accepts."""

from __future__ import annotations

import pytest

from tests.e2e.sync.conftest import Repo
from tests.support.server import YAML, Http

pytestmark = pytest.mark.versions

_TASKS = "tasks:\n  - id: a\n    type: io.kestra.plugin.core.log.Log\n    message: hi\n"
_PARTS = {
    "form": "inputs:\n  - {id: s, type: FORM, inputs: [{id: c, type: STRING}]}\n",
    "upper_case": "labels: {Team: sales}\n",
    "draft": "draft: true\n",
    "plain": "concurrency: {limit: 1}\n",
    "misspelt_property": "retryy: {type: constant}\n",
    "misspelt_type": "inputs:\n  - {id: s, type: STRNG}\n",
}


def test_verdict__server_accepts_so_the_flow_is_applied(repo: Repo, http: Http) -> None:
    """A flow that the server rejects is an error on every version."""
    rejected = set()
    for name, part in _PARTS.items():
        source = f"id: {name}\nnamespace: {repo.namespace}\n{part}{_TASKS}"
        (judged,) = http.post("/flows/validate", data=source.encode(), headers=YAML).json()
        repo.write(f"flows/{name}.yaml", source)
        rejected |= {name} if "constraints" in judged else set()
    ran = repo.run("validate", "--format", "json")
    found = ran.json["diagnostics"]
    errors = {each["path"] for each in found if each["severity"] == "error"}
    assert errors == {f"flows/{name}.yaml" for name in rejected}
    assert ran.code == (3 if rejected else 0)
    for name in rejected:
        repo.remove(name)
    assert repo.run("plan").code == 0
