"""All that knows files: walk, ignore rules, load, positions, references.

Importing this package, and loading flows that the scan can name, imports no YAML parser.
"""

from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.flows import (
    confirm,
    file_position,
    identify,
    parse_document,
    parse_flow,
    parse_source,
)
from kestra_sync.repo.identify import identify_source
from kestra_sync.repo.load import load
from kestra_sync.repo.references import Reference, ReferenceKind, references
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
    "references",
    "split",
    "walk",
]
