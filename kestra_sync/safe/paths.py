"""Reads and writes files safely. All file access goes through this module.

The files in a checkout were written by the author of a pull request, who may have committed links.
So below the root of a repository

- nothing is written through a link in any component of the path, or into ``.git``;
- nothing is read through a link that leaves the repository, or points to a hidden path in it
  (``.git/config`` may contain a token, ``.env`` a password).

Elsewhere, links are followed as usual. Only regular files are read, up to a limit, so a FIFO or a
device never hangs a run. Files are replaced atomically: the new file is written next to the old one
under a hidden name, and renamed when it is complete and on disk.

An unsafe path raises :class:`UnsafePathError`, which is an :class:`OSError`: callers show
``strerror`` as for any other error of the operating system.
"""

from __future__ import annotations

import errno
import io
import os
import secrets
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

#: Maximum size of a text file; a file passed by mistake may be larger.
MAX_BYTES = 64 * 1024 * 1024
#: The variables with the checkout in CI, for checkouts without ``.git``.
_CHECKOUTS = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")
#: Including the short name on Windows.
_GIT = frozenset({".git", "git~1"})
# Not inherited by child processes, not waiting for the other end of a FIFO; binary on Windows.
_FLAGS = sum(
    getattr(os, name, 0)
    for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOINHERIT", "O_BINARY", "O_NOCTTY")
)

AnyPath = str | os.PathLike[str]


class UnsafePathError(OSError):
    """A path that must not be read or written; ``strerror`` has the reason."""

    def __init__(self, why: str, path: AnyPath, number: int = errno.EPERM) -> None:
        super().__init__(number, why, os.fspath(path))


def repository_root(directory: AnyPath = ".") -> Path | None:
    """Return the real path of the checkout that contains ``directory``.

    That is the nearest parent directory with a ``.git``; without Git the one that CI sets, or the
    working directory. ``None`` if ``directory`` is in none of them.
    """
    real = Path(os.path.realpath(directory))
    for each in (real, *real.parents):
        if os.path.lexists(each / ".git"):
            return each
    here = Path(os.path.realpath(os.curdir))
    variables = [os.environ.get(name) for name in _CHECKOUTS]
    named = [Path(os.path.realpath(each)) for each in variables if each]
    for checkout in (*(each for each in named if here.is_relative_to(each)), here):
        if checkout != checkout.parent and real.is_relative_to(checkout):
            return checkout
    return None


def is_below(path: AnyPath, roots: Sequence[Path | None]) -> bool:
    """Return whether ``path``, with links resolved, is one of ``roots`` or below one."""
    try:
        real = Path(os.path.realpath(path))
        places = [Path(os.path.realpath(root)) for root in roots if root is not None]
    except (OSError, ValueError):
        return False
    return any(real.is_relative_to(each) for each in places)


def fixed_part(pattern: str) -> str:
    """Return the folders of a pattern before its first wildcard, with ``..`` resolved as text."""
    parts = Path(os.path.normpath(pattern)).parts
    wild = (number for number, part in enumerate(parts) if any(each in part for each in "*?["))
    return Path(*parts[: next(wild, len(parts))]).as_posix()


def is_git(*parts: str) -> bool:
    """Return whether any part of a path is the directory of Git, in any spelling."""
    return any(each.lower() in _GIT for each in parts)


def is_file(path: AnyPath) -> bool:
    """Return whether the path is a regular file; false if the name is invalid."""
    return stat.S_ISREG(_mode(path))


def is_directory(path: AnyPath) -> bool:
    """Return whether the path is a directory; false if the name is invalid."""
    return stat.S_ISDIR(_mode(path))


def is_there(path: AnyPath) -> bool:
    """Return whether the path exists, even as a broken link."""
    try:
        Path(path).lstat()
    except (OSError, ValueError):
        return False
    return True


def _mode(path: AnyPath) -> int:
    try:
        return Path(path).stat().st_mode
    except (OSError, ValueError):  # too long, a NUL, a loop, no permission
        return 0


def read_bytes(path: AnyPath, *, limit: int = MAX_BYTES) -> bytes:
    """Read a regular file.

    :param limit: maximum size in bytes.
    :raises OSError: it cannot or must not be read, or is larger.
    """
    if os.fspath(path) == os.devnull:
        return b""
    data = read_resolved(_resolved(path, links=True), limit=limit)
    if len(data) > limit:
        raise UnsafePathError(f"larger than {limit:,} bytes", path, errno.EFBIG)
    return data


def read_text(path: AnyPath, *, limit: int = MAX_BYTES) -> str:
    """Read a file as text, without a byte order mark.

    :raises OSError: it cannot or must not be read, is larger, or is not UTF-8.
    """
    data = read_bytes(path, limit=limit)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnsafePathError(f"not UTF-8, in line {line}", path, errno.EILSEQ) from None


def read_resolved(path: Path, *, limit: int = MAX_BYTES) -> bytes:
    """Read a regular file whose links were resolved and checked by the caller.

    :return: one byte more than ``limit`` if the file is larger.
    :raises OSError: it cannot be read.
    """
    descriptor, found = _open_regular(path)
    try:
        # Usually in one call: reading takes most of the time of loading flows. A file that
        # grows in the meantime does not fill the memory.
        data = os.read(descriptor, min(found.st_size, limit) + 1)
        if len(data) == found.st_size:
            return data
        while len(data) <= limit and (more := os.read(descriptor, limit + 1 - len(data))):
            data += more
        return data
    finally:
        os.close(descriptor)


def open_resolved(path: Path) -> io.BufferedReader:
    """Open a regular file whose links were resolved and checked by the caller, for reading.

    :raises OSError: it cannot be read.
    """
    descriptor, _ = _open_regular(path)
    return os.fdopen(descriptor, "rb")


def _open_regular(path: Path) -> tuple[int, os.stat_result]:
    descriptor = os.open(path, os.O_RDONLY | _FLAGS)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(found.st_mode):
            raise UnsafePathError("not a regular file", path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, found


def check_readable(path: AnyPath, *, hidden: bool = False) -> None:
    """Reject a path that must not be read, whether or not it exists.

    :param hidden: links may point to hidden paths, except ``.git``.
    :raises OSError: a link leaves the repository or points to a hidden path; the name is invalid.
    """
    _resolved(path, links=True, hidden=hidden)


def check_writable(path: AnyPath, *, parents: bool = False) -> None:
    """Reject a path that cannot be written, as far as this is known before writing.

    :param parents: create parent directories.
    :raises OSError: it cannot or must not be written.
    """
    target = _target(path)
    if parents:
        target.parent.mkdir(parents=True, exist_ok=True)
    # Replacing a file only needs permission for its directory, but do not replace read-only files.
    for each in (target,) if _is_special(target) else (target, target.parent):
        if is_there(each) and not os.access(each, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))


def write(path: AnyPath, data: bytes | str | Iterable[bytes], *, parents: bool = False) -> None:
    """Replace the content of a file atomically.

    :param data: the content (text is written as UTF-8), whole or in pieces. Exceptions raised by
        the iterable are passed on.
    :param parents: create missing parent directories.
    :raises OSError: the file cannot or must not be written; no temporary file is left behind.
    """
    check_writable(path, parents=parents)
    target = _target(path)
    # A lone surrogate may come from a server or a file name: write the rest anyway.
    data = data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data
    content = (data,) if isinstance(data, bytes) else data
    if _is_special(target):
        _write_in_place(target, content)
        return
    mode = _mode(target)
    temporary = target.with_name(f".{target.name[:30]}.{secrets.token_hex(6)}.tmp")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS
        with os.fdopen(os.open(temporary, flags, 0o666), "wb") as file:
            for piece in content:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        if mode:
            temporary.chmod(mode & 0o777)
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync(target.parent)


def _is_special(target: Path) -> bool:
    """Return whether it is a device, pipe or link, which is only allowed outside checkouts."""
    return is_there(target) and (target.is_symlink() or not is_file(target))


def _write_in_place(target: Path, content: Iterable[bytes]) -> None:
    """Write to ``/dev/stdout``, a pipe, or through a link of the user, outside any checkout."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _FLAGS
    with os.fdopen(os.open(target, flags, 0o666), "wb") as file:
        if hasattr(os, "set_blocking"):
            os.set_blocking(file.fileno(), True)
        file.writelines(content)


def _sync(directory: Path) -> None:
    """Sync the directory, so that the rename is on disk, if the platform supports it."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | _FLAGS)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def append_to(path: AnyPath) -> io.BufferedWriter:
    """Open a file for appending; create it if needed.

    :raises OSError: it cannot or must not be written.
    """
    target = _target(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | _FLAGS
    descriptor = os.open(target, flags, 0o666)
    if hasattr(os, "set_blocking"):
        os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "ab")


def write_temporary(text: str, *, suffix: str) -> str:
    """Write a new temporary file that only its owner can read; return its path.

    :raises OSError: it cannot be written.
    """
    descriptor, path = tempfile.mkstemp(prefix="kestra-sync-", suffix=suffix)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return path


def temporary_folder(parent: AnyPath | None = None) -> Path:
    """Create a folder that only its owner can access, and that is not deleted automatically.

    :param parent: its parent; by default the temporary folder.
    :raises OSError: it cannot be created.
    """
    return Path(tempfile.mkdtemp(prefix="kestra-sync-", dir=parent))


@contextmanager
def _as_os_error(path: AnyPath) -> Iterator[None]:
    """Convert the ``ValueError`` for a NUL in a path to an ``OSError``."""
    try:
        yield
    except ValueError:
        raise UnsafePathError("not a path", ascii(os.fspath(path)), errno.EINVAL) from None


def _target(path: AnyPath) -> Path:
    """Return the real path to write, resolving links of the user but none in a checkout."""
    target = _resolved(path, links=False)
    if is_directory(target):
        raise IsADirectoryError(errno.EISDIR, "it is a directory", os.fspath(path))
    root = repository_root(target.parent)
    if root is not None:
        if is_git(*target.relative_to(root).parts):
            raise UnsafePathError("it belongs to Git", path)
        if is_there(target) and not is_file(target):
            raise UnsafePathError("not a regular file", path)
    return target


def _resolved(path: AnyPath, *, links: bool, hidden: bool = False) -> Path:
    """Resolve ``path`` component by component.

    :param links: in a checkout, follow links that stay in it; otherwise none. A link outside of a
        checkout belongs to the user and is followed, except the last component of a path to write.
    """
    with _as_os_error(path):
        requested = Path(path)
        current = (
            Path(requested.anchor) if requested.is_absolute() else Path(os.path.realpath(os.curdir))
        )
        parts = (
            requested.relative_to(requested.anchor).parts if requested.anchor else requested.parts
        )
        for index, part in enumerate(parts):
            if part == os.pardir:
                current = current.parent
                continue
            child = current / part
            if not _is_link(child):
                current = child
                continue
            root = repository_root(current)
            if root is None or not current.is_relative_to(root):
                last = index == len(parts) - 1
                current = child if last and not links else Path(os.path.realpath(child))
                continue
            shown = child.relative_to(root).as_posix()
            if not links:
                raise UnsafePathError(f"{shown} is a symbolic link", path, errno.ELOOP)
            current = Path(os.path.realpath(child))
            if not current.is_relative_to(root):
                raise UnsafePathError(f"the symbolic link {shown} leaves the repository", path)
            inner = current.relative_to(root).parts
            if is_git(*inner) or (not hidden and any(each.startswith(".") for each in inner)):
                why = f"the symbolic link {shown} points to a hidden path"
                raise UnsafePathError(why, path)
        return current


def _is_link(path: Path) -> bool:
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    junction = getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", None)  # of Windows
    return stat.S_ISLNK(found.st_mode) or (
        junction is not None and getattr(found, "st_reparse_tag", 0) == junction
    )
