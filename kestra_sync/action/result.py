"""Converts the JSON of a run to the outputs of the step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kestra_sync.errors import ExitCode
from kestra_sync.model import Kind, ResourceId, counted, plural
from kestra_sync.report.lines import counts_in_words
from kestra_sync.safe.text import visible

PlanJson = Mapping[str, Any]

#: The outputs of the action, in the order of ``action.yml``.
OUTPUTS = (
    "has-changes",
    "created",
    "updated",
    "deleted",
    "drifted",
    "failed",
    "plan-file",
    "plan-digest",
    "report-file",
    "summary",
    "exit-code",
    "failure-reason",
    "preview-name",
    "preview-namespaces",
)


@dataclass(frozen=True)
class Result:
    """Convert the JSON of a run.

    :param created: flows, files and keys to create (plan), or created (apply).
    :param failed: errors in files, writes that failed, failed smoke tests.
    :param environments: those of a run over several, including those not attempted.
    :param preview: the name of the preview, and ``namespaces`` its namespaces.
    """

    exit_code: int
    created: int = 0
    updated: int = 0
    deleted: int = 0
    drifted: int = 0
    failed: int = 0
    has_changes: bool = False
    digest: str = ""
    summary: str = ""
    environments: tuple[str, ...] = ()
    preview: str = ""
    namespaces: tuple[str, ...] = ()

    @property
    def failure_reason(self) -> str:
        """Return a stable word for the exit code; ``""`` if nothing failed."""
        if self.exit_code in (ExitCode.OK, ExitCode.CHANGES):
            return ""
        try:
            return ExitCode(self.exit_code).name.lower().replace("_", "-")
        except ValueError:
            return "failure"

    def outputs(self, *, plan_file: str = "", report_file: str = "") -> dict[str, str]:
        """Return the outputs by name."""
        values = (
            str(self.has_changes).lower(),
            str(self.created),
            str(self.updated),
            str(self.deleted),
            str(self.drifted),
            str(self.failed),
            plan_file,
            self.digest,
            report_file,
            visible(self.summary),
            str(self.exit_code),
            self.failure_reason,
            self.preview,
            ",".join(self.namespaces),
        )
        return dict(zip(OUTPUTS, values, strict=True))


def result_of(command: str, code: int, document: PlanJson) -> Result:
    """Convert the JSON of a run.

    :param document: the JSON; empty if there is none.
    """
    error = document.get("error")
    if error:
        return Result(code, summary=_first_line(str(error.get("message", ""))))
    if "environments" in document:
        return _several(command, code, document)
    made = _MAKERS[command](document)
    problems = sum(each.get("severity") == "error" for each in document.get("diagnostics") or ())
    failed = made["failed"] + problems
    words = [*made["words"]]
    if problems:
        words.append(plural(problems, "error"))
    if document.get("refusals"):
        words.append("refused")
    return Result(
        code,
        created=made["created"],
        updated=made["updated"],
        deleted=made["deleted"],
        drifted=made["drifted"],
        failed=failed,
        has_changes=made["changes"],
        digest=str(document.get("digest") or ""),
        summary=", ".join(words) or "nothing to do",
        **_where(document),
    )


def _where(document: PlanJson) -> dict[str, Any]:
    """Return the preview, if there is one."""
    previews = document.get("previews") or [document.get("preview")]
    if len(previews) != 1 or not previews[0]:
        return {}
    return {"preview": previews[0]["name"], "namespaces": tuple(previews[0]["namespaces"])}


def _several(command: str, code: int, document: PlanJson) -> Result:
    """Return the sums of a run over several environments; each plan has its own digest."""
    names = [str(each["environment"]) for each in document["environments"]]
    results = [
        result_of(command, int(each["result"]["exit_code"]), each["result"])
        for each in document["environments"]
    ]
    left = [str(each) for each in document.get("not_attempted") or ()]
    summaries = [f"{name}: {each.summary}" for name, each in zip(names, results, strict=True)]
    return Result(
        code,
        created=sum(each.created for each in results),
        updated=sum(each.updated for each in results),
        deleted=sum(each.deleted for each in results),
        drifted=sum(each.drifted for each in results),
        failed=sum(each.failed for each in results),
        has_changes=any(each.has_changes for each in results),
        summary="; ".join([*summaries, *(f"{name}: not attempted" for name in left)]),
        environments=(*names, *left),
    )


def _made(**values: Any) -> dict[str, Any]:
    nothing = {"created": 0, "updated": 0, "deleted": 0, "drifted": 0, "failed": 0}
    return {**nothing, "changes": False, "words": [], **values}


def _validate(document: PlanJson) -> dict[str, Any]:
    return _made(words=[f"{plural(int(document.get('flows') or 0), 'flow')} checked"])


def _plan(document: PlanJson) -> dict[str, Any]:
    plan = document.get("plan")
    if not plan:
        return _made()
    counts = plan["summary"]
    # A move is a creation and a deletion.
    created = counts["create"] + counts["move"]
    deleted = counts["delete"] + counts["move"]
    kinds = counts.get("kinds") or {str(Kind.FLOW): counts}

    def of(*names: str) -> dict[Kind, int]:
        return {Kind(kind): sum(each[it] for it in names) for kind, each in kinds.items()}

    words = counts_in_words(
        (
            (of("create", "move"), "to create"),
            (of("update"), "to update"),
            (of("delete", "move"), "to delete"),
            (of("drifted"), "of them drifted"),
        )
    )
    record = plan.get("record") or ()
    words += [each["message"] for each in record]
    return _made(
        created=created,
        updated=counts["update"],
        deleted=deleted,
        drifted=counts["drifted"],
        changes=bool(created or counts["update"] or deleted or record),
        words=words or ["no changes"],
    )


def _apply(document: PlanJson) -> dict[str, Any]:
    made = _plan(document)
    outcomes = document.get("outcomes") or ()
    done = [each["action"] for each in outcomes if each["status"] == "applied"]
    created = done.count("create") + done.count("move")
    deleted = done.count("delete") + done.count("move")
    failed = sum(each["status"] in ("failed", "conflict") for each in outcomes)
    failed_tests = _count_failed(document.get("smoke"))

    def of(*actions: str) -> Counter[Kind]:
        return _kinds(
            it for it in outcomes if it["status"] == "applied" and it["action"] in actions
        )

    words = counts_in_words(
        (
            (of("create", "move"), "created"),
            (of("update"), "updated"),
            (of("delete", "move"), "deleted"),
            (_kinds(it for it in outcomes if it["status"] in ("failed", "conflict")), "failed"),
            (_kinds(document.get("restored") or ()), "rolled back"),
        )
    )
    if failed_tests:
        words.append(f"{plural(failed_tests, 'smoke test')} failed")
    words += [each.rstrip(".").lower() for each in document.get("recorded") or ()]
    if not words and made["changes"]:
        words.append("nothing applied")
    return {
        **made,
        "created": created,
        "updated": done.count("update"),
        "deleted": deleted,
        "failed": failed + failed_tests,
        "words": words or ["no changes"],
    }


def _preview(document: PlanJson) -> dict[str, Any]:
    """Convert the result of ``up``, ``down`` or ``clean``."""
    if "previews" not in document:
        made = _apply(document)
        smoke = document.get("smoke")
        passed = sum(each["verdict"] == "passed" for each in smoke["runs"]) if smoke else 0
        words = (
            [*made["words"], f"{plural(passed, 'smoke test')} passed"] if passed else made["words"]
        )
        return {**made, "words": words}
    removed = [each["name"] for each in document["previews"] if each["removed"]]
    left = [each["name"] for each in document["previews"] if each["problems"]]
    words = [f"removed {name}" for name in removed] + [
        f"{name} was only partly removed" for name in left
    ]
    counts = [each["deleted"]["flows"] for each in document["previews"]]
    return _made(
        deleted=sum(counts), failed=len(left), changes=bool(removed), words=words or ["no preview"]
    )


def _drift(document: PlanJson) -> dict[str, Any]:
    found = document.get("drifted") or ()
    words = [f"{counted(map(_name, found))} drifted" if found else "no drift"]
    return _made(drifted=len(found), changes=bool(found), words=words)


def _kinds(changes: Iterable[PlanJson]) -> Counter[Kind]:
    return Counter(_name(each).kind for each in changes)


def _name(change: PlanJson) -> ResourceId:
    flow = change.get("flow") or {}
    kind = Kind(flow.get("kind", Kind.FLOW))
    return ResourceId(flow.get("namespace", ""), flow.get("id", ""), kind)


def _smoke(document: PlanJson) -> dict[str, Any]:
    smoke = document.get("smoke")
    if not smoke:
        return _made()
    failed_tests = _count_failed(smoke)
    words = [f"{plural(len(smoke['runs']), 'smoke test')}", f"{failed_tests} failed"]
    return _made(failed=failed_tests, words=words)


def _count_failed(smoke: PlanJson | None) -> int:
    return sum(not each["passed"] for each in (smoke or {}).get("runs", ()))


def _first_line(text: str) -> str:
    return (text.splitlines() or [""])[0]


_MAKERS = {
    "validate": _validate,
    "plan": _plan,
    "apply": _apply,
    "drift": _drift,
    "smoke": _smoke,
    "preview": _preview,
}
