"""Reads the contents of a working tree from Git's index.

``git ls-files`` lists it. If Git cannot be run (it is not installed, or rejects a directory of
another user) the index file is read here, according to ``Documentation/gitformat-index`` of Git.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kestra_sync.repo.git import GitError, git
from kestra_sync.safe.paths import read_resolved

LINK, SUBMODULE, TREE = 0o120000, 0o160000, 0o040000


@dataclass(frozen=True)
class Entry:
    """One path of the index.

    :param path: relative to the top of the checkout, with ``/``.
    :param mode: as in a tree: file, link, submodule, or the directory that a sparse index has
        instead of its contents.
    :param oid: the hash of the content, in hexadecimal.
    :param skip: ``skip-worktree``: a sparse checkout excludes it.
    :param assume: ``assume-unchanged``: Git does not check whether it exists.
    :param unmerged: a merge left several versions of it.
    """

    path: str
    mode: int
    oid: str
    skip: bool = False
    assume: bool = False
    unmerged: bool = False


def entries_of(top: Path) -> tuple[Entry, ...]:
    """List the index of the checkout at ``top`` with ``git``.

    :raises GitError: it fails.
    """
    output = git(top, "ls-files", "-z", "--stage", "-v")
    return tuple(_listed(each) for each in output.split(b"\0") if each)


def tree_of(top: Path, commit: str) -> tuple[Entry, ...]:
    """List all files of a commit.

    :raises GitError: the commit, or one of its trees, is not in this repository.
    """
    output = git(top, "ls-tree", "-r", "-z", "--full-tree", commit)
    found = []
    for line in filter(None, output.split(b"\0")):
        head, _, path = line.partition(b"\t")
        mode, _, oid = head.split(b" ")
        found.append(Entry(os.fsdecode(path), int(mode, 8), oid.decode()))
    return tuple(found)


def _listed(line: bytes) -> Entry:
    """Parse ``H 100644 <oid> 0<tab>path``; a lower-case tag means ``assume-unchanged``."""
    head, _, path = line.partition(b"\t")
    tag, mode, oid, stage = head.decode().split(" ")
    return Entry(
        os.fsdecode(path).rstrip("/"),
        int(mode, 8),
        oid,
        skip=tag.upper() == "S",
        assume=tag.islower(),
        unmerged=stage != "0",
    )


def git_directory(top: Path) -> Path:
    """Return the repository of a checkout: ``.git``, or the target of the file ``.git``.

    :raises GitError: the target does not exist.
    """
    there = top / ".git"
    try:
        if there.is_dir():
            return there
        text = read_resolved(there, limit=4096).decode("utf-8", "surrogateescape")
    except OSError as error:
        raise GitError(f"{there} cannot be read: {error.strerror}") from error
    directory = top / text.removeprefix("gitdir:").strip()
    if not text.startswith("gitdir:") or not directory.is_dir():
        raise GitError(
            f"{there} does not point to a repository",
            "copy the whole repository, not only the working tree",
        )
    return directory


def index_file(top: Path) -> Path:
    """Return the path of the index of a checkout, which may not exist.

    :raises GitError: the checkout does not point to a repository.
    """
    return git_directory(top) / "index"


def read_index(file: Path) -> tuple[Entry, ...]:
    """Read the index from the file itself; merged entries of a sparse index stay directories.

    :raises GitError: it cannot be read, or its format is not supported.
    """
    try:
        data = read_resolved(file)
        return tuple(_parsed(data))
    except OSError as error:
        raise GitError(f"{file} cannot be read: {error.strerror}") from error
    except (struct.error, IndexError, ValueError) as error:
        raise GitError(f"{file} is not a valid Git index") from error


def _parsed(data: bytes) -> Iterator[Entry]:
    signature, version, number = struct.unpack_from(">4sII", data)
    if signature != b"DIRC" or version not in (2, 3, 4):
        raise ValueError("unknown version")
    place, path = 12, b""
    for _ in range(number):
        begin = place
        (mode,) = struct.unpack_from(">I", data, place + 24)
        oid = data[place + 40 : place + 60].hex()
        (flags,) = struct.unpack_from(">H", data, place + 60)
        place += 62
        more = 0
        if flags & 0x4000:
            (more,) = struct.unpack_from(">H", data, place)
            place += 2
        if version == 4:
            cut, place = _number(data, place)
            end = data.index(b"\0", place)
            path = path[: len(path) - cut] + data[place:end]
            place = end + 1
        else:
            end = data.index(b"\0", place)
            path = data[place:end]
            place = begin + (end - begin) // 8 * 8 + 8
        if stat.S_IFMT(mode) not in (stat.S_IFREG, LINK, SUBMODULE, TREE) or not path:
            raise ValueError("unknown hash format, or corrupt")
        yield Entry(
            os.fsdecode(path).rstrip("/"),
            mode,
            oid,
            skip=bool(more & 0x4000),
            assume=bool(flags & 0x8000),
            unmerged=bool(flags & 0x3000),
        )
    while place + 8 <= len(data) - 20:
        name, size = struct.unpack_from(">4sI", data, place)
        if name == b"link":
            raise ValueError("split index: most entries are in another file")
        place += 8 + size


def _number(data: bytes, place: int) -> tuple[int, int]:
    """Read a variable-length number, as in pack offsets; return it and the next position."""
    byte = data[place]
    place += 1
    value = byte & 0x7F
    while byte & 0x80:
        byte = data[place]
        place += 1
        value = ((value + 1) << 7) | (byte & 0x7F)
    return value, place
