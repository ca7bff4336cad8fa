"""One step of a workflow: read the inputs, run the command, publish the result."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kestra_sync.action import comment
from kestra_sync.action.context import Context
from kestra_sync.action.github_api import GithubApi
from kestra_sync.action.inputs import REVIEWED, Inputs, read, take
from kestra_sync.action.preview import PreviewRun, preview_run
from kestra_sync.action.result import Result, result_of
from kestra_sync.action.runner import Runner
from kestra_sync.client.errors import KestraError
from kestra_sync.errors import ExitCode, KestraSyncError, UsageError
from kestra_sync.report.markdown_escape import prose
from kestra_sync.safe.paths import is_below, is_file, read_text, temporary_folder

RunCommand = Callable[[Sequence[str]], int]

_SUFFIXES = {"markdown": "md", "junit": "xml", "sarif": "sarif", "text": "txt"}


@dataclass(frozen=True)
class ReportFiles:
    """The files of the reports of a run. They are kept for later steps."""

    folder: Path
    report_format: str

    @property
    def report(self) -> Path:
        """The report for people, or for another tool."""
        suffix = _SUFFIXES.get(self.report_format, self.report_format)
        return self.folder / f"report.{suffix}"

    def plan(self, *, several: bool) -> Path:
        """The saved plan, unless the workflow specifies its path; one for each environment."""
        return self.folder / ("plan-{environment}.json" if several else "plan.json")

    def of(self, name: str) -> Path:
        """The file of a format that this step reads."""
        return self.folder / f"result.{name}"

    def text(self, name: str) -> str:
        """Return the report in a format; ``""`` if there is none."""
        file = self.of(name)
        return read_text(file) if is_file(file) else ""

    def options(self) -> list[str]:
        """Return the options that make the command write all reports."""
        outputs_wanted = [
            f"{name}={self.of(name)}" for name in ("json", "comment", "summary", "github")
        ]
        outputs_wanted.append(f"{self.report_format}={self.report}")
        return [f"--output={each}" for each in outputs_wanted]


def main(environ: MutableMapping[str, str] | None = None, run: RunCommand | None = None) -> int:
    """Run the step; returns the exit code of the process.

    :param run: the command line; by default that of kestra-sync.
    """
    variables = os.environ if environ is None else environ
    runner = Runner.of(variables)
    given = take(variables)
    try:
        inputs = read(given)
        for secret in inputs.secrets:
            runner.mask(secret)
        result = _step(inputs, runner, variables, run or _command_line())
    except KestraSyncError as error:
        runner.say("error", "\n".join(filter(None, (error.message, error.remedy))))
        result = Result(int(error.exit_code), summary=error.message.partition("\n")[0])
        runner.set_outputs(result.outputs())
        return result.exit_code
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    if result.exit_code == ExitCode.CHANGES and not inputs.fail_on_changes:
        return int(ExitCode.OK)
    return result.exit_code


def _command_line() -> RunCommand:
    from kestra_sync.cli.main import run

    return run


def _step(
    inputs: Inputs, runner: Runner, environ: MutableMapping[str, str], run: RunCommand
) -> Result:
    if inputs.working_directory:
        _enter(inputs.working_directory, environ.get("GITHUB_WORKSPACE", ""))
    _log_in(inputs, environ)
    context = Context.of(environ)
    base = environ.get("RUNNER_TEMP") or None
    files = ReportFiles(temporary_folder(base), inputs.report)
    preview = preview_run(context, inputs.preview_name) if inputs.command == "preview" else None
    code = run(_arguments(inputs, context, files, preview))
    document = _document(files)
    result = result_of(inputs.command, code, document)
    # First, so that a later failure does not hide them from later steps.
    plan_file = Path(inputs.plan_file) if inputs.plan_file else files.plan(several=inputs.several)
    saved = [Path(str(plan_file).replace("{environment}", each)) for each in result.environments]
    outputs = result.outputs(
        plan_file=str(plan_file.resolve()) if any(map(is_file, saved or [plan_file])) else "",
        report_file=str(files.report) if is_file(files.report) else "",
    )
    _guarded(runner, "Step outputs", lambda: runner.set_outputs(outputs))
    if inputs.annotations:
        _guarded(runner, "The annotations", lambda: runner.annotate(files.text("github")))
    posted: list[tuple[str, str]] = []
    _guarded(
        runner,
        "The comment",
        lambda: posted.extend(_post(inputs, context, files, result, preview)),
    )
    for kind, text in posted:
        runner.say(kind, text)
    problems = [text for kind, text in posted if kind == "warning"]
    _guarded(runner, "The summary", lambda: _summarise(inputs, runner, files, problems))
    return result


def _guarded(runner: Runner, what: str, write: Callable[[], None]) -> None:
    """Report the result of the finished command; failures to do so do not change it."""
    try:
        write()
    except Exception as error:
        reason = error.message if isinstance(error, KestraSyncError) else type(error).__name__
        runner.say("warning", f"{what} could not be written: {reason}")


def _summarise(inputs: Inputs, runner: Runner, files: ReportFiles, problems: Sequence[str]) -> None:
    """Write the summary of the step, if requested, or if the comment failed."""
    if not inputs.summary and not problems:
        return
    text = "".join(f"> [!WARNING]\n> {prose(each)}\n\n" for each in problems)
    if not runner.add_summary(text + files.text("summary")):
        runner.say("warning", "The summary exceeds the size limit: see the report file.")


def _enter(folder: str, workspace: str) -> None:
    # A link in the checkout would cause files of the runner to be read as flows.
    if workspace and not is_below(folder, [Path(workspace)]):
        raise UsageError(
            f"the input 'working-directory' is {folder!r}: it is outside of the workspace",
            remedy="set it to a directory in the checkout",
        )
    try:
        os.chdir(folder)
    except OSError as error:
        raise UsageError(
            f"the input 'working-directory' is {folder!r}: {error.strerror}"
        ) from error


def _log_in(inputs: Inputs, environ: MutableMapping[str, str]) -> None:
    """Credentials passed as inputs take precedence over those in the environment of the job."""
    if inputs.token or inputs.password:
        for name in ("KESTRA_TOKEN", "KESTRA_PASSWORD"):
            environ.pop(name, None)
            environ.pop(f"{name}_FILE", None)
    if inputs.token:
        environ["KESTRA_TOKEN"] = inputs.token
    if inputs.password:
        environ["KESTRA_PASSWORD"] = inputs.password


def _arguments(
    inputs: Inputs, context: Context, files: ReportFiles, preview: PreviewRun | None
) -> list[str]:
    if preview is not None:
        options = inputs.options_of(preview.subcommand)
        words = ["preview", preview.subcommand, *options, *files.options(), "--yes"]
        return [*words, f"--env-file={os.devnull}", *preview.words]
    arguments = [inputs.command, *inputs.options, *files.options()]
    # A file in the checkout must not determine which server receives our credentials.
    arguments.append(f"--env-file={os.devnull}")
    if inputs.command == "plan":
        arguments += [
            "--detailed-exitcode",
            f"--out={inputs.plan_file or files.plan(several=inputs.several)}",
        ]
    if inputs.command == "apply":
        arguments.append("--yes")
        if inputs.plan_file:
            arguments.append(f"--plan={inputs.plan_file}")
        if inputs.expect_digest:
            arguments.append(f"--expect-digest={_digest(inputs, context)}")
    return [*arguments, "--", *inputs.paths]


def _digest(inputs: Inputs, context: Context) -> str:
    if inputs.expect_digest != REVIEWED:
        return inputs.expect_digest
    if inputs.several:
        raise UsageError(
            "`expect-digest` is the digest of the plan of one environment",
            remedy="use a job for each environment",
        )
    if not inputs.github_token:
        raise UsageError(
            "`expect-digest: reviewed` needs a token to read the pull request",
            remedy="keep the default of the input 'github-token', and give the job `permissions: "
            "pull-requests: read`",
        )
    github = GithubApi(context, inputs.github_token)
    try:
        marker = comment.marker_of("".join(inputs.environments), inputs.comment_key)
        return comment.reviewed_digest(github, context, marker)
    except KestraError as error:
        raise KestraSyncError(
            f"the reviewed plan cannot be read: {error.message}",
            remedy="give the job `permissions: pull-requests: read`",
        ) from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise KestraSyncError(
            f"the reviewed plan cannot be read: unexpected response from GitHub "
            f"({type(error).__name__})",
            remedy="check GITHUB_API_URL and any proxy in between",
        ) from error
    finally:
        github.close()


def _document(files: ReportFiles) -> dict[str, Any]:
    try:
        document = json.loads(files.text("json") or "{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _post(
    inputs: Inputs,
    context: Context,
    files: ReportFiles,
    result: Result,
    preview: PreviewRun | None,
) -> list[tuple[str, str]]:
    """Write the comment and the issue. Return messages about that, with severities."""
    body = files.text("comment")
    if not body or not (inputs.comment or inputs.issue):
        return []
    if not inputs.github_token or not context.repository:
        return [("warning", "Nothing was posted: no token or no repository.")]
    names = "+".join(result.environments or inputs.environments)
    if preview is not None:
        names = preview.environment
    if inputs.comment_key or preview is not None:
        body = comment.with_marker(body, comment.marker_of(names, inputs.comment_key))
    posted = []
    github = GithubApi(context, inputs.github_token)
    try:
        if inputs.comment:
            posted.append(_comment(github, context, body))
        if inputs.issue and result.exit_code in (ExitCode.OK, ExitCode.CHANGES):
            posted.append(_issue(github, context, names, body, result))
    finally:
        github.close()
    return [each for each in posted if each[1]]


def _comment(github: GithubApi, context: Context, body: str) -> tuple[str, str]:
    if context.pull_request is None:
        return "notice", "No pull request to comment on: see the job summary."
    try:
        return "notice", comment.post(github.comments(context.pull_request), body)
    except KestraError as error:
        return "warning", comment.excuse(error, context, "comment", "pull-requests")
    except Exception as error:
        return "warning", _odd("comment", error)


def _issue(
    github: GithubApi, context: Context, names: str, body: str, result: Result
) -> tuple[str, str]:
    drifted = result.exit_code == ExitCode.CHANGES
    issues = github.issues(comment.title_of(names.replace("+", ", ")))
    try:
        return "notice", comment.report_drift(issues, body, drifted=drifted)
    except KestraError as error:
        return "warning", comment.excuse(error, context, "issue", "issues")
    except Exception as error:
        return "warning", _odd("issue", error)


def _odd(what: str, error: Exception) -> str:
    return f"The {what} could not be written: unexpected response from GitHub ({error!r:.200})"
