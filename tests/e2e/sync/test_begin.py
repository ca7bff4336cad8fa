"""``init`` and ``doctor``: the first minutes with a repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kestra_sync.model import Scope
from tests.e2e.sync.conftest import Repo
from tests.support.proxy import FaultProxy, Rule, reply


def _health(repo: Repo, *args: str) -> dict[str, str]:
    document = repo.run("doctor", "--format", "json", *args).json
    return {each["question"]: each["health"] for each in document["checkups"]}


def test_init__writes_a_configuration_that_works(repo: Repo) -> None:
    repo.flow("a")
    repo.flow("b", ns=f"{repo.namespace}.below")
    ran = repo.run("init", "--name", repo.name)
    assert ran.code == 0
    text = Path("kestra-sync.yaml").read_text()
    assert text in ran.out + "\n"
    assert f"scope: [{repo.namespace}]\n" in text
    assert repo.apply().code == 0
    assert len(repo.inventory()["resources"]) == 2
    ran = repo.run("init", "--namespace", "x")
    assert (ran.code, "already exists" in ran.err) == (64, True)
    assert Path("kestra-sync.yaml").read_text() == text


def test_init_from_server_adopts_what_runs_there(repo: Repo) -> None:
    """One command: files, configuration and record; no flow is written, a plan is empty."""
    sources = {repo.flow("a"), repo.flow("b", ns=f"{repo.namespace}.below")}
    assert repo.run("apply", "flows", "--yes").code == 0
    repo.remove("a")
    repo.remove("b")
    where = ("--namespace", repo.namespace, "--name", repo.name)
    ran = repo.run("init", "--from-server", "--namespace", f"{repo.namespace}.nothing")
    assert (ran.code, "has no flows in" in ran.err) == (64, True)
    # A file that says otherwise is not overwritten, and nothing is adopted then.
    path = f"flows/{repo.namespace.replace('.', '/')}/a.yaml"
    repo.write(path, repo.source("a", "mine"))
    assert repo.run("init", "--from-server", *where).code == 5
    assert not Path("kestra-sync.yaml").exists()
    Path(path).unlink()
    ran = repo.run("init", "--from-server", "--format", "json", *where)
    assert ran.code == 0, ran.err
    assert ran.json["path"] == "kestra-sync.yaml"
    assert {each.read_bytes() for each in Path("flows").rglob("*.yaml")} == sources
    assert len(repo.inventory()["resources"]) == 2
    assert repo.run("plan", "--detailed-exitcode").code == 0
    assert repo.revision("a") == 1
    # Once is enough.
    assert repo.run("init", "--from-server", *where).code == 64


def test_doctor__working_setup_passes_all_checks(repo: Repo) -> None:
    """And shows the lock and the unfinished run of another process."""
    repo.config()
    repo.flow("a")
    ran = repo.run("doctor")
    assert ran.code == 0
    assert "not created yet; the first apply creates it" in ran.out
    # Permissions that no command needs are not asked for.
    assert re.search(r"^ *\w+ +smoke tests ", ran.out, re.MULTILINE) is None
    assert ran.out.endswith("Ready to plan and apply.\n")
    assert repo.apply().code == 0
    repo.write("flows/a.smoke.yaml", f"flow: {repo.namespace}/a\n")
    health = _health(repo)
    health.pop("tls")  # a server elsewhere may be reached by http
    assert health["smoke tests"] == "ok"
    assert set(health.values()) == {"ok"}
    # What was tried for that has left nothing behind.
    found = repo.client.flows.search(Scope((repo.namespace,)))
    assert [each.flow_id.id for each in found] == ["a"]
    assert repo.client.executions.search(Scope((repo.namespace,)), page_size=1, limit=1) == ()

    record = repo.inventory()
    record["intent"] = {"time": "2026-01-01T00:00:00Z", "writes": []}
    repo.client.kv.put(repo.namespace, repo.key, record)
    repo.client.kv.put(
        repo.namespace, f"kestra-sync-lock.{repo.name}", {"nonce": "x", "who": "w", "since": "s"}
    )
    health = _health(repo)
    assert health["inventory"] == "warning"
    assert health["lock"] == "warning"


def test_doctor__reports_missing_write_permissions(repo: Repo, proxy: FaultProxy) -> None:
    """An account that may only read: a plan works, an apply would not."""
    repo.config()
    repo.flow("a")
    proxy.add(Rule(reply(403), "DELETE", r"/kv/kestra-sync-probe\.", times=None))
    proxy.add(Rule(reply(403), "GET", r"/executions/search", times=None))
    proxy.add(Rule(reply(403), "POST", r"/flows$", times=None))
    proxy.add(Rule(reply(403), "DELETE", r"/flows/", times=None))
    ran = repo.run("doctor")
    assert ran.code == 0
    assert f"the account is not allowed to create, delete in {repo.namespace}" in ran.out
    assert f"cannot write to the KV store of {repo.namespace}" in ran.out
    assert "cannot be read" in ran.out
    assert ran.out.endswith("Ready to plan, but not to apply: see above.\n")


def test_doctor__files_and_keys(
    repo: Repo, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for where they are configured: are they valid, and may the account read them?"""
    repo.config(f"files: [{{path: files, namespace: {repo.namespace}}}]\nkv: kv.yaml\n")
    repo.flow("a")
    repo.write("files/a.sql", b"select 1")
    repo.write("kv.yaml", f"namespace: {repo.namespace}\nvalues: {{k: {{env: KSTEST_KEY}}}}\n")
    ran = repo.run("doctor")
    assert ran.code == 3
    assert "kv.yaml: k: the environment variable KSTEST_KEY is not set" in ran.out
    monkeypatch.setenv("KSTEST_KEY", "a-secret")
    ran = repo.run("doctor")
    assert "1 file, 1 key; those on the server can be read" in ran.out
    assert ran.code == 0
    proxy.add(Rule(reply(403), "GET", r"/files/search", times=None))
    ran = repo.run("doctor")
    assert ran.code == 77
    assert f"1 file, 1 key; cannot read the files of {repo.namespace}" in ran.out


def test_doctor_with_a_wrong_password(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.flow("a")
    monkeypatch.delenv("KESTRA_TOKEN", raising=False)
    monkeypatch.setenv("KESTRA_USERNAME", "unknown@example.com")
    monkeypatch.setenv("KESTRA_PASSWORD", "Wrong-Secret-1")
    ran = repo.run("doctor")
    assert ran.code == 77
    assert "KESTRA_PASSWORD" in ran.out
    assert "Wrong-Secret-1" not in ran.out + ran.err
