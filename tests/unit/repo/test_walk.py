"""What the walk finds, and what it leaves out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kestra_sync.errors import UsageError
from kestra_sync.repo import walk


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _files(*paths: str, content: str = "") -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(content)


def _found(*paths: str, ignore: tuple[str, ...] = (), base: Path | None = None) -> list[str]:
    return [file.path for file in walk(paths, ignore=ignore, base=base).files]


def test_yaml_files_in_order() -> None:
    _files("f/b.yml", "f/a.yaml", "f/a/c.YAML", "f/text.txt", "f/.git/x.yaml", "f/.x.yaml")
    _files("f/a.smoke.yaml", "f/a.smoke.yml", "f/kestra-sync.yaml")
    assert _found("f") == ["f/a.yaml", "f/a/c.YAML", "f/b.yml"]


def test_paths_are_shown_as_given(here: Path) -> None:
    _files("f/a.yaml")
    assert _found("f/") == ["f/a.yaml"]
    assert _found("./f") == ["./f/a.yaml"]
    assert _found(".") == ["f/a.yaml"]
    assert _found(str(here / "f")) == [f"{here}/f/a.yaml"]


def test_a_file_is_found_once() -> None:
    _files("f/a.yaml")
    assert _found("f", "f/a.yaml", "f/a.yaml", "./f") == ["f/a.yaml"]


def test_a_path_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no such file or directory: nowhere"):
        walk(["nowhere"])


def test_named_files_are_loaded_whatever_the_rules() -> None:
    _files("f/.kestraignore", content="*.yaml\n")
    _files("f/a.yaml", "f/b.txt")
    assert _found("f") == []
    assert _found("f/a.yaml", "f/b.txt") == ["f/a.yaml", "f/b.txt"]


def test_named_smoke_specifications_are_skipped() -> None:
    _files("a.smoke.yaml", "kestra-sync.yaml")
    found = walk(["a.smoke.yaml", "kestra-sync.yaml"])
    assert found.files == ()
    assert [entry.path for entry in found.skipped] == ["a.smoke.yaml", "kestra-sync.yaml"]


def test_ignore_files_nest() -> None:
    _files("f/a.yaml", "f/b.yaml", "f/sub/a.yaml", "f/sub/b.yaml", "f/drafts/x.yaml")
    Path("f/.kestraignore").write_text("a.yaml\ndrafts/\n# words\n")
    Path("f/sub/.kestraignore").write_text("!a.yaml\n/b.yaml\n")
    assert _found("f") == ["f/b.yaml", "f/sub/a.yaml"]
    # The rules above a directory hold there as well.
    assert _found("f/sub") == ["f/sub/a.yaml"]


def test_what_is_in_an_ignored_directory_stays_ignored() -> None:
    _files("f/drafts/x.yaml")
    Path("f/.kestraignore").write_text("drafts/\n!drafts/x.yaml\n")
    assert _found("f") == []


def test_patterns_of_the_configuration(here: Path) -> None:
    _files("f/drafts/x.yaml", "f/a.yaml")
    assert _found("f", ignore=("f/drafts/**",)) == ["f/a.yaml"]
    assert _found("f", ignore=("/drafts",), base=here / "f") == ["f/a.yaml"]
    assert _found(str(here / "f"), ignore=("a.yaml",)) == [f"{here}/f/drafts/x.yaml"]


def test_patterns_do_not_reach_outside_their_base(here: Path) -> None:
    _files("f/a.yaml", "base/x")
    assert _found("f", ignore=("a.yaml",), base=here / "base") == ["f/a.yaml"]


def test_an_unreadable_ignore_file_is_said() -> None:
    _files("f/a.yaml", "f/.kestraignore/x")
    assert [d.rule for d in walk(["f"]).diagnostics] == ["file-unreadable"]


class TestLinks:
    """Symbolic links stay inside, and lead to each file once."""

    def test_inside(self) -> None:
        _files("f/.versions/2/a.yaml", "f/b.yaml")
        Path("f/current").symlink_to(".versions/2")
        Path("f/a-link.yaml").symlink_to("b.yaml")
        Path("f/ignored.txt").symlink_to("b.yaml")
        assert _found("f") == ["f/b.yaml", "f/current/a.yaml"]

    def test_outside(self) -> None:
        _files("outside/a.yaml", "f/b.yaml", "f/sub/c.yaml")
        Path("f/dir").symlink_to("../outside")
        Path("f/file.yaml").symlink_to("../outside/a.yaml")
        Path("f/sub/not.txt").symlink_to("../outside/a.yaml")
        found = walk(["f"])
        assert [file.path for file in found.files] == ["f/b.yaml", "f/sub/c.yaml"]
        assert [(d.path, d.rule) for d in found.diagnostics] == [
            ("f/dir", "symlink-outside"),
            ("f/file.yaml", "symlink-outside"),
        ]

    def test_named(self, here: Path) -> None:
        _files("repository/f/a.yaml", "outside/a.yaml")
        os.chdir("repository")
        Path("f/inside.yaml").symlink_to("a.yaml")
        Path("f/outside.yaml").symlink_to("../../outside/a.yaml")
        assert _found("f/inside.yaml") == ["f/inside.yaml"]
        assert [d.rule for d in walk(["f/outside.yaml"]).diagnostics] == ["symlink-outside"]
        # Outside the working directory the folder of the file is the limit.
        (here / "outside" / "b.yaml").symlink_to("a.yaml")
        assert _found("../outside/b.yaml") == ["../outside/b.yaml"]

    def test_the_given_directory_may_be_one(self) -> None:
        _files("real/a.yaml")
        Path("f").symlink_to("real")
        assert _found("f") == ["f/a.yaml"]

    def test_loops(self) -> None:
        _files("f/a.yaml")
        Path("f/again").symlink_to(".")
        Path("f/loop.yaml").symlink_to("loop.yaml")
        Path("f/broken.yaml").symlink_to("gone.yaml")
        found = walk(["f"])
        assert [file.path for file in found.files] == ["f/a.yaml"]
        assert [(d.path, d.rule) for d in found.diagnostics] == [
            ("f/broken.yaml", "file-unreadable"),
            ("f/loop.yaml", "file-unreadable"),
        ]

    def test_ignored(self) -> None:
        _files("outside/a.yaml", "f/a.yaml")
        Path("f/dir").symlink_to("../outside")
        Path("f/.kestraignore").write_text("dir\n")
        assert walk(["f"]).diagnostics == ()


def test_unreadable_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    _files("f/a.yaml", "f/sub/b.yaml")
    scandir = os.scandir

    def refusing(path: Path) -> object:
        if path.name == "sub":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    found = walk(["f"])
    assert [file.path for file in found.files] == ["f/a.yaml"]
    assert [(d.path, d.message) for d in found.diagnostics] == [
        ("f/sub", "cannot be read: Permission denied")
    ]
