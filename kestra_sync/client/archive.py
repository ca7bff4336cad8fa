"""Reads an export, a zip of flows or namespace files, as untrusted input with limits."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from mmap import mmap
from typing import TYPE_CHECKING, Any

from kestra_sync.client.errors import UnexpectedAnswer

if TYPE_CHECKING:
    from zipfile import ZipInfo

_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 0x1
_HEADER = struct.Struct("<4s22xHH")
"""Of a file in the zip: the mark, what the directory tells as well, the lengths of what follows."""


@dataclass(frozen=True)
class ArchiveLimits:
    """What an export may hold at most.

    :param entry_size: bytes of one source; Kestra takes 3,145,728 characters.
    :param any_ratio: bytes that the whole may always unpack to; beyond that it is ``ratio`` times
        the size of the zip. Flows pack to between a fourth and a tenth; bombs to a thousandth.
    """

    entries: int = 200_000
    entry_size: int = 16 * 1024 * 1024
    total_size: int = 1024 * 1024 * 1024
    any_ratio: int = 16 * 1024 * 1024
    ratio: int = 50

    def total(self, packed: int) -> int:
        """Bytes that a zip of ``packed`` bytes may unpack to."""
        return min(self.total_size, max(self.any_ratio, self.ratio * packed))


def read_archive(
    data: bytes | mmap,
    limits: ArchiveLimits = ArchiveLimits(),
) -> tuple[bytes, ...]:
    """The contents of all files in the zip, in its order. Names are ignored.

    :raises UnexpectedAnswer: it is not a zip file, is corrupt, or exceeds the limits.
    """
    return tuple(content for _, content in _read(data, limits, lambda _name: True))


def read_named_archive(
    data: bytes | mmap,
    wanted: Callable[[str], bool],
    limits: ArchiveLimits = ArchiveLimits(),
) -> dict[str, bytes]:
    """The contents of the files in the zip by their names, which are those of the server.

    :param wanted: whether a name is wanted; the contents of others are not unpacked.
    :raises UnexpectedAnswer: as for :func:`read_archive`, or two files have one name.
    """
    found: dict[str, bytes] = {}
    for name, content in _read(data, limits, wanted):
        if name in found:
            raise UnexpectedAnswer("the export has two files of the same name")
        found[name] = content
    return found


def _read(
    data: bytes | mmap, limits: ArchiveLimits, wanted: Callable[[str], bool]
) -> list[tuple[str, bytes]]:
    import zipfile

    try:
        file: Any = io.BytesIO(data) if isinstance(data, bytes) else data  # a map is like a file
        with zipfile.ZipFile(file) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > limits.entries:
                raise UnexpectedAnswer(f"the export holds more than {limits.entries} files")
            return _contents(data, entries, limits, wanted)
    except UnexpectedAnswer:
        raise
    except (zipfile.BadZipFile, *_NO_ZIP) as error:
        raise UnexpectedAnswer(f"the export is not a valid zip file: {error}") from error


class _Damaged(Exception):  # noqa: N818 - becomes an UnexpectedAnswer
    pass


#: What reading a directory that was tampered with may raise.
_NO_ZIP = (
    *(_Damaged, zlib.error, struct.error, EOFError, OSError),
    *(NotImplementedError, OverflowError, RuntimeError, ValueError),
)


def _contents(
    data: bytes | mmap,
    entries: Sequence[ZipInfo],
    limits: ArchiveLimits,
    wanted: Callable[[str], bool],
) -> list[tuple[str, bytes]]:
    sources: list[tuple[str, bytes]] = []
    left = limits.total(len(data))
    end = 0
    for entry in sorted(entries, key=lambda each: each.header_offset):
        # Files that share their bytes are how a small zip unpacks to a large one.
        if entry.header_offset < end:
            raise _Damaged("its files overlap")
        end = entry.header_offset + _HEADER.size + entry.compress_size
    for entry in entries:
        if not wanted(entry.filename):
            continue
        limit = min(limits.entry_size, left)
        source = _content(data, entry, limit)
        left -= len(source)
        if len(source) > limit:
            raise UnexpectedAnswer("the export unpacks to more than its limit")
        sources.append((entry.filename, source))
    return sources


def _content(data: bytes | mmap, entry: ZipInfo, limit: int) -> bytes:
    """What ``ZipFile.read`` would give, in a fifth of its time; one byte more than allowed."""
    head = data[entry.header_offset : entry.header_offset + _HEADER.size]
    if len(head) < _HEADER.size:
        raise _Damaged("it is truncated")
    mark, name, extra = _HEADER.unpack(head)
    if mark != b"PK\x03\x04":
        raise _Damaged("a file is not at the offset in the directory")
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in (_STORED, _DEFLATED):
        raise _Damaged("a file uses an unknown compression method")
    start = entry.header_offset + _HEADER.size + name + extra
    source = data[start : start + entry.compress_size]
    if entry.compress_type == _DEFLATED:
        # The size in the directory is only a claim.
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        source = unpacker.decompress(source, limit + 1)
        if not unpacker.eof and len(source) <= limit:
            raise _Damaged("a file is truncated")
    if len(source) <= limit and zlib.crc32(source) != entry.CRC:
        raise _Damaged("the checksum of a file does not match")
    return source
