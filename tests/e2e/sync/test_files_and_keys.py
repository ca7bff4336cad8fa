"""Namespace files and keys together with flows, from the plan to the record."""

from __future__ import annotations

import json

import pytest

from tests.e2e.sync.conftest import Repo
from tests.support.proxy import FaultProxy, Rule, reply

pytestmark = pytest.mark.versions


@pytest.mark.once
def test_a_flow_a_file_and_a_key(repo: Repo, proxy: FaultProxy) -> None:
    """Created, in sync, updated and deleted, each by itself and together."""
    repo.config_all()
    repo.flow("f")
    repo.write("files/top.sql", b"select 1;\n")
    repo.keys("  region: emea\n")
    # A partial run looks at one kind, and the summaries count them apart.
    ran = repo.run("apply", "--yes", "--only", f"kv:{repo.namespace}/*")
    assert ran.code == 0, ran.err
    assert "1 to create (1 key)" in ran.out
    assert repo.state() == {"region": "emea"}
    ran = repo.run("apply", "--yes", "-o", "json=a.json")
    assert ran.code == 0, ran.err
    assert "2 to create (1 flow, 1 file)" in ran.out
    assert "2 created (1 flow, 1 file)" in ran.out
    told = json.loads((repo.root / "a.json").read_text())
    assert {each["status"] for each in told["outcomes"]} == {"applied"}
    kinds = told["plan"]["summary"]["kinds"]
    assert {kind: kinds[kind]["create"] for kind in ("flow", "file")} == {"flow": 1, "file": 1}
    assert repo.state() == {"f": repo.source("f"), "top.sql": b"select 1;\n", "region": "emea"}
    assert {each["kind"] for each in repo.inventory()["resources"]} == {"flow", "file", "kv"}
    # Nothing changes: one request for the files and one for the keys of a namespace.
    proxy.forget()
    assert repo.plan("--detailed-exitcode").code == 0
    paths = [each.path for each in proxy.requests]
    assert len([path for path in paths if "/files/" in path or path.endswith("/kv")]) == 2, paths
    assert len(paths) == 5, paths

    repo.write("files/top.sql", b"select 2;\n")
    repo.keys("  region: apac\n")
    ran = repo.run("apply", "--yes")
    assert ran.code == 0, ran.err
    assert "- select 1;" in ran.out
    assert repo.client.files.get(repo.namespace, "top.sql") == b"select 2;\n"
    assert repo.client.kv.get(repo.namespace, "region") == "apac"

    (repo.root / "files/top.sql").unlink()
    repo.keys("  other: 1\n")
    ran = repo.apply()
    assert ran.code == 0, ran.err + ran.out
    assert repo.client.files.export(repo.namespace) == {}
    assert {each["id"] for each in repo.inventory()["resources"]} == {"f", "other"}
    assert repo.plan("--detailed-exitcode").code == 0


def _deployed(repo: Repo, extra: str = "") -> None:
    """A flow, a file and two keys, one of them a secret, on the server and in the record."""
    repo.config_all(extra)
    repo.flow("f")
    repo.write("files/sql/top.sql", b"select 1;\n")
    repo.keys("  region: emea\n  api_key: {env: KSTEST_KEY}\n")
    ran = repo.apply()
    assert ran.code == 0, ran.err + ran.out


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KSTEST_KEY", SECRET)


SECRET = "hunter2-of-the-test"


@pytest.mark.once
def test_secret__value_is_only_on_the_server(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.config_all()
    repo.flow("f")
    repo.write("files/a.txt", b"x")
    repo.keys("  api_key: {env: KSTEST_KEY, description: for the tests}\n")
    reports = ("-o", "html=p.html", "-o", "json=p1.json")
    shown = [repo.run("plan", "--out", "p.json", *reports)]
    shown += [repo.run("apply", "--plan", "p.json", "--yes", "--journal", "j.jsonl")]
    assert [ran.code for ran in shown] == [0, 0], shown[-1].err + shown[-1].out
    assert repo.client.kv.get(repo.namespace, "api_key") == SECRET
    monkeypatch.setenv("KSTEST_KEY", "another-secret-value")
    repo.client.kv.put(repo.namespace, "api_key", "theirs-by-hand", description="for the tests")
    reports = ("-o", "html=p2.html", "-o", "json=p3.json")
    shown += [repo.run("drift"), repo.run("apply", "--yes", "--on-drift", "overwrite", *reports)]
    assert shown[-1].code == 0, shown[-1].err
    assert repo.client.kv.get(repo.namespace, "api_key") == "another-secret-value"
    files = ("p.json", "p1.json", "p.html", "p2.html", "p3.json", "j.jsonl")
    written = [(repo.root / name).read_text() for name in files]
    told = [ran.out + ran.err for ran in shown]
    for text in (*written, *told, str(repo.inventory())):
        for secret in (SECRET, "another-secret-value", "theirs-by-hand"):
            assert secret not in text
    assert "scrypt" not in "".join((*written, *told))

    monkeypatch.delenv("KSTEST_KEY")
    repo.flow("f", "changed")
    ran = repo.run("apply", "--yes")
    assert ran.code == 3
    assert "the environment variable KSTEST_KEY is not set" in ran.out + ran.err
    assert b"changed" not in repo.live("f")


@pytest.mark.once
def test_edits_on_the_server_are_drift_and_conflicts(repo: Repo) -> None:
    _deployed(repo)
    repo.client.files.put(repo.namespace, "sql/top.sql", b"theirs\n")
    repo.client.kv.put(repo.namespace, "region", "theirs")
    repo.client.files.put(repo.namespace, "foreign.txt", b"not ours")
    repo.client.kv.put(repo.namespace, "foreign", "not ours")
    ran = repo.run("drift")
    assert ran.code == 2, ran.err
    assert f"file:{repo.namespace}/sql/top.sql" in ran.out
    assert "+ theirs" in ran.out
    ran = repo.apply()
    assert (ran.code, ran.reasons()) == (
        0,
        {"sql/top.sql": "update drift", "region": "update drift", "foreign.txt": "none foreign"},
    )
    assert repo.client.files.get(repo.namespace, "sql/top.sql") == b"select 1;\n"
    assert repo.client.kv.get(repo.namespace, "region") == "emea"
    assert repo.client.files.get(repo.namespace, "foreign.txt") == b"not ours"

    repo.client.files.put(repo.namespace, "sql/top.sql", b"theirs\n")
    repo.write("files/sql/top.sql", b"ours\n")
    ran = repo.run("apply", "--yes")
    assert ran.code == 5
    edited = ran.out.partition("edited on the server since the last apply:")[2]
    assert "- select 1;" in edited
    assert "+ theirs" in edited
    assert repo.client.files.get(repo.namespace, "sql/top.sql") == b"theirs\n"


@pytest.mark.once
def test_rollback__restores_bytes_and_values(repo: Repo, proxy: FaultProxy) -> None:
    """Files and keys are written before the flow that fails, and deleted after it."""
    _deployed(repo, "on_first_contact: overwrite\n")
    before = repo.state()
    repo.flow("f", "changed")
    repo.write("files/sql/top.sql", b"select 2;\n")
    repo.write("files/new.bin", bytes(range(256)))
    repo.client.kv.put(repo.namespace, "api_key", "theirs")
    before["api_key"] = "theirs"
    repo.keys("  region: {value: apac, ttl: PT1H}\n  api_key: {env: KSTEST_KEY}\n  more: [1]\n")
    refused = reply(422, {"Content-Type": "application/json"}, '{"message": "no"}')
    proxy.add(Rule(refused, "PUT", "/flows/[^/]+/f$", times=None))
    ran = repo.apply("--rollback", "--on-drift", "overwrite")
    assert ran.code == 1, ran.out
    assert ran.outcomes() == {
        "new.bin": "applied",
        "sql/top.sql": "applied",
        "region": "applied",
        "api_key": "applied",
        "more": "applied",
        "f": "failed",
    }
    assert set(ran.restored().values()) == {"restored"}
    assert repo.state() == before


def test_red_smoke__restores_what_the_flow_reads(repo: Repo) -> None:
    """Files and keys change, but no flow: the test of the one that reads them is due, and red.

    What was deleted comes back as it was: bytes, values, times to live and descriptions.
    """
    repo.config_all()
    repo.write("files/sql/top.sql", b"select 1;\n")
    repo.write("files/old/gone.bin", bytes(range(255, -1, -1)))
    repo.write("files/old/moved.txt", "moved\n" * 20)
    repo.keys(
        "  region: {value: emea, description: of the team, ttl: PT1H}\n"
        "  gone: {type: DURATION, value: P1D, description: was here, ttl: P30D}\n"
        "  secret: {env: KSTEST_KEY, description: hidden}\n"
        "  map: {a: [1, 2.5, true], b: {c: text}}\n"
    )
    assertion = (
        "  - id: check\n    type: io.kestra.plugin.core.execution.Assert\n    conditions:\n"
        "      - \"{{ read('sql/top.sql') contains '1' and kv('region') == 'emea' }}\"\n"
    )
    repo.flow("f", extra=assertion)
    repo.flow("other")
    repo.write("flows/f.smoke.yaml", f"flow: {repo.namespace}/f\n")
    repo.write("flows/other.smoke.yaml", f"flow: {repo.namespace}/other\n")
    ran = repo.apply("--smoke", "--rollback")
    assert ran.code == 0, ran.out + ran.err
    before, keys, owned = repo.state(), repo.live_keys(), repo.owned()

    repo.write("files/sql/top.sql", b"select 2;\n")
    repo.write("files/new.bin", bytes(range(256)))
    (repo.root / "files/old/gone.bin").unlink()
    (repo.root / "files/old/moved.txt").rename(repo.root / "files/moved.txt")
    repo.keys("  region: apac\n  more: 1\n")
    ran = repo.apply("--smoke", "--rollback", "--allow-large")
    assert ran.code == 7, ran.out + ran.err
    assert {each["flow"]["id"]: each["verdict"] for each in ran.json["smoke"]["runs"]} == {
        "f": "failed", "other": "skipped",
    }  # fmt: skip
    assert len(ran.restored()) == 10
    assert set(ran.restored().values()) == {"restored"}
    assert (repo.state(), repo.live_keys(), repo.owned()) == (before, keys, owned)
    assert keys["gone"] == ("was here", 30 * 24 * 3600)
    assert repo.plan().reasons() == {
        "sql/top.sql": "update changed",
        "new.bin": "create new",
        "old/gone.bin": "delete removed",
        "moved.txt": "move moved",
        "region": "update changed",
        "more": "create new",
        **dict.fromkeys(("gone", "secret", "map"), "delete removed"),
    }


@pytest.mark.once
def test_two_repositories__share_a_namespace(repo: Repo) -> None:
    """And the record keeps what a later version has added to it."""
    _deployed(repo)
    record = repo.inventory()
    unknown = {"kind": "dashboard", "namespace": repo.namespace, "id": "d", "since": "2.0"}
    record["resources"].append(unknown)
    repo.client.kv.put(repo.namespace, repo.key, record)
    repo.write("files/sql/top.sql", b"select 2;\n")
    assert repo.apply().code == 0
    assert unknown in repo.inventory()["resources"]
    other = repo.neighbor("other")
    other.config_all()
    other.flow("g")
    other.write("files/theirs.txt", b"x")
    other.keys("  theirs: 1\n")
    assert other.apply().code == 0
    assert repo.plan("--detailed-exitcode").code == 0
    (other.root / "files/theirs.txt").unlink()
    other.write("files/sql/top.sql", b"select 2;\n")
    assert other.plan().refused() == ["other-owner"]
