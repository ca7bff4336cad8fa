"""YAML events from ruamel.yaml: its C parser where it is installed, its Python parser else.

Imported only when something must be parsed: a run in which every flow is in sync does without.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

from ruamel.yaml.error import MarkedYAMLError

__all__ = [
    "HAVE_C_PARSER",
    "EventSource",
    "MarkedYAMLError",
    "event_source",
]


def _c_parser() -> Any:
    for name in ("_ruamel_yaml", "_ruamel_yaml_clibz"):  # ruamel.yaml.clib, ruamel.yaml.clibz
        with suppress(ImportError):
            return import_module(name).CParser
    return None


CParser = _c_parser()

HAVE_C_PARSER: bool = CParser is not None

# What libyaml takes and SnakeYAML does not, or reads as something else: tabs between tokens,
# directives, line breaks and marks of Unicode, some escapes, and a comment right behind `|`; and
# an anchor after a tag, for which the parsers report different positions.
_UNLIKE = re.compile(r"\t|^%|[\x85\u2028\u2029\ufeff]|\\/|[|>][-+0-9]*#|!\S*[ ]+&", re.MULTILINE)

# Gives the next event, ``None`` after the last one. Raises whatever the parser does.
EventSource = Callable[[], Any]


def event_source(text: str, *, pure: bool = False) -> EventSource:
    """A function that gives the events of ``text`` one by one.

    The C parser is only used if it cannot differ from Kestra's, judged by the text.

    :param pure: the Python parser even if the C parser is there.
    """
    if CParser is not None and not pure and _UNLIKE.search(text) is None:
        get_event: EventSource = CParser(text).get_event
        return get_event
    from kestra_sync.repo.snake import next_event_of

    return next_event_of(text)
