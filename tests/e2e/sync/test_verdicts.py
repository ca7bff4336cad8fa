"""The server decides: an offline check does not refuse a flow that the server accepts."""

from __future__ import annotations

import pytest

from tests.e2e.sync.conftest import Repo
from tests.support.server import YAML, Http

pytestmark = pytest.mark.versions

_TASKS = "tasks:\n  - id: a\n    type: io.kestra.plugin.core.log.Log\n    message: hi\n"


@pytest.mark.parametrize(
    "part",
    [
        "inputs:\n  - {id: s, type: FORM, inputs: [{id: c, type: STRING}]}\n",
        "labels: {Team: sales}\n",
        "draft: true\n",
        "concurrency: {limit: 1}\n",
        "retryy: {type: constant}\n",
        "inputs:\n  - {id: s, type: STRNG}\n",
    ],
    ids=["form", "upper case", "draft", "plain", "misspelt property", "misspelt type"],
)
def test_verdict__server_accepts_so_the_flow_is_applied(repo: Repo, http: Http, part: str) -> None:
    """A flow that the server rejects is an error on every version."""
    source = f"id: judged\nnamespace: {repo.namespace}\n{part}{_TASKS}"
    (judged,) = http.post("/flows/validate", data=source.encode(), headers=YAML).json()
    repo.write("flows/judged.yaml", source)
    accepted = "constraints" not in judged
    for command in ("validate", "plan"):
        ran = repo.run(command)
        assert ran.code == (0 if accepted else 3), (judged, ran.out, ran.err)
