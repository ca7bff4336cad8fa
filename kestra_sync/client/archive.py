"""Reads an export, a zip of flows or namespace files, as untrusted input with limits."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from mmap import mmap
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from kestra_sync.client.errors import UnexpectedAnswer
from kestra_sync.resources import LARGE, Content, LargeContent, hashed, in_memory, size_of

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 0x1
_HEADER = struct.Struct("<4s22xHH")
"""Local file header: signature, fields that the directory also has, lengths of name and extra."""


@dataclass(frozen=True)
class ArchiveLimits:
    """Limits for the contents of an export.

    :param entry_size: bytes of one source; Kestra takes 3,145,728 characters.
    :param any_ratio: bytes that the whole may always unpack to; beyond that it is ``ratio`` times
        the size of the zip. Flows pack to between a fourth and a tenth; bombs to a thousandth.
    :param large: bytes of all sources together that are not held in memory.
    """

    entries: int = 200_000
    entry_size: int = 16 * 1024 * 1024
    total_size: int = 1024 * 1024 * 1024
    any_ratio: int = 16 * 1024 * 1024
    ratio: int = 50
    large: int = 0

    def total(self, packed: int) -> int:
        """Bytes that a zip of ``packed`` bytes may unpack to."""
        return min(self.total_size, max(self.any_ratio, self.ratio * packed))


def read_archive(
    data: bytes | mmap,
    limits: ArchiveLimits = ArchiveLimits(),
) -> tuple[bytes, ...]:
    """Return the contents of all files in the zip, in its order. Names are ignored.

    :raises UnexpectedAnswer: it is not a zip file, is corrupt, or exceeds the limits.
    """
    held = _Held(data, len(data))
    return tuple(in_memory(content) for _, content in _read(held, limits, lambda _name: True))


def read_named_archive(
    zipped: Content,
    include: Callable[[str], bool],
    limits: ArchiveLimits = ArchiveLimits(),
) -> dict[str, Content]:
    """Return the contents of the files in the zip by name, as the server wrote the names.

    Large ones are hashed, and read from the zip when they are needed.

    :param include: whether to read the file of a name; others are not unpacked.
    :raises UnexpectedAnswer: as for :func:`read_archive`, or two files have one name.
    """
    data = zipped if isinstance(zipped, bytes) else zipped.reader()
    found: dict[str, Content] = {}
    for name, content in _read(_Held(data, size_of(zipped)), limits, include):
        if name in found:
            raise UnexpectedAnswer("the export has two files of the same name")
        found[name] = content
    return found


@dataclass(frozen=True)
class _Held:
    """A zip in memory or in a file."""

    data: bytes | mmap | BinaryIO
    size: int

    def file(self) -> Any:
        return io.BytesIO(self.data) if isinstance(self.data, bytes) else self.data

    def piece(self, start: int, size: int) -> bytes:
        if isinstance(self.data, (bytes, mmap)):
            return self.data[start : start + size]
        self.data.seek(start)
        return self.data.read(size)


def _read(
    held: _Held, limits: ArchiveLimits, include: Callable[[str], bool]
) -> list[tuple[str, Content]]:
    import zipfile

    try:
        archive = zipfile.ZipFile(held.file())  # large contents are read from it later
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len(entries) > limits.entries:
            raise UnexpectedAnswer(f"the export contains more than {limits.entries} files")
        return _contents(held, archive, entries, limits, include)
    except UnexpectedAnswer:
        raise
    except (zipfile.BadZipFile, *_NO_ZIP) as error:
        raise UnexpectedAnswer(f"the export is not a valid zip file: {error}") from error


class _Damaged(Exception):  # noqa: N818 - becomes an UnexpectedAnswer
    pass


#: Exceptions of reading a manipulated directory.
_NO_ZIP = (
    *(_Damaged, zlib.error, struct.error, EOFError, OSError),
    *(NotImplementedError, OverflowError, RuntimeError, ValueError),
)


def _contents(
    held: _Held,
    archive: ZipFile,
    entries: Sequence[ZipInfo],
    limits: ArchiveLimits,
    include: Callable[[str], bool],
) -> list[tuple[str, Content]]:
    sources: list[tuple[str, Content]] = []
    left, left_large = limits.total(held.size), limits.large
    end = 0
    for entry in sorted(entries, key=lambda each: each.header_offset):
        # Overlapping files make a small zip unpack to a huge one.
        if entry.header_offset < end:
            raise _Damaged("its files overlap")
        end = entry.header_offset + _HEADER.size + entry.compress_size
    for entry in entries:
        if not include(entry.filename):
            continue
        if limits.large and entry.file_size > LARGE:
            left_large -= entry.file_size  # no more than this is unpacked
            if left_large < 0:
                raise UnexpectedAnswer("the export unpacks to more than its limit")
            sources.append((entry.filename, _large(archive, entry)))
            continue
        limit = min(limits.entry_size, left)
        source = _content(held, entry, limit)
        left -= len(source)
        if len(source) > limit:
            raise UnexpectedAnswer("the export unpacks to more than its limit")
        sources.append((entry.filename, source))
    return sources


def _large(archive: ZipFile, entry: ZipInfo) -> LargeContent:
    """A content that stays in the zip; ``zipfile`` compares its checksum at the end."""
    _check_method(entry)
    content = hashed(lambda: cast("BinaryIO", archive.open(entry)))
    if content.size != entry.file_size:
        raise _Damaged("a file is truncated")
    return content


def _check_method(entry: ZipInfo) -> None:
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in (_STORED, _DEFLATED):
        raise _Damaged("a file uses an unknown compression method")


def _content(held: _Held, entry: ZipInfo, limit: int) -> bytes:
    """Do the work of ``ZipFile.read`` in a fifth of its time; read one byte over the limit."""
    head = held.piece(entry.header_offset, _HEADER.size)
    if len(head) < _HEADER.size:
        raise _Damaged("it is truncated")
    mark, name, extra = _HEADER.unpack(head)
    if mark != b"PK\x03\x04":
        raise _Damaged("a file is not at the offset in the directory")
    _check_method(entry)
    start = entry.header_offset + _HEADER.size + name + extra
    source = held.piece(start, entry.compress_size)
    if entry.compress_type == _DEFLATED:
        # The size in the directory is only a claim.
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        source = unpacker.decompress(source, limit + 1)
        if not unpacker.eof and len(source) <= limit:
            raise _Damaged("a file is truncated")
    if len(source) <= limit and zlib.crc32(source) != entry.CRC:
        raise _Damaged("the checksum of a file does not match")
    return source
