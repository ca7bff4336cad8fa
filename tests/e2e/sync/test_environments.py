"""One repository, several environments of a real server: mapped, patched, stamped, pulled back."""

from __future__ import annotations

import subprocess

import pytest

from kestra_sync.model import FlowId
from tests.e2e.sync.conftest import Repo, RunResult

CALLER = """\
id: caller
namespace: {ns}.team   # the team
labels:
  env: dev
  draft: "yes"
tasks:
  - id: call
    type: io.kestra.plugin.core.flow.Subflow
    namespace: "{ns}.team"
    flowId: called
  - {{id: log, type: io.kestra.plugin.core.log.Log, message: "{{{{ flow.namespace }}}}"}}
triggers:
  - id: nightly
    type: io.kestra.plugin.core.trigger.Schedule
    cron: "0 1 * * *"
"""
CALLED = """\
id: called
namespace: {ns}.team
tasks:
  - id: log
    type: io.kestra.plugin.core.log.Log
    message: hello
"""
KEYS = """\
namespace: {ns}.team
values:
  region: emea
  opening: {{type: DATE, value: 2026-01-31}}
  token: {{env: KSTEST_TOKEN}}
"""
CONFIG = """\
kv: [kv.yaml]
files: [{{path: files, namespace: {ns}.team}}]
stamp: {{labels: {{git-commit: "{{commit}}"}}}}
environments:
  dev: {{}}
  prod:
    namespaces: {{{ns}.team: {ns}.prod.team}}
    patches:
      - flows: "*"
        set: {{labels.env: prod, "triggers[nightly].cron": "0 3 * * *"}}
        unset: [labels.draft]
      - {{flows: {ns}.team/caller, triggers: off}}
    kv:
      {ns}.team: {{region: apac, opening: "2027-01-31"}}
"""


def commit(repo: Repo, message: str) -> str:
    """Commit everything; the commit."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q"], check=True, cwd=repo.root)
    subprocess.run([*git, "add", "-A"], check=True, cwd=repo.root)
    subprocess.run([*git, "commit", "-qm", message], check=True, cwd=repo.root)
    said = subprocess.run(
        ["git", "rev-parse", "HEAD"], check=True, cwd=repo.root, capture_output=True
    )
    return said.stdout.decode().strip()


def writes(ran: RunResult) -> dict[str, str]:
    """For each write of a plan its reason; the flows of the other environment are left alone."""
    changes = ran.json["plan"]["changes"]
    return {each["flow"]["id"]: each["reason"] for each in changes if each["action"] != "none"}


def test_environments__dev_and_prod_on_one_server(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    ns = repo.namespace
    monkeypatch.setenv("KSTEST_TOKEN", "tangerine")
    repo.config(CONFIG.format(ns=ns))
    caller, called = CALLER.format(ns=ns), CALLED.format(ns=ns)
    repo.write("flows/caller.yaml", caller.encode())
    repo.write("flows/called.yaml", called.encode())
    repo.write("kv.yaml", KEYS.format(ns=ns))
    repo.write("files/q.sql", b"select 1;\n")
    first = commit(repo, "one")

    def live(flow: str, where: str) -> str:
        return repo.client.flows.get(FlowId(f"{ns}.{where}", flow)).source.decode()

    assert repo.apply("-e", "dev").code == 0
    ran = repo.apply("-e", "prod")
    assert ran.code == 0, ran.out + ran.err
    written = {each["flow"]["namespace"] for each in ran.json["outcomes"]}
    assert written == {f"{ns}.prod.team"}
    expected = (
        caller.replace(f"{ns}.team", f"{ns}.prod.team")
        .replace("env: dev\n", f"env: prod\n  git-commit: {first}\n")
        .replace('  draft: "yes"\n', "")
        .replace('0 1 * * *"\n', '0 3 * * *"\n    disabled: true\n')
    )
    assert live("caller", "prod.team") == expected
    assert f'env: dev\n  draft: "yes"\n  git-commit: {first}\n' in live("caller", "team")

    for where, region, opening in (
        ("team", "emea", "2026-01-31"),
        ("prod.team", "apac", "2027-01-31"),
    ):
        assert repo.client.kv.get(f"{ns}.{where}", "region") == region
        assert repo.client.kv.get(f"{ns}.{where}", "opening") == opening

    # A new commit alone writes no stamp and is not drift.
    repo.write("README.md", b"more\n")
    second = commit(repo, "two")
    for environment in ("dev", "prod"):
        assert repo.plan("-e", environment, "--detailed-exitcode").code == 0
    assert repo.run("drift", "-e", "prod").code == 0
    # A patch that changes is a change, of the flows that it changes; the stamp follows.
    repo.config(CONFIG.format(ns=ns).replace("0 3", "0 4"))
    ran = repo.apply("-e", "prod")
    assert (ran.code, writes(ran)) == (0, {"caller": "changed"})
    assert f"git-commit: {second}" in live("caller", "prod.team")

    # Under their names in the files; a secret only by whether it is as configured.
    selected = [f"--only={kind}{ns}.team/*" for kind in ("", "file:", "kv:")]
    compare = ("diff", "--from", "dev", "--to", "prod", *selected)
    same = repo.run(*compare, "--detailed-exitcode")
    assert "No differences in 2 flows, 1 file and 3 keys." in same.out, same.out + same.err
    assert same.code == 0
    table = repo.run("status", "--limit", "120", "--format", "json")
    assert table.code == 0, table.out
    assert [
        (each["environment"], each["drift"], each["behind"]) for each in table.json["environments"]
    ] == [("dev", 0, 1), ("prod", 0, 0)]

    # An edit made in prod comes back into the file under the names of the file.
    edited = (
        live("caller", "prod.team")
        .replace("message: ", "message: edited ")
        .replace('"{{ flow.namespace }}"}', "x, level: WARN}")
    )
    repo.client.flows.update(FlowId(f"{ns}.prod.team", "caller"), edited.encode())
    assert repo.run("drift", "-e", "prod").code == 2
    repo.client.files.put(f"{ns}.prod.team", "q.sql", b"select 2;\n")
    repo.client.files.put(f"{ns}.prod.team", "more.sql", b"select 3;\n")
    repo.client.kv.put(f"{ns}.prod.team", "token", "quince")
    differs = repo.run(*compare, "--detailed-exitcode")
    assert differs.code == 2
    assert f"+ file:{ns}.team/more.sql   only in prod" in differs.out
    assert "    - select 1;\n    + select 2;" in differs.out
    assert f"~ kv:{ns}.team/token" in differs.out
    assert "tangerine" not in differs.out + differs.err
    assert "quince" not in differs.out + differs.err
    changed = repo.run(*compare, "--format", "json").json["changed"]
    (flow,) = [each for each in changed if each["flow"]["id"] == "caller"]
    assert flow["flow"]["namespace"] == f"{ns}.team"
    (hunk,) = flow["diff"]
    assert sum(each[0] in "+-" for each in hunk["lines"]) == 2
    repo.client.files.put(f"{ns}.prod.team", "q.sql", b"select 1;\n")
    repo.client.files.delete(f"{ns}.prod.team", "more.sql")
    repo.client.kv.put(f"{ns}.prod.team", "token", "tangerine")
    commit(repo, "three")
    pulled = repo.run("pull", "-e", "prod")
    assert pulled.code == 0, pulled.out + pulled.err
    assert (repo.root / "flows/caller.yaml").read_text() == caller.replace(
        'message: "{{ flow.namespace }}"', "message: edited x, level: WARN"
    )
    assert writes(repo.plan("-e", "prod")) == {}
    # An edit of a value that a patch has written cannot be mapped back.
    edited = edited.replace("0 4 * * *", "0 5 * * *")
    repo.client.flows.update(FlowId(f"{ns}.prod.team", "caller"), edited.encode())
    refused = repo.run("pull", "-e", "prod")
    assert refused.code == 5
    assert "patches apply" in refused.out
