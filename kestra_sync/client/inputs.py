"""Inputs of an execution as parts of a form."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kestra_sync.client.multipart import Part
from kestra_sync.errors import UsageError
from kestra_sync.safe.paths import read_bytes


def input_parts(inputs: Mapping[str, Any] | None) -> Iterator[Part]:
    """A path or bytes become a file, a string stays as it is, all else is written as JSON.

    :raises UsageError: a file that cannot be read.
    """
    for name, value in (inputs or {}).items():
        if value is None:
            continue  # not given: the flow's default applies
        if isinstance(value, Path):
            try:
                yield Part(name, read_bytes(value), value.name)
            except OSError as error:
                raise UsageError(
                    f"input {name}: {value} cannot be read: {error.strerror}"
                ) from error
        elif isinstance(value, (bytes, bytearray)):
            yield Part(name, bytes(value), name)
        elif isinstance(value, str):
            yield Part(name, value.encode())
        else:
            yield Part(name, json.dumps(value, default=str, ensure_ascii=False).encode())
