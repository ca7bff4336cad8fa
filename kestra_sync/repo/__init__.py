"""Reads the files of a repository: walk, ignore rules, load, positions, references.

Importing this package, and loading flows whose names the scan finds, imports no YAML parser.
"""

from kestra_sync.repo.document import ParsedDocument, Reference, ReferenceKind
from kestra_sync.repo.load import (
    confirm,
    file_position,
    identify,
    identify_source,
    load,
    parse_document,
    parse_flow,
    parse_source,
)
from kestra_sync.repo.text import split
from kestra_sync.repo.walk import walk

__all__ = [
    "ParsedDocument",
    "Reference",
    "ReferenceKind",
    "confirm",
    "file_position",
    "identify",
    "identify_source",
    "load",
    "parse_document",
    "parse_flow",
    "parse_source",
    "split",
    "walk",
]
