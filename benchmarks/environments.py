"""Directories whose flows become those of a tree with an environment.

Each holds the files of the tree without what its environment adds, so that one deployment serves
all of them: the plan of each has no changes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks import tree

NAME = "bench"
"""The environment of all directories; it shares the record, and adds nothing in the plain tree."""
FILES = 500
"""Namespace files of the directory that has some, of 4 KB each."""

_SITE = tree.SITE_LABEL.encode()
_VALUE = tree.SITE_LABEL.strip()


def write(folder: Path, root: str, flows: list[tree.FlowFile]) -> dict[str, Path]:
    """A directory for each kind of rule: ``mapped``, ``patched`` and ``stamped``.

    :param root: the namespace above all flows on the server.
    """
    unlabelled = _without_label
    return {
        name: _directory(folder / f"{root}-{name}", root, name, change, flows)
        for name, change in (
            ("mapped", lambda data: _renamed(data, root)),
            ("patched", unlabelled),
            ("stamped", unlabelled),
        )
    }


def with_files(folder: Path, root: str) -> Path:
    """The mapped directory with namespace files next to the flows."""
    work = folder / f"{root}-mapped"
    for number in range(FILES):
        file = work / "files" / f"{number % 20}" / f"query{number}.sql"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"-- {number}\n" + "select 1;\n" * 400)
    config = work / "kestra-sync.yaml"
    config.write_text(
        config.read_text() + f"files: [{{path: files, namespace: {_here(root)}.files}}]\n"
    )
    return work


def _directory(
    work: Path,
    root: str,
    kind: str,
    change: Callable[[bytes], bytes],
    flows: list[tree.FlowFile],
) -> Path:
    shutil.rmtree(work, ignore_errors=True)
    for flow in flows:
        file = work / "flows" / flow.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(change(flow.source))
    rules = {
        "mapped": f"namespaces: {{{_here(root)}: {root}}}",
        "patched": f"patches: [{{flows: ['*'], set: {{labels.{_VALUE}}}}}]",
        "stamped": f"stamp: {{labels: {{{_VALUE}}}}}",
    }
    scope = _here(root) if kind == "mapped" else root
    tree.repository(work, configuration(root, scope, rules[kind]))
    return work


def configuration(root: str, scope: str, rules: str = "") -> str:
    """The configuration of a tree with its environment; empty for the tree itself."""
    return (
        f"version: 1\nname: {root}\nsource: flows\nscope: [{scope}]\n"
        f"environments:\n  {NAME}: {{{rules}}}\n"
    )


def _here(root: str) -> str:
    return f"files.{root}"


def _renamed(data: bytes, root: str) -> bytes:
    old, new = (f"namespace: {name}".encode() for name in (root, _here(root)))
    assert old in data
    return data.replace(old, new)


def _without_label(data: bytes) -> bytes:
    assert _SITE in data
    return data.replace(_SITE, b"")
