"""``preview up``, ``down``, ``list`` and ``clean``: isolated deployments of pull requests.

A preview is an environment with its own namespaces and inventory; ``up`` is an apply to it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from kestra_sync.apply.record_edits import remove_record
from kestra_sync.apply.run import Done
from kestra_sync.client.answer import time_of
from kestra_sync.client.client import connect, target_of
from kestra_sync.commands.apply import ApplyResult, ConfirmPlan, apply_with
from kestra_sync.commands.comparison import OtherResources, compare_with_server, read_live
from kestra_sync.commands.ownership import read_ownership
from kestra_sync.errors import ExitCode, RefusedError
from kestra_sync.executions.server import flow_page
from kestra_sync.inventory.others import find_previews
from kestra_sync.inventory.read import InventoryLocation, OtherRecord, Ownership, read_inventory
from kestra_sync.inventory.record import Inventory, origin
from kestra_sync.kinds.registry import Kinds
from kestra_sync.model import FlowId, Kind, Plan, Reason
from kestra_sync.observer import SILENT, Observer
from kestra_sync.plan.compare import refined, respecting_others
from kestra_sync.previews import Preview, name_of
from kestra_sync.safe.text import is_resource_id
from kestra_sync.settings import ApplyOptions, Settings

if TYPE_CHECKING:
    from kestra_sync.client.client import KestraClient
    from kestra_sync.executions.sweep import Swept


@dataclass(frozen=True)
class UpResult:
    """The result of ``up``.

    :param links: the page of each flow in the UI; empty if the preview differs from Git.
    :param expires: when ``clean`` may remove it, ISO 8601; ``None`` if it does not expire.
    """

    preview: Preview
    applied: ApplyResult
    links: tuple[tuple[FlowId, str], ...] = ()
    expires: str | None = None

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the apply."""
        return self.applied.exit_code


@dataclass(frozen=True)
class Removal:
    """The resources of a preview that ``down`` removes, or why it cannot.

    :param plan: ``None`` if the preview does not exist, or must not be removed.
    :param refused: why it must not be removed.
    """

    preview: Preview
    ownership: Ownership | None
    plan: Plan | None = None
    kinds: Kinds | None = field(default=None, repr=False, compare=False)
    refused: RefusedError | None = None

    @property
    def left(self) -> tuple[FlowId, ...]:
        """Resources in its namespaces that it did not create: they are left alone."""
        foreign = () if self.plan is None else self.plan.because(Reason.FOREIGN)
        return tuple(each.flow_id for each in foreign)


_NOTHING = Done()


@dataclass(frozen=True)
class DownResult:
    """The result of ``down``.

    :param removal: the planned removal.
    :param declined: the confirmation was declined.
    :param done: the deletions of flows, files and keys.
    :param executions: the number of deleted executions.
    :param problems: what could not be removed, and why.
    :param removed: everything was removed, including its inventory.
    """

    removal: Removal
    declined: bool = False
    done: Done = _NOTHING
    executions: int = 0
    problems: tuple[str, ...] = ()
    removed: bool = False

    @property
    def exit_code(self) -> ExitCode:
        """6 if it was only partly removed."""
        if self.done.interrupted:
            return ExitCode.INTERRUPTED
        if self.removal.refused is not None:
            return ExitCode.REFUSED
        if self.declined:
            return ExitCode.FAILURE
        code = self.done.exit_code()
        if code is ExitCode.OK and self.removal.plan is not None and not self.removed:
            return ExitCode.PARTIAL
        return code


@dataclass(frozen=True)
class Listed:
    """An entry of ``list``.

    :param age: seconds since its first ``up``; ``None`` if unknown.
    :param expired: whether it may be removed.
    """

    name: str
    inventory: Inventory
    place: InventoryLocation
    age: float | None = None
    expired: bool = False


#: Is called with what would be removed; it is removed if the function returns true.
ConfirmRemoval = Callable[[Sequence[Removal]], bool]
#: Returns the settings of the preview with that name.
SettingsOf = Callable[[str], Settings]


def up(
    settings: Settings,
    confirm: ConfirmPlan,
    *,
    observer: Observer = SILENT,
    smoke_observer: Observer | None = None,
    stop: threading.Event | None = None,
) -> UpResult:
    """Apply the flows to the namespaces of a preview, and run the smoke tests there.

    :param settings: those of the environment of a preview.
    :raises RefusedError: the preview has other namespaces, or belongs to another repository.
    :raises KestraSyncError: as :func:`kestra_sync.commands.apply.apply_with`.
    """
    preview = _preview_of(settings)
    with connect(settings.connection, settings.parallelism) as client:
        _check_namespaces(client, settings)
        applied = apply_with(
            settings,
            client,
            confirm,
            options=ApplyOptions(smoke=preview.smoke),
            observer=observer,
            smoke_observer=smoke_observer,
            stop=stop,
        )
        expires = _expires(client, applied)
        there = applied.exit_code in (ExitCode.OK, ExitCode.SMOKE_FAILED)
        flows = sorted(applied.planned.desired) if there else ()
        links = [(key, flow_page(client, key)) for key in flows]
    return UpResult(preview, applied, tuple(links), expires)


def _expires(client: KestraClient, applied: ApplyResult) -> str | None:
    """Return the recorded expiry."""
    ownership = applied.planned.ownership
    record = None if ownership is None else read_inventory(client.kv, ownership.place)
    return None if record is None or record.preview is None else record.preview.expires


def down(settings: Settings, confirm: ConfirmRemoval, *, observer: Observer = SILENT) -> DownResult:
    """Delete everything that a preview created, and its inventory.

    :param settings: those of the preview's environment; the files of the repository are not read.
    :raises RefusedError: the preview has other namespaces, or belongs to another repository.
    :raises KestraError: the server cannot be read.
    """
    with connect(settings.connection, settings.parallelism) as client:
        removal = _removal(client, settings, observer)
        if removal.plan is not None and not confirm([removal]):
            return DownResult(removal, declined=True)
        return _remove(client, settings, removal, observer)


def clean(
    make: SettingsOf,
    confirm: ConfirmRemoval,
    *,
    keep: Collection[str] | None = None,
    observer: Observer = SILENT,
) -> tuple[DownResult, ...]:
    """Remove every preview that has expired.

    :param keep: the names of the previews to keep: all others are removed, expired or not.
        ``None`` removes those that have expired.
    :returns: one result per preview; previews that are refused are not removed.
    :raises KestraError: the server cannot be read.
    """
    settings = make("")
    with connect(settings.connection, settings.parallelism) as client:
        names = [
            each.name
            for each in _listed(client, settings)
            if each.expired or (keep is not None and each.name not in keep)
        ]
        everything = [make(name) for name in names]
        removals = [_removal_or_why(client, each, observer) for each in everything]
        removable = [each for each in removals if each.plan is not None]
        if removable and not confirm(removable):
            return tuple(DownResult(each, declined=True) for each in removals)
        found = []
        for own, removal in zip(everything, removals, strict=True):
            found.append(_remove(client, own, removal, observer))
            if found[-1].done.interrupted:
                break
        return tuple(found)


def previews(settings: Settings) -> tuple[Listed, ...]:
    """The previews of this repository on the server, by name.

    :param settings: those of any preview of the repository.
    :raises KestraError: the server cannot be read.
    """
    with connect(settings.connection, settings.parallelism) as client:
        client.server_info()  # reports a server that is too old
        return _listed(client, settings)


def _listed(client: KestraClient, settings: Settings) -> tuple[Listed, ...]:
    assert settings.name is not None
    found = find_previews(client.kv, settings.name, origin().repository, target_of(client))
    return tuple(_seen(each) for each in found)


def _seen(record: OtherRecord) -> Listed:
    now = datetime.now(timezone.utc)
    preview = record.inventory.preview
    created = time_of(preview.created) if preview is not None else None
    expires = time_of(preview.expires) if preview is not None else None
    return Listed(
        name_of(record.place.environment) or "",
        record.inventory,
        record.place,
        None if created is None else (now - created).total_seconds(),
        expires is not None and expires <= now,
    )


def _preview_of(settings: Settings) -> Preview:
    assert settings.preview is not None, "not the settings of a preview"
    return settings.preview


def _check_namespaces(client: KestraClient, settings: Settings) -> None:
    """Check that the preview does not exist with other namespaces.

    :raises RefusedError: it has namespaces that do not match the configuration.
    """
    assert settings.name is not None
    assert settings.scope is not None
    target = target_of(client, settings.environment)
    here = origin().repository
    for each in find_previews(client.kv, settings.name, here, target, settings.environment):
        names = {each.place.namespace, *(key.namespace for key in each.inventory.bases())}
        others = sorted(name for name in names if not settings.scope.covers(name))
        if others:
            commit = f" (of commit {each.inventory.commit[:12]})" if each.inventory.commit else ""
            raise RefusedError(
                f"the preview {_preview_of(settings).name!r} is in {', '.join(others)}, which"
                " does not match `preview.namespaces`",
                remedy="`preview.namespaces` has changed since the preview was deployed: remove it"
                f" with the configuration that it was deployed with{commit}",
            )


def _removal_or_why(client: KestraClient, settings: Settings, observer: Observer) -> Removal:
    """Plan a removal; a refusal becomes part of the result."""
    try:
        return _removal(client, settings, observer)
    except RefusedError as error:
        return Removal(_preview_of(settings), None, refused=error)


def _removal(client: KestraClient, settings: Settings, observer: Observer) -> Removal:
    """Plan the removal of a preview."""
    preview = _preview_of(settings)
    scope = settings.scope
    assert scope is not None
    info = client.server_info()
    _check_namespaces(client, settings)
    target = target_of(client, settings.environment)
    ownership = read_ownership(client.kv, settings, scope, target)
    # It expires now: if this run is killed, `clean` completes the removal.
    ownership = replace(ownership, preview=replace(preview, ttl=0))
    if ownership.inventory is None:
        return Removal(preview, ownership)
    live = read_live(client, settings, scope, (), None, observer)
    kinds = Kinds(settings, client.tenant, secrets=False)
    compared = compare_with_server(
        client, settings, scope, (), live.flows, OtherResources(kinds), ownership, observer
    )
    changes = compared.changes
    if compared.others is not None:
        spare = respecting_others(compared.others.owners, compared.bases, take_over=False)
        changes = refined(changes, [spare])
    plan = Plan(target, info.version, "", scope, 0, changes, 0)
    return Removal(preview, ownership, plan, kinds)


def _remove(
    client: KestraClient, settings: Settings, removal: Removal, observer: Observer
) -> DownResult:
    if removal.plan is None or removal.ownership is None:
        return DownResult(removal)
    from kestra_sync.apply.transaction import apply_plan

    kinds = removal.kinds
    assert kinds is not None
    options = ApplyOptions()
    done = apply_plan(
        client,
        removal.plan,
        removal.ownership,
        settings,
        options,
        observer,
        kinds=kinds.on(client),
    )
    if done.interrupted or done.exit_code() is not ExitCode.OK:
        return DownResult(removal, done=done)
    observer.stage("deleting executions")
    swept: list[Swept] = []

    def executions_gone(record: Inventory) -> bool:
        from kestra_sync.executions.sweep import sweep

        scope = settings.scope
        assert scope is not None
        known = () if record.preview is None else record.preview.past
        # An inventory may be forged: resources outside of the preview are left alone.
        past = {each for each in known if scope.covers(each.namespace) and is_resource_id(each)}
        flows = {each for each in past if each.kind is Kind.FLOW}
        swept.append(sweep(client, scope, flows))
        kinds.clean(client, past - flows)
        return not swept[-1].problems

    removed = remove_record(
        client.kv, removal.ownership.place, executions_gone, lock_timeout=settings.lock_timeout
    )
    return DownResult(
        removal,
        done=done,
        executions=sum(each.deleted for each in swept),
        problems=tuple(words for each in swept for words in each.problems),
        removed=removed,
    )
