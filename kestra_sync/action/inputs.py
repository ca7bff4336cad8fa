"""The inputs of the action: ``INPUT_…`` variables → a command line, secrets, and what to post.

Values never reach a shell, and cannot become options: each is joined to its option with ``=``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from enum import Enum

from kestra_sync.errors import UsageError
from kestra_sync.report.formats import FILE_FORMATS
from kestra_sync.settings import Declaration, Settings, declarations

_RUNS = ("validate", "plan", "apply", "drift", "smoke")
COMMANDS = (*_RUNS, "preview")
_PLANNING = ("plan", "apply")
_READING = ("validate", "plan", "apply", "drift")
_SELECTING = ("plan", "apply", "drift", "smoke")

#: The value of ``expect-digest`` that means the digest in the comment on the pull request.
REVIEWED = "reviewed"


class InputKind(Enum):
    """The format of a value."""

    VALUE = "value"
    SWITCH = "switch"
    LIST = "list"


@dataclass(frozen=True)
class Option:
    """An input that is an option of the command line.

    :param commands: those that support it; for others it must be empty.
    :param flag: the option, if its name differs from that of the input.
    """

    name: str
    commands: tuple[str, ...] = COMMANDS
    kind: InputKind = InputKind.VALUE
    flag: str = ""

    @property
    def option(self) -> str:
        """The option of the command line."""
        return f"--{self.flag or self.name}"


def _declared(setting: Declaration) -> Option:
    """The input of a declared setting, with the name of its option."""
    kinds = {bool: InputKind.SWITCH, tuple: InputKind.LIST}
    kind = kinds.get(type(setting.default), InputKind.VALUE)
    name = setting.flag.removeprefix("--")
    # The input ``command`` names a group such as ``preview``, not its subcommands.
    groups = dict.fromkeys(each.partition(" ")[0] for each in setting.commands)
    return Option(name, tuple(each for each in groups if each in COMMANDS), kind)


#: The options of ``preview`` that concern files, which only ``up`` reads.
_ONLY_UP = {
    each.flag.removeprefix("--")
    for each in declarations(Settings)
    if "preview up" in each.commands and "preview down" not in each.commands
} | {"diff", "context"}


OPTIONS = (
    Option("config"),
    # These accept several environments, one per line.
    Option("environment", ("plan", "apply", "drift"), InputKind.LIST),
    Option("environment", ("validate", "smoke")),
    Option("all-environments", ("plan", "apply", "drift"), InputKind.SWITCH),
    Option("keep-going", ("apply",), InputKind.SWITCH),
    Option("name", _RUNS),
    Option("namespace", _READING, InputKind.LIST),
    *(each for each in map(_declared, declarations(Settings)) if each.commands),
    Option("offline", ("validate",), InputKind.SWITCH),
    Option("rollback", ("apply",), InputKind.SWITCH),
    Option("smoke", ("apply",), InputKind.SWITCH),
    Option("keep", ("smoke",)),
    Option("verify-triggers", ("apply",), InputKind.SWITCH),
    Option("diff", (*_PLANNING, "drift", "preview")),
    Option("context", ("plan", "apply", "drift", "preview")),
    Option("url"),
    Option("tenant"),
    Option("username"),
    Option("timeout"),
    Option("verbose", kind=InputKind.SWITCH),
    Option("output", kind=InputKind.LIST),
)

#: Inputs that are not options, by the commands that support them.
OTHERS: Mapping[str, tuple[str, ...]] = {
    "command": COMMANDS,
    "paths": _RUNS,
    "preview-name": ("preview",),
    "token": COMMANDS,
    "password": COMMANDS,
    "plan-file": _PLANNING,
    "expect-digest": ("apply",),
    "detailed-exitcode": ("plan", "drift"),
    "working-directory": COMMANDS,
    "report": COMMANDS,
    "summary": COMMANDS,
    "annotations": COMMANDS,
    "comment": COMMANDS,
    "comment-key": COMMANDS,
    "issue": ("drift",),
    "github-token": COMMANDS,
}
#: Inputs that must not be part of the command line.
SECRETS = ("token", "password", "github-token")
#: Inputs with a default value, which are therefore also allowed for commands that ignore them.
_DEFAULTED = ("report", "summary", "annotations", "github-token")


@dataclass(frozen=True)
class Inputs:
    """The inputs of the workflow.

    :param options: the options of the command line, without secrets.
    :param plan_file: the file to which ``plan`` saves, or that ``apply`` applies; ``""`` for none.
    :param fail_on_changes: exit code 2 also fails the step.
    """

    command: str
    options: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    all_environments: bool = False
    plan_file: str = ""
    expect_digest: str = ""
    fail_on_changes: bool = False
    working_directory: str = ""
    report: str = "html"
    summary: bool = True
    annotations: bool = True
    comment: bool = False
    comment_key: str = ""
    preview_name: str = ""
    issue: bool = False
    token: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    github_token: str = field(default="", repr=False)

    @property
    def several(self) -> bool:
        """Whether the run is for several environments."""
        return self.all_environments or len(self.environments) > 1

    def options_of(self, subcommand: str) -> tuple[str, ...]:
        """Return the options for ``preview up``, or for a subcommand that reads no files."""
        if subcommand == "up":
            return self.options
        names = {f"--{name}" for name in _ONLY_UP}
        return tuple(each for each in self.options if each.partition("=")[0] not in names)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must not be shown."""
        return tuple(each for each in (self.token, self.password, self.github_token) if each)


def variable(name: str) -> str:
    """Return the variable of an input."""
    return f"INPUT_{name.replace('-', '_').upper()}"


def take(environ: MutableMapping[str, str]) -> dict[str, str]:
    """Return the inputs by name, and remove them from the environment of child processes."""
    names = dict.fromkeys([*(each.name for each in OPTIONS), *OTHERS])
    return {name: environ.pop(variable(name), "") for name in names}


def read(given: Mapping[str, str]) -> Inputs:
    """Parse the inputs.

    :raises UsageError: a value is not valid, or the command does not support the input.
    """
    values = {name: value if name in SECRETS else value.strip() for name, value in given.items()}
    command = values.get("command") or "plan"
    if command not in COMMANDS:
        raise UsageError(
            f"the input 'command' is {command!r}", remedy=f"it must be one of {', '.join(COMMANDS)}"
        )
    _check_known(command, values)
    report = values.get("report") or "html"
    if report not in FILE_FORMATS:
        raise UsageError(
            f"the input 'report' is {report!r}",
            remedy=f"it must be one of {', '.join(FILE_FORMATS)}",
        )
    return Inputs(
        command=command,
        options=tuple(_options(command, values)),
        paths=tuple(_lines(values.get("paths", ""))),
        environments=tuple(dict.fromkeys(_lines(values.get("environment", "")))),
        all_environments=_switch("all-environments", values),
        plan_file=values.get("plan-file", ""),
        expect_digest=values.get("expect-digest", ""),
        fail_on_changes=_switch("detailed-exitcode", values),
        working_directory=values.get("working-directory", ""),
        report=report,
        summary=_switch("summary", values, default=True),
        annotations=_switch("annotations", values, default=True),
        comment=_switch("comment", values),
        comment_key=values.get("comment-key", ""),
        preview_name=values.get("preview-name", ""),
        issue=_switch("issue", values),
        token=values.get("token", "").strip(),
        password=values.get("password", ""),
        github_token=values.get("github-token", "").strip(),
    )


def _check_known(command: str, values: Mapping[str, str]) -> None:
    known = dict(OTHERS)
    for each in OPTIONS:
        known[each.name] = (*known.get(each.name, ()), *each.commands)
    switches = {each.name for each in OPTIONS if each.kind is InputKind.SWITCH} | _SWITCHES
    for name, value in values.items():
        is_set = value and not (name in switches and value.lower() == "false")
        if is_set and command not in known[name] and name not in _DEFAULTED:
            raise UsageError(
                f"the input '{name}' is not supported by '{command}'",
                remedy=f"remove it; it is supported by {', '.join(known[name])}",
            )


_SWITCHES = {"detailed-exitcode", "summary", "annotations", "comment", "issue"}


def _options(command: str, values: Mapping[str, str]) -> Iterator[str]:
    for each in OPTIONS:
        value = values.get(each.name, "")
        if command not in each.commands:
            continue
        if each.kind is InputKind.SWITCH:
            if _switch(each.name, values):
                yield each.option
        elif each.kind is InputKind.LIST:
            yield from (f"{each.option}={line}" for line in _lines(value))
        elif value:
            yield f"{each.option}={value}"


def _switch(name: str, values: Mapping[str, str], *, default: bool = False) -> bool:
    value = values.get(name, "").lower()
    if value in ("true", "false"):
        return value == "true"
    if value:
        raise UsageError(f"the input '{name}' is {value!r}", remedy="it must be true or false")
    return default


def _lines(value: str) -> Iterator[str]:
    """One item per line, so that names may contain blanks."""
    return (line.strip() for line in value.splitlines() if line.strip())
