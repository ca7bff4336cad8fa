"""Which paths may be read and written, and atomic writes."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kestra_sync.safe import paths
from kestra_sync.safe.paths import (
    UnsafePathError,
    append_to,
    check_readable,
    check_writable,
    is_below,
    is_directory,
    is_file,
    is_there,
    read_bytes,
    read_text,
    repository_root,
    write,
)

_NO_NAMES = ["a\x00b", "a" * 300, "/".join(["a" * 200] * 30), ""]


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout, which is the working directory, with a secret next to it."""
    for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "checkout"
    (root / ".git").mkdir(parents=True)
    (root / ".git" / "config").write_text("token")
    (root / ".env").write_text("KESTRA_TOKEN=secret")
    (root / "flows").mkdir()
    (root / "flows" / "a.yaml").write_text("id: a\n")
    (tmp_path / "secret").write_text("secret")
    monkeypatch.chdir(root)
    return root


def _link(at: str, to: str | Path) -> None:
    Path(at).symlink_to(to)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("../secret", "leaves the repository"),
        ("/proc/self/environ", "leaves the repository"),
        ("/etc", "leaves the repository"),
        (".git/config", "a hidden path"),
        ("flows/../.env", "a hidden path"),
    ],
)
@pytest.mark.parametrize("depth", ["file", "folder", "two links"])
def test_paths__link_out_of_the_checkout_is_not_followed(target: str, why: str, depth: str) -> None:
    """Its author would read what is not in the repository, through our messages."""
    path = "plan.md"
    if depth == "two links":
        _link("between", target)
        _link("plan.md", "between")
    elif depth == "folder":
        _link("folder", Path(target).parent)
        path = f"folder/{Path(target).name}"
    else:
        _link("plan.md", target)
    if depth == "folder" and target == "flows/../.env":
        assert read_bytes(path)  # the link leads to the root, and .env itself is not one
        return
    for refused in (read_bytes, read_text, check_readable):
        with pytest.raises(UnsafePathError) as caught:
            refused(path)
        said = str(caught.value.strerror)
        assert why in said
        assert "secret" not in said


def test_paths__link_inside_the_repository_is_followed() -> None:
    _link("kestra-sync.yaml", "flows/a.yaml")
    _link("other", "flows")
    assert read_text("kestra-sync.yaml") == "id: a\n"
    assert read_bytes("other/a.yaml") == b"id: a\n"


@pytest.mark.parametrize("path", ["plan.md", "out/plan.md", "out/deep/er.md"])
@pytest.mark.parametrize("target", ["..", "../secret", "flows", "flows/a.yaml", ".git", "/dev"])
def test_write__through_a_link_is_refused(path: str, target: str, tmp_path: Path) -> None:
    """Not even one that stays in the checkout: what it names was not asked for."""
    _link(path.partition("/")[0], target)
    for refused in (check_writable, lambda it: write(it, "x", parents=True), append_to):
        with pytest.raises(UnsafePathError, match="is a symbolic link"):
            refused(path)
    with pytest.raises(UnsafePathError, match="is a symbolic link"):
        check_writable(path, parents=True)
    assert (tmp_path / "secret").read_text() == "secret"
    assert Path("flows/a.yaml").read_text() == "id: a\n"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["checkout", "secret"]


@pytest.mark.parametrize("path", [".git/hooks/pre-commit", ".git/config", "flows/.GIT/x", ".git"])
def test_write__into_git_directory_is_refused(path: str) -> None:
    with pytest.raises(OSError, match=r"Git|directory"):
        write(path, "x", parents=True)


def test_path__given_by_the_user_may_leave_the_checkout(tmp_path: Path) -> None:
    """A path that the user passes may be anywhere, also behind links outside of a checkout."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write(tmp_path / "link" / "report.md", "text")
    assert (tmp_path / "real" / "report.md").read_text() == "text"
    write("../real/other.md", b"bytes")
    assert read_bytes(tmp_path / "link" / "other.md") == b"bytes"
    # A checkout that is reached through a link is one all the same.
    (tmp_path / "way").symlink_to(tmp_path / "checkout")
    _link("report.md", tmp_path / "secret")
    with pytest.raises(UnsafePathError):
        write(tmp_path / "way" / "report.md", "text")
    with pytest.raises(UnsafePathError):
        write("../way/report.md", "text")


def test_write__link_outside_of_a_checkout_is_followed(tmp_path: Path) -> None:
    """As a shell does it: /dev/stdout is one."""
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    write(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "secret").read_text() == "new"
    write(os.devnull, "x")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    assert read_bytes(os.devnull) == b""


@pytest.mark.parametrize("path", _NO_NAMES, ids=["NUL", "long", "long path", "empty"])
def test_path__invalid_is_an_ordinary_error(path: str) -> None:
    """An invalid path is an ordinary error."""
    assert not is_file(path)
    assert not is_there(path) or path == ""
    assert not is_below(path, [Path("flows")])
    uses: list[Callable[[str], object]] = [
        read_bytes, read_text, append_to, lambda it: write(it, "x"),
    ]  # fmt: skip
    for use in uses:
        with pytest.raises(OSError) as caught:  # noqa: PT011 - each system has its own words
            use(path)
        assert caught.value.strerror


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no FIFOs in folders")
def test_fifo__does_not_block_the_run() -> None:
    os.mkfifo("pipe")
    assert not is_file("pipe")
    with pytest.raises(UnsafePathError, match="not a regular file"):
        read_bytes("pipe")
    for use in (lambda: write("pipe", "x"), lambda: append_to("pipe")):
        with pytest.raises(UnsafePathError, match="not a regular file"):
            use()


def test_a_directory_is_not_a_file() -> None:
    assert is_directory("flows")
    assert not is_file("flows")
    for use in (lambda: read_bytes("flows"), lambda: write("flows", "x"), lambda: append_to(".")):
        with pytest.raises(IsADirectoryError):
            use()


def test_there_is_a_limit() -> None:
    Path("large").write_bytes(b"x" * 11)
    assert read_bytes("large", limit=11) == b"x" * 11
    with pytest.raises(UnsafePathError, match="larger than 10 bytes"):
        read_bytes("large", limit=10)


def test_text_is_text() -> None:
    Path("bom").write_bytes(b"\xef\xbb\xbftext")
    assert read_text("bom") == "text"
    Path("latin").write_bytes("one\nca\xe9\n".encode("latin-1"))
    with pytest.raises(UnsafePathError, match="not UTF-8, in line 2"):
        read_text("latin")


def test_a_file_is_replaced_as_a_whole() -> None:
    write("new/deep/file", "one", parents=True)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(Path("new/deep/file").stat().st_mode) == 0o666 & ~mask
    Path("new/deep/file").chmod(0o640)
    write("new/deep/file", b"two")
    assert Path("new/deep/file").read_bytes() == b"two"
    assert stat.S_IMODE(Path("new/deep/file").stat().st_mode) == 0o640
    assert [each.name for each in Path("new/deep").iterdir()] == ["file"]
    with append_to("new/deep/file") as file:
        file.write(b" three")
    assert Path("new/deep/file").read_bytes() == b"two three"
    with pytest.raises(FileNotFoundError):
        write("absent/file", "x")


@pytest.mark.parametrize("step", ["write", "flush", "fsync", "chmod", "replace"])
@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_write__leaves_no_partial_file(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, step: str, fault: BaseException
) -> None:
    """After a failure or an interrupt, only the old file exists."""

    def fails(*_args: object, **_named: object) -> None:
        raise fault

    class Full:
        """A file on a disk that is full."""

        def __init__(self, descriptor: int, mode: str) -> None:
            self._file: Any = real(descriptor, mode)

        def __enter__(self) -> object:
            return self

        def __exit__(self, *_args: object) -> None:
            self._file.close()

        def __getattr__(self, name: str) -> Callable[..., object]:
            found: Callable[..., object] = getattr(self._file, name)
            return fails if name == step else found

    real: Callable[[int, str], Any] = os.fdopen
    write("file", "old")
    with monkeypatch.context() as patch:
        if step == "fsync":
            patch.setattr(os, "fsync", fails)
        elif step in ("chmod", "replace"):
            patch.setattr(Path, step, fails)
        else:
            patch.setattr(os, "fdopen", Full)
        with pytest.raises(type(fault)):
            write("file", "new")
    assert Path("file").read_text() == "old"
    assert {each.name for each in checkout.iterdir()} == {".git", ".env", "flows", "file"}


def test_write__read_only_file_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The permission for the directory would be enough to replace it."""
    Path("file").write_text("old")
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path).name != "file")
    with pytest.raises(PermissionError):
        check_writable("file")
    with pytest.raises(PermissionError):
        write("file", "new")
    assert Path("file").read_text() == "old"


def test_which_checkout_it_is(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest one with Git; else what CI says, else the working directory."""
    elsewhere = checkout.parent / "elsewhere" / "deep"
    elsewhere.mkdir(parents=True)
    assert repository_root(checkout / "flows" / "none") == checkout
    assert repository_root(elsewhere) is None
    monkeypatch.chdir(elsewhere)
    assert repository_root() == elsewhere
    assert repository_root(elsewhere.parent) is None
    for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        with monkeypatch.context() as patch:
            patch.setenv(name, str(elsewhere.parent))
            assert repository_root() == elsewhere.parent
            # Not where we are: it says nothing.
            patch.setenv(name, str(checkout))
            assert repository_root() == elsewhere
    monkeypatch.chdir("/")
    assert repository_root("/usr") is None


def test_input_file__below_the_directory(checkout: Path) -> None:
    _link("out", "..")
    assert is_below("flows/a.yaml", [checkout])
    assert is_below(".", [None, checkout])
    assert not is_below("out/secret", [checkout])
    assert not is_below("flows/../../secret", [checkout])
    assert not is_below("flows", [None])


def test_a_loop_of_links_is_an_error() -> None:
    _link("one", "two")
    _link("two", "one")
    for use in (lambda: read_bytes("one"), lambda: write("one", "x")):
        with pytest.raises(OSError) as caught:  # noqa: PT011
            use()
        assert caught.value.errno in (errno.ELOOP, errno.EPERM, errno.ENOENT)
    assert not is_file("one")
    assert is_there("one")


def test_windows__junction_is_a_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of Windows: a directory that leads elsewhere, which any user can make."""

    class Found:
        st_mode = stat.S_IFDIR
        st_reparse_tag = 0xA0000003

    monkeypatch.setattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", 0xA0000003, raising=False)
    monkeypatch.setattr(Path, "lstat", lambda _self: Found())
    assert paths._is_link(Path("flows"))
