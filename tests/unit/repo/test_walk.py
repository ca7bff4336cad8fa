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


def test_path__missing_is_reported() -> None:
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


def test_patterns__do_not_reach_outside_their_base(here: Path) -> None:
    _files("f/a.yaml", "base/x")
    assert _found("f", ignore=("a.yaml",), base=here / "base") == ["f/a.yaml"]


def test_an_unreadable_ignore_file_is_reported() -> None:
    _files("f/a.yaml", "f/.kestraignore/x")
    assert [d.rule for d in walk(["f"]).diagnostics] == ["file-unreadable"]


class TestLinks:
    """Symbolic links stay inside, and lead to each file once."""

    def test_links__inside_of_the_source(self) -> None:
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


@pytest.mark.parametrize("line", ["!", "[z-a]", "a\\", "!\\"])
@pytest.mark.parametrize("place", ["f", "f/sub", "."])
def test_a_line_that_is_not_a_pattern_is_named(line: str, place: str) -> None:
    """Otherwise, files that should be ignored would be deployed."""
    _files("f/a.yaml", "f/sub/b.yaml")
    Path(place, ".kestraignore").write_text(f"# fine\n\n{line}\n")
    (problem,) = walk(["f"]).diagnostics
    path = Path(place, ".kestraignore").as_posix()
    assert (problem.path, problem.rule) == (path, "ignore-pattern")
    assert problem.position is not None
    assert problem.position.line == 3


def test_an_ignore_file_may_have_a_byte_order_mark() -> None:
    """Otherwise, its first pattern would never match."""
    _files("f/a.yaml", "f/b.yaml")
    Path("f/.kestraignore").write_bytes(b"\xef\xbb\xbfa.yaml\r\n")
    assert _found("f") == ["f/b.yaml"]


@pytest.mark.parametrize("place", ["f", "."])
@pytest.mark.parametrize("how", ["latin-1", "UTF-16", "link", "fifo", "folder", "large"])
def test_an_ignore_file_that_cannot_be_read_is_an_error(
    here: Path, monkeypatch: pytest.MonkeyPatch, how: str, place: str
) -> None:
    repo = here / "repo"
    (repo / ".git").mkdir(parents=True)
    monkeypatch.chdir(repo)
    (here / "outside").write_text("hunter2\n")
    _files("f/a.yaml")
    file = Path(place, ".kestraignore")
    if how == "link":
        file.symlink_to(here / "outside")
    elif how == "fifo":
        os.mkfifo(file)
    elif how == "folder":
        file.mkdir()
    elif how == "large":
        file.write_bytes(b"#" * 1024 * 1024 + b"##")
    else:
        file.write_bytes("caf\xe9.yaml\n".encode(how))
    (problem,) = walk(["f"]).diagnostics
    assert (problem.path, problem.rule) == (file.as_posix(), "file-unreadable")
    assert "hunter2" not in problem.message


@pytest.mark.parametrize("target", ["../outside", "/etc", ".git", ".git/modules"])
def test_walk__linked_directory_stays_in_the_repository(
    here: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """Also where its name was typed: the link was made by the author of the checkout."""
    (here / "outside").mkdir()
    (here / "repo" / ".git" / "modules").mkdir(parents=True)
    monkeypatch.chdir(here / "repo")
    Path("flows").symlink_to(target)
    found = walk(["flows"])
    assert found.files == ()
    assert [each.rule for each in found.diagnostics] == ["symlink-outside"]


def test_walk__link_to_a_hidden_file_is_not_followed(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise, an error would show its content."""
    (here / ".git").mkdir()
    _files(".git/config", ".env", content="token: hunter2\n")
    Path("a.yaml").symlink_to(".env")
    Path("b.yaml").symlink_to(".git/config")
    found = walk(["."])
    assert found.files == ()
    assert [each.rule for each in found.diagnostics] == ["symlink-outside"] * 2


@pytest.mark.parametrize("path", ["a\x00b", "x" * 300, "/".join(["x" * 200] * 30)])
def test_path__invalid_name_does_not_exist(path: str) -> None:
    with pytest.raises(UsageError, match="no such file or directory"):
        walk([path])
