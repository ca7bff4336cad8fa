"""Options that are passed on to the next command and to a saved plan."""

from __future__ import annotations

from typing import Any

import click
import pytest

from kestra_sync.cli.invocation import options_for, to_save, with_saved
from kestra_sync.cli.main import main


def called(*args: str, then: Any) -> Any:
    """What ``then`` says within a command that was called with these arguments."""
    with main.make_context("kestra-sync", list(args)) as group:
        command = main.get_command(group, args[0])
        assert command is not None
        with command.make_context(args[0], list(args[1:]), parent=group):
            return then()


def test_next_command__has_the_options_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KESTRA_SYNC_ON_DRIFT", "keep")
    args = (
        "plan", "--prune", "scope", "--only", "a/*", "--only", "b", "--name=-x", "--out", "p.json",
        "--detailed-exitcode", "-v", "--url", "https://me:secret@host/k", "flows",
    )  # fmt: skip
    words = " ".join(called(*args, then=lambda: options_for("apply")))
    assert words == (
        "--only a/* --only b --prune scope --on-drift keep --name=-x --url https://host/k"
    )
    # A command gets only what it knows.
    assert "--prune" not in called(*args, then=lambda: options_for("validate"))
    assert called(*args, then=lambda: options_for("history"))[:1] == ("--name=-x",)
    saved = called(*args, then=to_save)
    assert saved == {
        "name": "-x", "only": ["a/*", "b"], "on_drift": "keep", "paths": ["flows"],
        "prune": "scope",
    }  # fmt: skip
    assert options_for("apply") == ()


def test_saved_plan__provides_missing_options_only() -> None:
    settings = {"prune": None, "allow_large": False, "only": (), "url": None, "paths": ()}
    saved = {
        "prune": "scope", "allow_large": True, "only": ["a"], "url": "http://evil", "yes": True,
        "paths": ["flows"], "unknown": 1,
    }  # fmt: skip
    said = called("apply", then=lambda: with_saved(settings, saved))
    assert said == {
        "prune": "scope", "allow_large": True, "only": ("a",), "url": None, "paths": ("flows",),
    }  # fmt: skip
    said = called("apply", "--prune=none", then=lambda: with_saved({"prune": "none"}, saved))
    assert said == {"prune": "none"}
    odd: dict[str, Any] = {"prune": "all", "allow_large": "yes", "only": "a", "paths": [1]}
    assert called("apply", then=lambda: with_saved(settings, odd)) == settings
    assert click.get_current_context(silent=True) is None
