"""Reports of runs against a real server: several consistent formats of one run."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree as ET

from tests.e2e.sync.conftest import Repo
from tests.support.sources import subflow

_ALL = ("json", "text", "github", "markdown", "comment", "summary", "sarif", "junit", "html")


def wanted(*formats: str) -> list[str]:
    """The options for these formats, in files of their names."""
    return [word for each in formats for word in ("-o", f"{each}=out/{each}")]


def test_every_format_renders_the_same_run(repo: Repo) -> None:
    """The digest of the comment is the one that apply accepts."""
    repo.config()
    repo.flow("kept")
    repo.flow("changed", "before")
    repo.write("flows/changed.smoke.yaml", f"flow: {repo.namespace}/changed\nkeep: never\n")
    applied = repo.run("apply", "--yes", "--smoke", *wanted("markdown"))
    assert applied.code == 0, applied.err
    assert "Smoke: 1 passed" in (repo.root / "out/markdown").read_text()
    repo.flow("changed", "after")
    repo.write("flows/caller.yaml", subflow(repo.namespace, "caller", "changed"))
    ran = repo.run("plan", *wanted(*_ALL))
    assert ran.code == 0, ran.err
    texts = {each: (repo.root / "out" / each).read_text() for each in _ALL}
    plan = json.loads(texts["json"])
    assert texts["text"] == ran.out
    for name in ("comment", "summary", "markdown", "html"):
        assert plan["digest"] in texts[name], name
        assert "1 to create, 1 to update" in texts[name], name
    assert "```mermaid" in texts["comment"]
    assert texts["github"] == ""
    ET.fromstring(texts["junit"])
    assert json.loads(texts["sarif"])["runs"][0]["results"] == []
    command = re.search(r"^kestra-sync (apply .*)$", texts["comment"], re.MULTILINE)
    assert command is not None
    applied = repo.run(*command[1].split(), "--yes", *wanted("comment", "junit"))
    assert applied.code == 0, applied.err
    comment = (repo.root / "out/comment").read_text()
    assert "Applied: 1 created, 1 updated." in comment
    assert comment.count("| applied |") == 2

    repo.edit("kept", repo.source("kept", "theirs"))
    drift = repo.run("drift", "--format", "github")
    assert drift.code == 2
    assert drift.out.startswith("::warning file=flows/kept.yaml,line=1,col=1,title=")
    smoke = repo.run("smoke", *wanted("junit", "comment", "html"))
    assert smoke.code == 0, smoke.err
    assert ET.parse(repo.root / "out/junit").getroot().attrib["tests"] == "1"
