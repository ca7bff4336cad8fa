"""The current command line, for the commands that a report suggests and for saved plans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit, urlunsplit

import click
from click.core import ParameterSource

#: Options that only affect the output, or that belong to one plan.
_OF_ONE_RUN = frozenset(
    {
        "color",
        "context",
        "detail",
        "detailed_exitcode",
        "expect_digest",
        "out",
        "output_format",
        "outputs",
        "saved_plan",
        "verbose",
    }
)
#: Options that are not saved with a plan: a file must not determine where credentials or which
#: files are sent. The connection is compared separately.
_NOT_SAVED = frozenset(
    {
        "allow_files",
        "config_path",
        "env_file",
        "parallelism",
        "tenant",
        "timeout",
        "url",
        "username",
    }
)
#: Options of a run over several environments; suggested commands name one environment.
_OF_SEVERAL = frozenset({"all_environments", "keep_going"})
_TYPED = frozenset({ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT})


def options_for(command: str) -> tuple[str, ...]:
    """Return the options of this command line that ``command`` supports, as arguments for it."""
    context = click.get_current_context(silent=True)
    if context is None or not isinstance(context.find_root().command, click.Group):
        return ()
    group = context.find_root().command
    assert isinstance(group, click.Group)
    other = group.get_command(context.find_root(), command)
    known = {each.name for each in other.params} if other is not None else set()
    return tuple(
        word
        for option in context.command.params
        if option.name in known and isinstance(option, click.Option) and _typed(context, option)
        if option.name not in _OF_SEVERAL and not _names_several(context, option)
        for word in _words(option, context.params[option.name or ""])
    )


def to_save(environment: str | None = None) -> dict[str, object]:
    """Return the options that shaped this plan, by parameter name, as JSON values.

    :param environment: the environment of this plan.
    """
    context = click.get_current_context()
    saved = {
        each.name: _plain(context.params[each.name])
        for each in context.command.params
        if each.name is not None and each.name not in _NOT_SAVED and _typed(context, each)
    }
    if {"environment", "all_environments"} & saved.keys():
        saved["environment"] = environment
    return {name: each for name, each in saved.items() if name not in _OF_SEVERAL}


def with_saved(settings: Mapping[str, object], saved: Mapping[str, object]) -> dict[str, object]:
    """Complete the settings of this command with the options of a saved plan."""
    context = click.get_current_context()
    known = {each.name: each for each in context.command.params if each.name is not None}
    taken = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in _listed(saved, known).items()
        if name in settings
        and name not in _NOT_SAVED | _OF_ONE_RUN
        and not _typed(context, known[name])
        and _fits(known[name], value)
    }
    return {**settings, **taken}


def _listed(saved: Mapping[str, object], known: Mapping[str, click.Parameter]) -> dict[str, object]:
    """Convert the environment of a plan to a list if the option is repeatable."""
    return {
        name: [value] if name == "environment" and known[name].multiple else value
        for name, value in saved.items()
        if name in known
    }


def _names_several(context: click.Context, option: click.Option) -> bool:
    value = context.params[option.name or ""]
    return option.name == "environment" and isinstance(value, tuple) and len(value) > 1


def _typed(context: click.Context, parameter: click.Parameter) -> bool:
    name = parameter.name or ""
    return name not in _OF_ONE_RUN and context.get_parameter_source(name) in _TYPED


def _fits(parameter: click.Parameter, value: object) -> bool:
    """Whether a value from a file has a type that the command line could have."""
    if parameter.multiple or parameter.nargs == -1:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if isinstance(parameter, click.Option) and parameter.is_flag:
        return isinstance(value, bool)
    if isinstance(parameter.type, click.Choice):
        return value in parameter.type.choices
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _words(option: click.Option, value: object) -> Iterator[str]:
    name = max(option.opts, key=len)
    if option.is_flag:
        if value:
            yield name
        return
    values: Iterable[object] = value if isinstance(value, (tuple, list)) else [value]
    for each in values:
        if each is None:
            continue
        text = _without_credentials(str(each)) if option.name == "url" else str(each)
        # A value that begins with a dash would be parsed as an option.
        yield from [f"{name}={text}"] if text.startswith("-") else [name, text]


def _without_credentials(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
