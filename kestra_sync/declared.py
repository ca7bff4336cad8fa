"""A setting is declared once, with its field: option, configuration key, input of the Action.

``settings.Settings`` holds the declarations. From them follow the options of the command line, what
the configuration is asked for, which of the two wins, and the inputs of the GitHub Action.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, cast

T = TypeVar("T")

#: Makes a path of the configuration one that is relative to the working directory.
ShowPath = Callable[[str], str]


@dataclass(frozen=True)
class Declaration:
    """Where the value of a setting comes from, if not from its default.

    :param name: its field in the settings.
    :param default: its type tells how it is given: a boolean is a flag, a tuple an option that can
        be repeated, an enumeration a choice.
    :param help: of the option.
    :param flag: the option; ``""`` if there is none. Its variable is ``KESTRA_SYNC_…``.
    :param metavar: how ``--help`` calls the value.
    :param bounds: the least and the greatest number.
    :param key: in the configuration, such as ``limits.delete``; ``""`` if it has none.
    :param from_file: makes the value of what the configuration holds, by default that itself.
    :param from_paths: the same of a value that holds paths.
    :param commands: those that have the option, such as ``preview up``. It is also an input of the
        Action, called as the option, for those of them that the Action runs.
    """

    name: str
    default: Any
    help: str
    flag: str
    metavar: str
    bounds: tuple[int, int | None] | None
    key: str
    from_file: Callable[[Any], Any] | None
    from_paths: Callable[[Any, ShowPath], Any] | None
    commands: tuple[str, ...]


def setting(
    default: T,
    help: str = "",  # noqa: A002 - as click calls it
    *,
    flag: str = "",
    metavar: str = "",
    bounds: tuple[int, int | None] | None = None,
    key: str = "",
    from_file: Callable[[Any], T] | None = None,
    from_paths: Callable[[Any, ShowPath], T] | None = None,
    commands: tuple[str, ...] = (),
) -> T:
    """A field of the settings with its declaration; see :class:`Declaration`."""
    told = (help, flag, metavar, bounds, key, from_file, from_paths, commands)
    made: Any = field(default=default, metadata={"setting": told})
    return cast("T", made)


def declarations(settings: type) -> Iterator[Declaration]:
    """All settings that are declared in the fields of a dataclass."""
    for each in fields(settings):
        if "setting" in each.metadata:
            yield Declaration(each.name, each.default, *each.metadata["setting"])
