"""YAML events from ruamel.yaml: its C parser where it is installed, its Python parser else.

Imported only when something must be parsed: a run in which every flow is in sync does without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError, YAMLStreamError
from ruamel.yaml.events import StreamEndEvent

__all__ = [
    "HAVE_C_PARSER",
    "EventSource",
    "MarkedYAMLError",
    "YAMLError",
    "YAMLStreamError",
    "event_source",
]


def _c_parser() -> Any:
    for name in ("_ruamel_yaml", "_ruamel_yaml_clibz"):  # ruamel.yaml.clib, ruamel.yaml.clibz
        with suppress(ImportError):
            return import_module(name).CParser
    return None


CParser = _c_parser()

HAVE_C_PARSER: bool = CParser is not None

# Gives the next event, ``None`` after the last one; raises YAMLError.
EventSource = Callable[[], Any]


def event_source(text: str, *, pure: bool = False) -> EventSource:
    """A function that gives the events of ``text`` one by one.

    :param pure: the Python parser even if the C parser is there.
    """
    if CParser is not None and not pure:
        get_event: EventSource = CParser(text).get_event
        return get_event
    yaml = YAML(typ="safe", pure=True)
    yaml.version = "1.1"
    _constructor, parser = yaml.get_constructor_parser(text)
    events = _until_the_end(parser)
    return lambda: next(events, None)


def _until_the_end(parser: Any) -> Iterator[Any]:
    """The events of the Python parser, which in older versions fails after the last one."""
    while True:
        event = parser.get_event()
        yield event
        if isinstance(event, StreamEndEvent):
            return
