"""Reads the export: a zip of sources, with limits, without trust in names."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass

from kestra_sync.kestra.errors import UnexpectedAnswer


@dataclass(frozen=True)
class ArchiveLimits:
    """What an export may hold at most."""

    entries: int = 200_000
    entry_size: int = 32 * 1024 * 1024
    total_size: int = 1024 * 1024 * 1024


def read_archive(
    data: bytes,
    limits: ArchiveLimits = ArchiveLimits(),
) -> tuple[bytes, ...]:
    """The contents of all files in the zip, in its order. Names are not looked at.

    :raises UnexpectedAnswer: it is no zip, is damaged, or holds more than the limits allow.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > limits.entries:
                raise UnexpectedAnswer(f"the export holds more than {limits.entries} files")
            return _contents(archive, entries, limits)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UnexpectedAnswer(f"the export is not a zip that can be read: {error}") from error


def _contents(
    archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], limits: ArchiveLimits
) -> tuple[bytes, ...]:
    sources: list[bytes] = []
    total = 0
    for entry in entries:
        with archive.open(entry) as stream:
            # The size in the directory is only a claim: read one byte more than allowed.
            source = stream.read(limits.entry_size + 1)
        total += len(source)
        if len(source) > limits.entry_size or total > limits.total_size:
            raise UnexpectedAnswer("the export unpacks to more than its limit")
        sources.append(source)
    return tuple(sources)
