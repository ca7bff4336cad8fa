"""Saved plans: an apply writes exactly the reviewed plan, or nothing."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kestra_sync.errors import ConflictError, UsageError
from kestra_sync.model import Action, Plan, Reason, Target
from kestra_sync.plan.saved import SavedPlan, differences, digest_of, freeze, load_saved, save
from tests.support.plans import change, plan, source

_OLD = change(Action.DELETE, Reason.REMOVED, "old", before=source("old"), revision=3)


def _plan(**more: Any) -> Plan:
    return plan(
        [
            change(Action.CREATE, Reason.NEW, "a", after=source("a")),
            change(
                Action.UPDATE,
                Reason.CHANGED,
                "b",
                before=source("b", "x"),
                after=source("b"),
                revision=7,
            ),
            change(Action.MOVE, Reason.MOVED, "c", after=source("c"), moved_from=_OLD),
            change(Action.NONE, Reason.FOREIGN, "d", before=b"x"),
        ],
        **more,
    )


def test_a_plan_comes_back_as_it_was(tmp_path: Path) -> None:
    """From its file, with its digest; without sources, which may hold secrets."""
    path = tmp_path / "plan.json"
    saved = freeze(_plan())
    save(saved, str(path))
    assert load_saved(str(path)) == saved
    text = path.read_text(encoding="utf-8")
    assert "io.kestra.plugin" not in text
    assert text.endswith("}\n")


def test_saved_plan__digest_covers_all_changes() -> None:
    """And to what; not what others own, and not how many flows there are."""
    digest = freeze(_plan()).digest
    made = _plan()
    assert freeze(replace(made, flows=1, unchanged=2, server_version="9")).digest == digest
    assert freeze(replace(made, changes=made.changes[:-1])).digest == digest
    assert freeze(replace(made, changes=made.changes[1:])).digest != digest
    assert freeze(replace(made, target=Target("http://other", "main"))).digest != digest
    assert freeze(replace(made, partial=True)).digest != digest


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("{", UsageError, "is not a saved plan"),
        ("[]", UsageError, "is not a saved plan"),
        ('{"plan": 1}', UsageError, "is not a saved plan"),
        ('{"plan": {}, "format_version": "2.0"}', ConflictError, "format version 2.0"),
        ('{"plan": {}}', ConflictError, "format version None"),
        ('{"plan": {}, "format_version": "1.7", "digest": "x"}', ConflictError, "was changed"),
        (None, UsageError, "cannot read"),
    ],
)
def test_saved_plan__invalid_content_is_refused(
    text: str | None, error: type[Exception], words: str, tmp_path: Path
) -> None:
    """With a message that names the file."""
    path = tmp_path / "plan.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(error, match=words) as raised:
        load_saved(str(path))
    assert str(path) in str(raised.value)


_DEEP = '{"plan":' * 20_000 + "1" + "}" * 20_000


@pytest.mark.parametrize(
    "text", [_DEEP, '{"plan": ' + "[" * 100_000, '{"plan": {"changes": ' + "9" * 5000 + "}}"]
)
def test_saved_plan__too_deeply_nested_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="is not a saved plan"):
        load_saved(str(path))


@pytest.mark.parametrize("depth", range(100, 3000, 97))
def test_saved_plan__forged_at_any_depth_is_refused(depth: int, tmp_path: Path) -> None:
    """Reading it, or writing it once more for its digest, may be what is too much."""
    path = tmp_path / "plan.json"
    nested = '{"x":' * depth + "1" + "}" * depth
    path.write_text('{"format_version": "1.0", "plan": ' + nested + "}", encoding="utf-8")
    with pytest.raises((UsageError, ConflictError)):
        load_saved(str(path))


@pytest.mark.parametrize(
    "changes",
    [
        1, None, {}, "x", [1], [None], [{}], [[]],
        [{"flow": "a/b"}], "flow", "action", "revision", "path", "more",
    ],
)  # fmt: skip
def test_saved_plan__forged_with_a_valid_digest_is_refused(changes: Any, tmp_path: Path) -> None:
    """A digest is not a signature: what is compared later must have its form."""
    path = tmp_path / "plan.json"
    content = json.loads(json.dumps(freeze(_plan()).content))
    if isinstance(changes, str) and changes != "x":
        odd = {"flow": ["x"], "action": None, "revision": "7", "path": {"x": 1}, "more": 1}
        content["changes"][0][changes] = odd[changes]
    else:
        content["changes"] = changes
    save(SavedPlan(content, digest_of(content)), str(path))
    with pytest.raises(UsageError, match="is not a valid saved plan"):
        load_saved(str(path))


@pytest.mark.parametrize("kind", ["fifo", "link", "folder", "NUL", "long", "large"])
def test_saved_plan__path_is_not_a_file(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported, and not read."""
    checkout = tmp_path / "checkout"
    (checkout / ".git").mkdir(parents=True)
    monkeypatch.chdir(checkout)
    (tmp_path / "secret").write_text("hunter2")
    monkeypatch.setattr("kestra_sync.safe.paths.read_text.__kwdefaults__", {"limit": 1000})
    path = "plan.json"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        Path(path).symlink_to("../secret")
    elif kind == "folder":
        Path(path).mkdir()
    elif kind == "large":
        Path(path).write_text(" " * 1001)
    else:
        path = "a\x00b" if kind == "NUL" else "x" * 300
    with pytest.raises(UsageError, match="cannot read the plan") as caught:
        load_saved(path)
    assert "hunter2" not in caught.value.message
    if kind in ("fifo", "link", "folder", "NUL", "long"):
        with pytest.raises(UsageError, match="cannot write the plan"):
            save(freeze(_plan()), path)
    assert (tmp_path / "secret").read_text() == "hunter2"


def test_a_plan_that_cannot_be_written(tmp_path: Path) -> None:
    """The error is reported before any request."""
    with pytest.raises(UsageError, match="cannot write"):
        save(freeze(_plan()), str(tmp_path / "no" / "plan.json"))


def test_an_edited_plan_is_refused(tmp_path: Path) -> None:
    """Its digest no longer matches."""
    path = tmp_path / "plan.json"
    save(freeze(_plan()), str(path))
    document = json.loads(path.read_text(encoding="utf-8"))
    document["plan"]["changes"].pop()
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ConflictError, match="was changed after it was saved"):
        load_saved(str(path))


def test_differences_are_named() -> None:
    """Each difference is described."""
    before = freeze(_plan())
    made = _plan()
    a, b, c, _ = made.changes
    assert b.desired is not None
    other_file = replace(
        b.desired.flow.document,
        content=b"x",
    )
    moved = replace(
        made,
        target=Target("http://other", "main"),
        changes=(
            replace(a, action=Action.UPDATE, reason=Reason.TAKE_OVER),
            replace(b, revision=8),
            change(Action.CREATE, Reason.NEW, "new", after=b"x"),
        ),
    )
    assert differences(before, before) == ()
    found = differences(before, freeze(moved))
    assert found[0].startswith("target was {")
    assert found[1:] == (
        "acme/a: was create (new), now update (take-over)",
        "acme/b: the server's source changed (revision 7 then, 8 now)",
        "acme/c: was move (moved), now in sync or deleted",
        "acme/new: was not in the plan, now create (new)",
    )
    edited = replace(
        b, desired=replace(b.desired, flow=replace(b.desired.flow, document=other_file))
    )
    found = differences(before, freeze(replace(made, changes=(a, edited, c))))
    assert found == ("acme/b: the file flows/b.yaml changed",)
