"""``pull``: writes changes made on the server to the files. Never writes to the server."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from kestra_sync.client.client import KestraClient, connect
from kestra_sync.client.errors import NotFound
from kestra_sync.commands.files import name_in_files
from kestra_sync.commands.new_files import new_files
from kestra_sync.commands.plan import PlanResult, make_plan
from kestra_sync.configured import Stamp
from kestra_sync.errors import ExitCode, KestraSyncError, UsageError
from kestra_sync.kinds.flows.snapshot import RULE
from kestra_sync.model import Action, Base, Change, Diagnostic, Flow, FlowId, Kind, Reason
from kestra_sync.observer import SILENT, Observer
from kestra_sync.plan.pulling import PullDecision, PullOutcome, pull_decision
from kestra_sync.repo.git_status import uncommitted, versions
from kestra_sync.resources import Content, ContentChangedError, chunks_of, in_memory, size_of
from kestra_sync.safe.paths import is_there, read_bytes, write
from kestra_sync.settings import OnDrift, Prune, Settings


@dataclass(frozen=True)
class PulledFlow:
    """The result for one flow, file or key.

    :param path: its file; ``None`` if it has none.
    :param reason: why, in words.
    """

    flow_id: FlowId
    path: str | None
    pulled: PullOutcome
    reason: str


@dataclass(frozen=True)
class PullResult:
    """The changes to files that were written, or would be.

    :param flows: every flow that differs, sorted by flow.
    :param left: a warning for each flow whose name on the server cannot be used as a path.
    """

    planned: PlanResult
    flows: tuple[PulledFlow, ...]
    dry_run: bool
    left: tuple[Diagnostic, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """3 if the files cannot be parsed, 5 if a flow is in conflict, else 0."""
        if self.planned.plan is None:
            return ExitCode.INVALID
        conflicts = any(each.pulled is PullOutcome.CONFLICT for each in self.flows)
        return ExitCode.CONFLICT if conflicts else ExitCode.OK


@dataclass(frozen=True)
class _Decision:
    change: Change
    path: str | None
    verdict: PullDecision
    data: Content
    namespace: str = ""


def pull(
    settings: Settings,
    *,
    new: bool,
    dry_run: bool,
    overwrite: bool = False,
    kv_values: bool = False,
    observer: Observer = SILENT,
) -> PullResult:
    """Write the server's source, byte for byte, of each flow that changed there and not in Git.

    Of a file with several documents only the flow's own document is replaced. Nothing is deleted:
    a flow that is not on the server remains in Git. The same applies to namespace files and keys,
    except secrets.

    :param new: also write the flows of the scope that are not in Git, to the directory of their
        namespace (:func:`kestra_sync.commands.new_files.flow_directory`), and files and keys that
        belong to a configured directory or file, which need not exist yet.
    :param kv_values: with ``new``, write the values of keys that are not in Git.
    :param dry_run: only report what would be written.
    :param overwrite: also overwrite the files of flows in conflict, and files with uncommitted
        changes.
    :raises UsageError: if a file to create already exists with different content.
    :raises KestraSyncError: a file cannot be written; earlier files have been.
    """
    with connect(settings.connection, settings.parallelism) as client:
        # The server is the source here: nothing is refused or deleted.
        looking = replace(
            settings,
            on_drift=OnDrift.REVERT,
            prune=Prune.NONE,
            display_only=True,
            new_paths=new,
        )
        # Secrets are not pulled, so the variables that hold them need not be set.
        planned = make_plan(looking, client, observer=observer, secrets=False)
        if planned.plan is None:
            return PullResult(planned, (), dry_run)
        stamp = settings.rendering.stamp
        bases = planned.ownership.bases if planned.ownership is not None else {}
        judged = [
            _in_files(
                _Decision(change, change.path, verdict, change.before or b""), settings, stamp
            )
            for change in planned.plan.changes
            if change.flow_id.kind is Kind.FLOW
            and (verdict := _judged(client, change, bases.get(change.flow_id), new=new)) is not None
        ]
        if settings.files or settings.kv:
            judged += _judge_resources(
                client, settings, planned, observer, new=new, values=kv_values
            )
    judged = [_overwriting(each) for each in judged] if overwrite else _sparing_local_work(judged)
    judged, left = _with_new_files(judged, settings, planned.repository.flows)
    _none_in_the_way(judged)
    if not dry_run:
        _write_all(judged)
    flows = tuple(
        PulledFlow(each.change.flow_id, each.path, each.verdict.pulled, each.verdict.reason)
        for each in judged
    )
    unusable = [each for each in planned.diagnostics if each.rule == RULE]
    return PullResult(planned, flows, dry_run, (*unusable, *left))


def _judge_resources(
    client: KestraClient,
    settings: Settings,
    planned: PlanResult,
    observer: Observer,
    *,
    new: bool,
    values: bool,
) -> Iterator[_Decision]:
    """Decide what to do with namespace files and keys."""
    from kestra_sync.commands.pull_resources import decided, not_pulled, only_there, secrets_of

    bases = planned.ownership.bases if planned.ownership is not None else {}
    secrets = secrets_of(settings, bases)
    for change in planned.plan.changes if planned.plan is not None else ():
        kind = change.flow_id.kind
        if kind is Kind.FLOW:
            continue
        if change.flow_id in secrets:
            verdict = not_pulled(change, bases.get(change.flow_id))
            if verdict is not None:
                yield _Decision(change, change.path, verdict, change.before or b"")
            continue
        verdict = _judged(client, change, bases.get(change.flow_id), new=False)
        if verdict is not None:
            if kind is Kind.KV:
                verdict = decided(change, verdict, change.path)
            yield _Decision(change, change.path, verdict, change.before or b"")
    there = only_there(client, settings, planned, secrets, values=values, observer=observer)
    for each in there if new else ():
        change = Change(Action.NONE, Reason.FOREIGN, each.resource, each.path, each.source)
        if each.why_not is None:
            verdict = PullDecision(PullOutcome.CREATED, "only on the server")
        else:
            verdict = PullDecision(PullOutcome.LEFT, each.why_not)
        yield _Decision(change, each.path, verdict, each.source, each.namespace)


def _judged(
    client: KestraClient, change: Change, base: Base | None, *, new: bool
) -> PullDecision | None:
    """Decide by the three-way table; without a record, by the histories of both sides."""
    verdict = pull_decision(change, base, new=new)
    if verdict is None or not verdict.doubtful:
        return verdict
    assert change.before is not None
    assert change.desired is not None
    kind = change.flow_id.kind
    known = versions(Path(change.desired.path)) if kind is not Kind.KV else frozenset()
    if known and known.intersection(_git_hashes(change.before)):
        return PullDecision(
            PullOutcome.LEFT, "changed only in Git: the server's source is in its history"
        )
    if kind is not Kind.FLOW:
        return verdict
    try:
        revisions = client.flows.revisions(change.flow_id)
    except NotFound:
        revisions = ()
    if any(each.content == change.desired.content for each in revisions):
        return PullDecision(PullOutcome.UPDATED, "changed on the server since the revision in Git")
    return verdict


def _in_files(judged: _Decision, settings: Settings, stamp: Stamp) -> _Decision:
    """Convert sources to what the file would contain; a conflict if that is uncertain."""
    change, rendering = judged.change, settings.rendering
    if not (rendering.namespaces or rendering.patches or stamp) or change.before is None:
        return judged
    from kestra_sync.render.back import to_file

    data = to_file(in_memory(change.before), change.flow_id, change.desired, rendering, stamp)
    if data is not None:
        return replace(judged, data=data)
    if judged.verdict.pulled not in (
        PullOutcome.UPDATED,
        PullOutcome.CREATED,
        PullOutcome.CONFLICT,
    ):
        return judged
    reason = (
        "changed where the environment's namespaces or patches apply: the file cannot be derived"
        if change.desired is not None
        else "only on the server, and the environment maps no namespace of the files to it"
    )
    return replace(judged, verdict=PullDecision(PullOutcome.CONFLICT, reason, final=True))


def _git_hashes(content: Content) -> tuple[str, str]:
    """Return the object ids of this content in Git, in both hash formats."""
    hashes = hashlib.sha1(usedforsecurity=False), hashlib.sha256()
    for piece in chain((b"blob %d\0" % size_of(content),), chunks_of(content)):
        for each in hashes:
            each.update(piece)
    return hashes[0].hexdigest(), hashes[1].hexdigest()


def _overwriting(judged: _Decision) -> _Decision:
    if judged.verdict.pulled is not PullOutcome.CONFLICT or judged.verdict.final:
        return judged
    pulled = PullOutcome.CREATED if judged.change.desired is None else PullOutcome.UPDATED
    return replace(judged, verdict=PullDecision(pulled, f"{judged.verdict.reason}, overwritten"))


def _sparing_local_work(judged: Iterable[_Decision]) -> list[_Decision]:
    """Turn changes to files with uncommitted changes into conflicts."""
    judged = list(judged)
    files = {Path(each.path) for each in judged if _changes_a_file(each) and each.path is not None}
    unsafe = uncommitted(files)
    return [
        replace(
            each,
            verdict=PullDecision(
                PullOutcome.CONFLICT,
                f"{each.verdict.reason}, but the file {unsafe[Path(each.path)]}",
            ),
        )
        if _changes_a_file(each) and each.path and Path(each.path) in unsafe
        else each
        for each in judged
    ]


def _changes_a_file(judged: _Decision) -> bool:
    """Whether an existing file is changed: a new key may be added to one."""
    if judged.verdict.pulled is PullOutcome.CREATED:
        return judged.change.flow_id.kind is Kind.KV and is_there(judged.path or "")
    return judged.verdict.pulled is PullOutcome.UPDATED


def _with_new_files(
    judged: list[_Decision], settings: Settings, flows: Iterable[Flow]
) -> tuple[list[_Decision], tuple[Diagnostic, ...]]:
    """Add the path of each file to create, and a warning for each without a valid path."""
    created = {
        each.change.flow_id: name_in_files(each.change.flow_id, settings)
        for each in judged
        if _is_new_flow(each)
    }
    places, left = new_files(created.values(), settings, flows)
    placed = [
        replace(each, path=places.get(created[each.change.flow_id])) if _is_new_flow(each) else each
        for each in judged
    ]
    return [
        each for each in placed if each.path or each.verdict.pulled is not PullOutcome.CREATED
    ], left


def _is_new_flow(judged: _Decision) -> bool:
    return judged.verdict.pulled is PullOutcome.CREATED and judged.change.flow_id.kind is Kind.FLOW


def _none_in_the_way(judged: Collection[_Decision]) -> None:
    """Check for existing files before the first write.

    :raises UsageError: a file to create already exists.
    """
    for each in judged:
        into = each.change.flow_id.kind is Kind.KV  # a file may contain several of them
        if into or each.verdict.pulled is not PullOutcome.CREATED or each.path is None:
            continue
        if is_there(Path(each.path)):
            raise UsageError(
                f"{each.path} already exists and does not contain {each.change.flow_id}",
                remedy="move it, or copy the flow from the server manually",
            )


def _write_all(judged: Iterable[_Decision]) -> None:
    for each in judged:
        change = each.change
        if (
            each.verdict.pulled not in (PullOutcome.UPDATED, PullOutcome.CREATED)
            or each.path is None
        ):
            continue
        file = Path(each.path)
        data = each.data
        if change.flow_id.kind is Kind.KV:
            data = _with_key(each, each.path)
        elif each.verdict.pulled is PullOutcome.UPDATED and change.flow_id.kind is Kind.FLOW:
            assert change.desired is not None
            data = _spliced(file, change.desired.flow.document.data, in_memory(data))
        _replace(file, data)


def _with_key(judged: _Decision, path: str) -> bytes:
    from kestra_sync.commands.pull_resources import with_key

    key = judged.change.flow_id
    data = with_key(path, judged.namespace, key.id, in_memory(judged.data))
    if data is None:
        raise KestraSyncError(f"{path} cannot declare {key}", remedy="declare it manually")
    return data


def _spliced(file: Path, old: bytes, new: bytes) -> bytes:
    """Replace one document in the bytes of the file.

    :raises KestraSyncError: the document no longer occurs exactly once.
    """
    try:
        data = read_bytes(file)
    except OSError as error:
        raise KestraSyncError(f"cannot read {file}: {error.strerror}") from error
    if data.count(old) != 1:
        raise KestraSyncError(f"{file} changed during the run", remedy="run the command again")
    if data != old and not new.endswith(b"\n"):
        new += b"\n"  # otherwise the next --- would end up on the last line
    return data.replace(old, new)


def _replace(file: Path, data: Content) -> None:
    """Write the file atomically.

    :raises KestraSyncError: it cannot be written.
    """
    try:
        write(file, chunks_of(data), parents=True)
    except OSError as error:
        raise KestraSyncError(f"cannot write {file}: {error.strerror}") from error
    except ContentChangedError as error:
        raise KestraSyncError(
            f"cannot write {file}: {error}", remedy="run the command again"
        ) from error
