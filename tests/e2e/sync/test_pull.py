"""``pull``: the server's sources into the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.sync.conftest import Repo
from tests.support.git import isolate


@pytest.fixture(autouse=True)
def _own_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path / "home")


def test_new_turns_a_server_into_a_repository(repo: Repo) -> None:
    """A file with other content is not overwritten."""
    repo.config()
    below = f"{repo.namespace}.team"
    repo.client.flows.create(repo.source("x"))
    repo.client.flows.create(repo.source("y", ns=below))
    assert "Nothing to pull" in repo.run("pull").out
    first = Path("flows", *repo.namespace.split("."), "x.yaml")
    repo.write(str(first), "just: data\n")
    ran = repo.run("pull", "--new")
    assert ran.code == 64
    assert "already exists" in ran.err
    assert first.read_text() == "just: data\n"
    first.unlink()
    ran = repo.run("pull", "--new")
    assert ran.code == 0
    assert "Pulled 2 flows." in ran.out
    assert first.read_bytes() == repo.source("x")
    assert Path("flows", *below.split("."), "y.yaml").read_bytes() == repo.source("y", ns=below)
    assert repo.plan().reasons() == {"x": "none adopt", "y": "none adopt"}


def test_pull__three_way_comparison_decides(repo: Repo) -> None:
    """Changed only in Git, only on the server, on both, deleted on either; a dry run says so."""
    repo.config()
    for name in ("git", "server", "both", "gone", "gone-edited", "deleted"):
        repo.flow(name)
    pair = repo.source("one") + b"---\n" + repo.source("two")
    repo.write("flows/pair.yaml", pair)
    assert repo.apply().code == 0
    ours = {name: repo.flow(name, "in Git") for name in ("git", "both", "new")}
    theirs = {name: repo.source(name, "by hand") for name in ("server", "both", "gone-edited")}
    theirs["server"] += b"# no newline at the end"
    theirs["one"] = repo.source("one", "by hand").rstrip(b"\n")
    for name, source in theirs.items():
        repo.edit(name, source)
    repo.remove("gone")
    repo.remove("gone-edited")
    repo.client.flows.delete(repo.id("deleted"))
    expected = {
        "both": "conflict",
        "deleted": "left",
        "git": "left",
        "gone": "left",
        "gone-edited": "conflict",
        "new": "left",
        "one": "updated",
        "server": "updated",
    }
    before = {each: each.read_bytes() for each in Path("flows").iterdir()}
    dry = repo.run("pull", "--dry-run", "--format", "json")
    assert {each: each.read_bytes() for each in Path("flows").iterdir()} == before
    ran = repo.run("pull", "--format", "json")
    assert dry.code == ran.code == 5
    assert dry.json["flows"] == ran.json["flows"]
    assert {each["flow"]["id"]: each["result"] for each in ran.json["flows"]} == expected
    assert Path("flows/server.yaml").read_bytes() == theirs["server"]
    # Only the flow's own document of a file is replaced.
    replaced = theirs["one"] + b"\n---\n" + repo.source("two")
    assert Path("flows/pair.yaml").read_bytes() == replaced
    assert {name: Path(f"flows/{name}.yaml").read_bytes() for name in ours} == ours
    text = repo.run("pull")
    assert text.code == 5
    assert "conflict" in text.out
    assert "--overwrite" in text.out
    # The plan calls the same flows conflicts, and says how to solve them.
    plan = repo.run("plan")
    assert plan.code == 5
    assert "kestra-sync pull --overwrite" in plan.err
    assert repo.run("pull", "--overwrite").code == 0
    assert Path("flows/both.yaml").read_bytes() == theirs["both"]
    assert Path("flows/git.yaml").read_bytes() == ours["git"]
    pulled = Path("flows", *repo.namespace.split("."), "gone-edited.yaml")
    assert pulled.read_bytes() == theirs["gone-edited"]
    reasons = repo.plan().reasons()
    assert {reasons[each] for each in ("server", "both", "gone-edited")} == {"none refreshed"}


_KEYS = """\
# Keys of the sales team
namespace: {namespace}
values:
  region: emea  # where we began
  cache:
    value: [1]
    ttl: PT1H
  secret: {{env: KSTEST_KEY}}
  hidden: {{value: abc-in-git, masked: true}}
"""


def test_files_and_keys(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Edited, conflicting and new ones; no secret ever becomes text in a file."""
    secret = "changed on the server: a secret, which is not written to files"
    monkeypatch.setenv("KSTEST_KEY", "the-secret")
    space = repo.namespace
    repo.config(
        f"files: [{{path: files, namespace: {space}, ignore: ['*.md']}}]\nkv: [kv/*.yaml]\n"
    )
    repo.flow("a")
    repo.write("files/a.sql", b"select 1;\n")
    repo.write("files/both.sql", b"both 1")
    repo.write("kv/sales.yaml", _KEYS.format(namespace=space))
    assert repo.apply().code == 0

    data = bytes(range(256))
    repo.client.files.put(space, "a.sql", b"select 2;\r\n")
    repo.client.files.put(space, "both.sql", b"theirs")
    repo.write("files/both.sql", b"ours")
    for name in ("new/b.bin", "about.md", ".hidden"):
        repo.client.files.put(space, name, data)
    for key in ("region", "secret", "hidden"):
        repo.client.kv.put(space, key, f"by-hand-{key}")
    repo.client.kv.put(space, "cache", {"value": 2}, ttl="PT2H", description="why: it is slow")
    repo.client.kv.put_text(space, "opening", "2026-01-31")
    repo.client.kv.put(space, "note", "a: b # c")
    monkeypatch.delenv("KSTEST_KEY")

    dry = repo.run("pull", "--new", "--kv-values", "--dry-run", "--format", "json").json["flows"]
    assert Path("files/a.sql").read_bytes() == b"select 1;\n"
    ran = repo.run("pull", "--new", "--format", "json")
    assert ran.code == 5, ran.err
    found = {each["flow"]["id"]: (each["result"], each["reason"]) for each in ran.json["flows"]}
    wanted = {
        "a.sql": ("updated", "changed on the server"),
        "both.sql": ("conflict", "changed both in Git and on the server"),
        "region": ("updated", "changed on the server"),
        "cache": ("updated", "changed on the server"),
        "new/b.bin": ("created", "only on the server"),
        "about.md": ("left", "excluded by the ignore rules"),
        ".hidden": ("left", "a hidden file, which would not be deployed"),
        "opening": ("left", "only on the server; --kv-values writes its value"),
        "note": ("left", "only on the server; --kv-values writes its value"),
        **dict.fromkeys(("secret", "hidden"), ("left", secret)),
    }
    assert found == wanted
    created = dict.fromkeys(("opening", "note"), ("created", "only on the server"))
    assert {each["flow"]["id"]: (each["result"], each["reason"]) for each in dry} == {
        **wanted, **created,
    }  # fmt: skip
    assert Path("files/a.sql").read_bytes() == b"select 2;\r\n"
    assert Path("files/new/b.bin").read_bytes() == data
    assert Path("files/both.sql").read_bytes() == b"ours"
    text = Path("kv/sales.yaml").read_text()
    assert "# Keys of the sales team\n" in text
    assert "region: by-hand-region  # where we began\n" in text
    assert "opening" not in text

    assert repo.run("pull", "--new", "--kv-values", "--overwrite").code == 0
    text = Path("kv/sales.yaml").read_text()
    assert Path("files/both.sql").read_bytes() == b"theirs"
    assert not any(each in text for each in ("by-hand-secret", "by-hand-hidden", "the-secret"))
    monkeypatch.setenv("KSTEST_KEY", "the-secret")
    repo.write("kv/sales.yaml", text.replace("abc-in-git", "by-hand-hidden"))
    repo.client.kv.put(space, "secret", "the-secret")
    reasons = repo.plan().reasons()
    assert {each.split()[0] for each in reasons.values()} == {"none"}, reasons


_PULLED = "pull", "--new", "--kv-values", "--format", "json"


def test_new__each_layout_gets_flows_files_and_keys_where_it_says(repo: Repo) -> None:
    """Into an empty repository with only a configuration; then there is nothing to write."""
    space, child = repo.namespace, f"{repo.namespace}.child"
    for name in (space, child):
        repo.client.flows.create(repo.source("f", ns=name))
        repo.client.files.put(name, "sql/a.sql", name.encode())
        repo.client.kv.put(name, "k", name)
    alone = f"{space}.files-only"
    repo.client.files.put(alone, "b.bin", bytes(range(256)))
    child_files = f"namespace: {child}}}"
    star = f"{{path: alone, namespace: {alone}}}, {{path: LAYOUT, namespace: '*'}}"
    layouts = {
        "plugin": (
            "_flows", f"{{path: _files, namespace: {space}}}, {{path: c/_files, {child_files}",
            "[kv/*.yaml]",
            {"_flows/f.yaml", "_flows/child/f.yaml", "_files/sql/a.sql", "c/_files/sql/a.sql",
             f"kv/{space}.yaml", f"kv/{child}.yaml"},
        ),
        "namespaces": (
            ".", star.replace("LAYOUT", "'*/files'"), "['*/kv.yaml']",
            {f"{each}/{file}" for each in (space, child)
             for file in ("flows/f.yaml", "files/sql/a.sql", "kv.yaml")} | {"alone/b.bin"},
        ),
        "children": (
            "flows", star.replace("LAYOUT", "files"), "[kv/*.yaml]",
            {"flows/" + "/".join((*each.split("."), "f.yaml")) for each in (space, child)}
            | {f"{file.format(each)}" for each in (space, child)
               for file in ("files/{}/sql/a.sql", "kv/{}.yaml")} | {"alone/b.bin"},
        ),
        "projects": (
            "[a/flows, b/flows]",
            f"{{path: a/files, namespace: {space}}}, {{path: b/files, {child_files}",
            "[a/kv.yaml, b/kv.yaml]",
            {f"{each}/{file}" for each in "ab"
             for file in ("flows/f.yaml", "files/sql/a.sql", "kv.yaml")},
        ),
    }  # fmt: skip
    for label, (source, files, kv, paths) in layouts.items():
        here = repo.neighbor(label)
        (here.root / "flows").rmdir()
        text = f"version: 1\nname: {here.name}\nscope: [{space}]\n"
        text += f"source: {source}\nfiles: [{files}]\nkv: {kv}\n"
        here.write("kestra-sync.yaml", text)
        ran = here.run(*_PULLED)
        assert ran.code == 0, (label, ran.err, ran.out)
        there = {each for each in here.root.rglob("*") if each.is_file()}
        found = {each.relative_to(here.root).as_posix() for each in there} - {"kestra-sync.yaml"}
        assert found == paths, label
        if "*" in files:
            reasons = here.plan().reasons()
            assert set(reasons.values()) == {"none adopt"}, (label, reasons)
