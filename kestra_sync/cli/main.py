"""The command group and the entry point of the process.

Commands are imported on use, so that ``--help`` is fast. Only the entry point converts exceptions
to messages and exit codes.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from kestra_sync.cli.streams import for_stream, guarded
from kestra_sync.errors import ExitCode, KestraSyncError
from kestra_sync.version import __version__

if TYPE_CHECKING:
    from kestra_sync.safe.secrets import Masker

#: Name → one line of help. The module ``kestra_sync.cli.<name>`` holds the command.
_COMMANDS = {
    "validate": "Check flows, offline and against the server.",
    "plan": "Show what apply would do.",
    "apply": "Apply the flows in Git to the server.",
    "preview": "Deploy a pull request to its own namespaces.",
    "status": "Show all environments in one table.",
    "render": "Show flows as they would be sent.",
    "diff": "Compare two environments.",
    "smoke": "Run the smoke tests.",
    "run": "Run a flow and wait for it to finish.",
    "executions": "Manage executions.",
    "logs": "Show the logs of an execution.",
    "drift": "Show drift: changes made on the server.",
    "pull": "Write changes made on the server to the files.",
    "graph": "Show the dependency graph.",
    "rollback": "Restore the state of the server after an earlier run.",
    "history": "Show recent applies.",
    "inventory": "Show or change the inventory of deployed flows.",
    "unlock": "Release the lock of a crashed apply.",
    "doctor": "Check files, network, server, permissions, inventory and lock.",
    "init": "Create a configuration and a CI pipeline.",
    "explain": "Explain a rule, a guard, or the reason for a change.",
}


#: Takes the place of a hyphen while text is wrapped: lines are not broken there.
_NON_BREAKING_HYPHEN = "\u2011"


class HelpFormatter(click.HelpFormatter):
    """Wraps help texts at spaces only: ``kestra-sync.yaml`` and ``--no-wait`` stay in one piece."""

    def write_text(self, text: str) -> None:
        """Write a paragraph, wrapped."""
        super().write_text(text.replace("-", _NON_BREAKING_HYPHEN))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write a list of terms and their explanations, which are wrapped."""
        kept = [(term, text.replace("-", _NON_BREAKING_HYPHEN)) for term, text in rows]
        super().write_dl(kept, col_max, col_spacing)

    def getvalue(self) -> str:
        """Return the whole text."""
        return super().getvalue().replace(_NON_BREAKING_HYPHEN, "-")


class HelpContext(click.Context):
    """Formats help with :class:`HelpFormatter`."""

    formatter_class = HelpFormatter


class LazyGroup(click.Group):
    """Knows the names of its commands, and imports a command when it is needed."""

    context_class = HelpContext

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order of typical use."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return the command of that name, or ``None``."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"kestra_sync.cli.{cmd_name}").command
        subcommands = command.commands.values() if isinstance(command, click.Group) else ()
        for each in (command, *subcommands):
            each.context_class = HelpContext
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="kestra-sync %(version)s")
def main() -> None:
    """Plan and apply for Kestra flows, straight from Git.

    Set KESTRA_API_URL, and KESTRA_TOKEN or KESTRA_USERNAME and KESTRA_PASSWORD, in the environment
    or in a .env file.
    """


#: Commands whose only result is their output: they fail if it cannot be written.
_ONLY_OUTPUT = frozenset(
    {"", "validate", "plan", "drift", "graph", "logs", "history", "doctor"}  # "": --help
)

#: Options that may request a report.
_OPTIONS = ("-o", "--output", "--format")
#: Options of other tools and their equivalents here, which are not similar in spelling.
_EQUIVALENTS = {
    "--auto-approve": "--yes",
    "--env": "--environment",
    "--target": "--only",
    "--var-file": "--env-file",
}
_VARIABLES = {"KESTRA_SYNC_OUTPUT", "KESTRA_SYNC_FORMAT"}


def run(args: Sequence[str]) -> int:
    """Run the command line with ``args``. Return the exit code; never raise.

    On any error there is a message with a remedy on stderr and, with ``--format json``, a complete
    JSON document on stdout.
    """
    with guarded(raises=_command(args) in _ONLY_OUTPUT):
        try:
            with _terminated_as_interrupted():
                return _run(args)
        except BrokenPipeError:
            # The reader of the output, such as head or less, closed the pipe.
            return int(ExitCode.FAILURE)
        except SystemExit as stop:
            # Raised by click: 1 for a broken pipe, and at the end of shell completion.
            return int(ExitCode.OK if stop.code in (None, 0) else ExitCode.FAILURE)


def _run(args: Sequence[str]) -> int:
    try:
        code = main.main(args=list(args), prog_name="kestra-sync", standalone_mode=False)
        sys.stdout.flush()
        return int(code or ExitCode.OK)
    except BrokenPipeError:
        raise
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # of click 8.2 and later
            sys.stdout.write(f"{error.format_message()}\n")
            return int(ExitCode.USAGE)
        if isinstance(error, click.NoSuchOption) and error.option_name in _EQUIVALENTS:
            words = f"{error.message} Did you mean {_EQUIVALENTS[error.option_name]}?"
            error = click.UsageError(words, ctx=error.ctx)
        return _fail(args, error, ExitCode.USAGE, error.format_message(), _usage_remedy(error))
    except KestraSyncError as error:
        return _fail(args, error, error.exit_code, error.message, error.remedy)
    except (KeyboardInterrupt, click.Abort) as error:
        return _fail(args, error, ExitCode.INTERRUPTED, "interrupted", None)
    except Exception as error:
        return _fail(
            args,
            error,
            ExitCode.BUG,
            f"{type(error).__name__}: {error}",
            f"this is a bug in kestra-sync; please report it with {_write_log(args)}",
        )


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    try:
        before = signal.signal(signal.SIGTERM, _terminate)
    except ValueError:  # not in the main thread: signals are handled elsewhere
        yield
        return
    try:
        yield
    finally:
        # None: a handler that was not set from Python cannot be set again.
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    # A CI job that is canceled gets SIGTERM: treat it as ^C, which finishes the running writes.
    raise KeyboardInterrupt


def _fail(
    args: Sequence[str],
    error: BaseException,
    code: ExitCode,
    message: str,
    remedy: str | None,
) -> int:
    from kestra_sync.safe.text import harmless  # only imported after failures

    masker = _masker(args)
    message = masker.mask(message)
    remedy = None if remedy is None else masker.mask(remedy)
    if wants_json(args):
        from kestra_sync.report.envelope import dump, envelope

        wrapped = KestraSyncError(message, remedy=remedy)
        document: dict[str, Any] = envelope(_command(args), code, error=wrapped)
        document["error"]["kind"] = type(error).__name__
        sys.stdout.write(for_stream(dump(document), sys.stdout, "json"))
        sys.stdout.flush()
    if any(arg.startswith(_OPTIONS) for arg in args) or _VARIABLES & set(os.environ):
        from kestra_sync.cli.reports import failed
        from kestra_sync.report.collect import of_failure

        failed(args, of_failure(_command(args), code, error, message, remedy))
    sys.stderr.write(f"kestra-sync: error: {harmless(message)}\n")
    if remedy:
        sys.stderr.write(f"  {harmless(remedy)}\n")
    return int(code)


def _usage_remedy(error: click.ClickException) -> str | None:
    context = getattr(error, "ctx", None)
    return f"see '{context.command_path} --help'" if context is not None else None


def wants_json(args: Sequence[str]) -> bool:
    """Whether JSON was requested, even if the command line could not be parsed."""
    return _given(args, "--format", os.environ.get("KESTRA_SYNC_FORMAT", "")) == "json"


def _env_file(args: Sequence[str]) -> str:
    return _given(args, "--env-file", os.environ.get("KESTRA_SYNC_ENV_FILE", ".env"))


def _given(args: Sequence[str], option: str, otherwise: str) -> str:
    """Return the last value of an option, without click, which may be what failed."""
    found = [otherwise]
    for index, arg in enumerate(args):
        if arg == option and index + 1 < len(args):
            found.append(args[index + 1])
        elif arg.startswith(f"{option}="):
            found.append(arg.partition("=")[2])
    return found[-1]


def _command(args: Sequence[str]) -> str:
    known = main.list_commands(click.Context(main))
    return next((arg for arg in args if arg in known), "")


def _masker(args: Sequence[str]) -> Masker:
    from kestra_sync.client.places import known_secrets
    from kestra_sync.safe.secrets import Masker

    return Masker(known_secrets(_given(args, "--url", ""), _env_file(args)))


def _write_log(args: Sequence[str]) -> str:
    # Only needed here, and slow to import.
    import platform
    import shlex
    import traceback

    from kestra_sync.safe.paths import write_temporary

    masker = _masker(args)
    # Masked before it is quoted, since quoting could split a secret.
    command = shlex.join(["kestra-sync", *map(masker.mask, args)])
    # Without local variables: they may hold secrets.
    text = masker.mask(
        f"kestra-sync {__version__}\n"
        f"{platform.python_implementation()} {platform.python_version()} on {platform.platform()}\n"
        f"command: {command}\n"
        f"\n{traceback.format_exc()}"
    )
    try:
        return f"the log in {write_temporary(text, suffix='.log')}"
    except OSError as error:
        return f"this message (no log could be written: {error.strerror})"
