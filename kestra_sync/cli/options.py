"""Shared options. Each has a ``KESTRA_SYNC_…`` variable of the same name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kestra_sync.report.formats import FORMATS, STREAM_FORMATS
from kestra_sync.settings import Declaration, PartialSettings, Settings, declarations

if TYPE_CHECKING:
    from kestra_sync.config.config import CliOptions

F = TypeVar("F", bound=Callable[..., Any])


def option(*names: str, **attributes: Any) -> Callable[[F], F]:
    """Create a ``click.option`` with a variable named after its long name."""
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    variable = "KESTRA_SYNC_" + long.removeprefix("--").replace("-", "_").upper()
    attributes.setdefault("envvar", variable)
    return click.option(*names, **attributes)


def _stack(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def settings_options(
    command: str, *, without: Collection[str] = (), settings: type = Settings
) -> Callable[[F], F]:
    """Add the options of all settings that are declared for ``command``.

    :param without: settings to leave out, because the command defines its own options for them.
    """
    left_out = {_WITH_CONNECTION, *without}
    return _stack(
        *(
            _declared(each)
            for each in declarations(settings)
            if command in each.commands and each.name not in left_out
        )
    )


#: The setting of every command that connects to a server.
_WITH_CONNECTION = "parallelism"


def _declared(setting: Declaration) -> Callable[[F], F]:
    attributes: dict[str, Any] = {"help": setting.help, "metavar": setting.metavar or None}
    default = setting.default
    if isinstance(default, bool):
        attributes["is_flag"] = True
    elif isinstance(default, tuple):
        attributes["multiple"] = True
    elif isinstance(default, Enum):
        attributes["type"] = click.Choice([each.value for each in type(default)])
    elif setting.bounds is not None:
        least, most = setting.bounds
        number = click.IntRange if isinstance(default, int) else click.FloatRange
        attributes["type"] = number(least, most)
    return option(setting.flag, setting.name, **attributes)


def source_options(function: F) -> F:
    """Add the paths and the scope."""
    return _stack(
        click.argument("paths", nargs=-1, type=str),
        scope_options,
    )(function)


def scope_options(function: F) -> F:
    """Add ``--namespace``."""
    return option(
        "--namespace",
        "namespaces",
        multiple=True,
        metavar="NS",
        help="Namespace to manage, including its children; repeatable. Default: exactly the "
        "namespaces of the flows in the files.",
    )(function)


def config_option(function: F) -> F:
    """Add ``--config``."""
    return option(
        "--config",
        "config_path",
        metavar="FILE",
        help="Configuration file. Default: kestra-sync.yaml, if it exists.",
    )(function)


def for_one_environment(
    settings: Mapping[str, object], name: str | None = None
) -> dict[str, object] | None:
    """Return the options of a run for one environment; ``None`` if several are selected.

    :param settings: with the values of :func:`environments_options`.
    :param name: select this one of several.
    """
    given = tuple(dict.fromkeys(texts_option(settings, "environment")))
    if name is None and (settings["all_environments"] or len(given) > 1):
        return None
    left = {key: value for key, value in settings.items() if key != "all_environments"}
    return {**left, "environment": name or (given[0] if given else None)}


def _name_option(function: F) -> F:
    return option(
        "--name",
        metavar="NAME",
        help="Name of the inventory, the record of applied flows on the server.",
    )(function)


def config_options(function: F) -> F:
    """Add the options that select the configuration, the environment and the inventory."""
    return _stack(
        config_option,
        option(
            "-e",
            "--environment",
            metavar="NAME",
            help="Environment to use, as defined in the configuration file.",
        ),
        _name_option,
    )(function)


def environments_options(function: F) -> F:
    """Add :func:`config_options` for a command that supports several environments."""
    return _stack(
        config_option,
        option(
            "-e",
            "--environment",
            multiple=True,
            metavar="NAME",
            help="Environment to use, as defined in the configuration file; repeatable.",
        ),
        option(
            "--all-environments",
            is_flag=True,
            help="Use all environments of the configuration file, in its order.",
        ),
        _name_option,
    )(function)


def connection_options(function: F) -> F:
    """Add the options of the connection."""
    return _stack(
        option("--url", metavar="URL", help="URL of the Kestra server. Default: KESTRA_API_URL."),
        option("--tenant", metavar="NAME", help="Tenant. Default: KESTRA_TENANT, then main."),
        option("--username", metavar="NAME", help="Username. Default: KESTRA_USERNAME."),
        option(
            "--env-file",
            metavar="FILE",
            default=".env",
            show_default=True,
            help="File to read the URL and credentials from, if it exists and they are not set "
            "elsewhere.",
        ),
        option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            default=60.0,
            show_default=True,
            metavar="SECONDS",
            help="Timeout for each request.",
        ),
        *(_declared(e) for e in declarations(Settings) if e.name == _WITH_CONNECTION),
    )(function)


def _colour_options(function: F) -> F:
    return _stack(
        option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            show_default=True,
            help="When to use colors; auto: on a terminal, unless NO_COLOR is set.",
        ),
        option(
            "-v", "--verbose", is_flag=True, help="Verbose: log every request, list every flow."
        ),
    )(function)


def output_options(function: F) -> F:
    """Add the options for the output."""
    return _stack(
        option(
            "--format",
            "output_format",
            type=click.Choice(["text", "json"]),
            default="text",
            show_default=True,
            help="Output format. With json, stdout is one JSON document, regardless of the exit"
            " code; messages go to stderr.",
        ),
        _colour_options,
    )(function)


def report_options(function: F) -> F:
    """Add the options for the output and for reports."""
    return _stack(
        option(
            "--format",
            "output_format",
            type=click.Choice(STREAM_FORMATS),
            default="text",
            show_default=True,
            help="Output format of stdout, complete regardless of the exit code; messages go to"
            " stderr.",
        ),
        option(
            "-o",
            "--output",
            "outputs",
            multiple=True,
            metavar="FORMAT=PATH",
            help=f"Also write a report: {', '.join(FORMATS)}; repeatable. The path - is stdout.",
        ),
        _colour_options,
    )(function)


def diff_options(function: F) -> F:
    """Add the options for diffs."""
    return _stack(
        option(
            "--diff",
            "detail",
            type=click.Choice(["full", "short", "stat", "none"]),
            default="short",
            show_default=True,
            help="Diffs to show: full (all lines, including those of created and deleted flows),"
            " short (long diffs truncated, identical ones shown once), stat (line counts) or none.",
        ),
        context_option,
    )(function)


def context_option(function: F) -> F:
    """Add ``--context``."""
    return option(
        "--context",
        type=click.IntRange(min=0),
        default=2,
        show_default=True,
        metavar="N",
        help="Lines of context around each change in a diff.",
    )(function)


def settings_from(**options: object) -> Settings:
    """Merge the shared options and the configuration.

    :param options: values by parameter name; missing options were not specified.
    :raises UsageError: the configuration is not valid, or contradicts the options.
    :raises TypeError: there is no such option, or its value has another type.
    """
    from kestra_sync.client.credentials import from_environment
    from kestra_sync.client.login import LoginScope
    from kestra_sync.config.config import load_config, settings_from_config

    cli = _cli_options(options)
    config = load_config(cli.config_path, cli.environment)
    login = LoginScope() if config is None else LoginScope(config.login, config.token_env)
    variables = from_environment(cli.env_file, login)
    if config is not None and (config.url or config.tenant) and not cli.offline:
        from kestra_sync.client.places import check_one_server

        where = f"the environment {cli.environment} in {config.path}"
        check_one_server(
            variables,
            where if cli.environment else config.path,
            None if cli.url else config.url,
            None if cli.tenant else config.tenant,
        )
    return settings_from_config(config, cli, environ=variables)


def _cli_options(options: Mapping[str, object]) -> CliOptions:
    from kestra_sync.config.config import CliOptions

    own = {each.name for each in fields(CliOptions)}
    timeout = options.get("timeout", CliOptions.timeout)
    if not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number, not {timeout!r}")
    return CliOptions(
        paths=texts_option(options, "paths"),
        namespaces=texts_option(options, "namespaces"),
        config_path=text_option(options, "config_path"),
        environment=text_option(options, "environment"),
        name=text_option(options, "name"),
        url=text_option(options, "url"),
        tenant=text_option(options, "tenant"),
        username=text_option(options, "username"),
        env_file=text_option(options, "env_file"),
        timeout=timeout,
        offline=options.get("offline") is True,
        settings=partial_settings({key: each for key, each in options.items() if key not in own}),
    )


def text_option(options: Mapping[str, object], name: str) -> str | None:
    """The value of an option that is a string, ``None`` if it was not given.

    :raises TypeError: it has a value of another type.
    """
    value = options.get(name)
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"{name} must be a string, not {value!r}")


def texts_option(options: Mapping[str, object], name: str) -> tuple[str, ...]:
    """The values of an option that can be repeated; see :func:`text_option`."""
    value = options.get(name, ())
    if isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise TypeError(f"{name} must be a list of strings, not {value!r}")


def partial_settings(
    options: Mapping[str, object], settings: type[Settings] = Settings
) -> PartialSettings:
    """Return the settings among ``options``; unset flags and empty lists were not specified.

    :param options: values by the fields of ``settings``.
    :raises TypeError: one is not a declared setting, or its value has another type.
    """
    known = {each.name: each.default for each in declarations(settings)}
    if unknown := options.keys() - known.keys():
        raise TypeError(f"not an option: {', '.join(sorted(unknown))}")
    found = {
        name: _of_type(name, known[name], value)
        for name, value in options.items()
        if value is not None and value is not False and value != ()
    }
    make: Callable[..., Settings] = settings  # each value has the type of its default
    return PartialSettings(make(**found), frozenset(found))


def _of_type(name: str, default: object, value: object) -> object:
    """Convert ``value`` to the type of ``default``: click returns text for an enumeration."""
    if isinstance(default, Enum):
        return type(default)(value)
    if isinstance(default, tuple):
        return texts_option({name: value}, name)
    if isinstance(default, float) and isinstance(value, int):
        return float(value)
    if default is None or type(value) is type(default):
        return value
    raise TypeError(f"{name} must be of type {type(default).__name__}, not {value!r}")


def server_options(*without: str) -> Callable[[F], F]:
    """Add the connection without the options for many flows, and without ``without``."""
    left_out = {"name", "parallelism", *without}

    def decorate(function: F) -> F:
        mine: list[click.Parameter] = list(getattr(function, "__click_params__", ()))
        decorated = config_options(connection_options(function))
        params: list[click.Parameter] = decorated.__click_params__  # type: ignore[attr-defined]
        params[:] = [each for each in params if each in mine or each.name not in left_out]
        return decorated

    return decorate
