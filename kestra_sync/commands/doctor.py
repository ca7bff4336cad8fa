"""``doctor``: checks whether a plan and an apply can run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial

from kestra_sync.apply.lock import read_holder, try_to_write
from kestra_sync.apply.probes import forbidden_for_executions, forbidden_for_flows
from kestra_sync.client.client import KestraClient, connect, target_of
from kestra_sync.client.errors import Forbidden, Unauthorized
from kestra_sync.client.network import examine_connection, route_to
from kestra_sync.commands.checkup import (
    Checkup,
    Diagnosis,
    Health,
    clock,
    network,
    run_check,
    tls,
    versions,
)
from kestra_sync.commands.explain import SITE
from kestra_sync.commands.files import check_found, load_files, render_files, scope_of
from kestra_sync.commands.smoke import SmokeSpec, load_specs
from kestra_sync.commands.triggers import disabled_triggers
from kestra_sync.errors import ExitCode, UsageError
from kestra_sync.inventory.read import Lookup, check_owner, find_inventory, place_of
from kestra_sync.inventory.record import origin
from kestra_sync.kinds.flows.check import check_offline_rules
from kestra_sync.kinds.registry import Kinds
from kestra_sync.model import Repository, Scope, Severity, counted, plural
from kestra_sync.render import Rendered
from kestra_sync.settings import Settings

#: The maximum number of namespaces in which permissions are tested.
_TRIED = 5


def doctor(settings: Settings) -> Diagnosis:
    """Check everything that a plan and an apply depend on. Nothing is changed.

    :raises UsageError: if connection settings are not valid.
    """

    @cache
    def loaded() -> _LoadedFiles:
        repository = load_files(settings)
        return _LoadedFiles(repository, render_files(repository, settings))

    @cache
    def lookup() -> Lookup:
        assert settings.scope is not None  # a name needs a scope
        expected = place_of(settings, settings.scope)
        return find_inventory(client.kv, expected, settings.scope, origin().repository)

    checkups = [run_check("files", lambda: _files(loaded(), settings))]
    with connect(settings.connection, settings.parallelism) as client:
        look = cache(partial(examine_connection, client.url))
        checks: list[tuple[str, Callable[[], Checkup]]] = [
            ("network", lambda: network(route_to(client.url))),
            ("server", lambda: _server(client)),
            ("versions", lambda: versions(client.server_info())),
            ("tls", lambda: tls(client.url, look())),
            ("clock", lambda: clock(look())),
            ("credentials", lambda: _credentials(client)),
            ("inventory", lambda: _inventory(client, settings, lookup)),
            ("lock", lambda: _lock(client, settings, lookup)),
            ("executions", lambda: _executions(client, settings)),
            ("triggers", lambda: _triggers(client, settings, loaded())),
            ("writing", lambda: _writing(client, settings, lookup)),
            ("flows", lambda: _flows(client, settings, loaded())),
        ]
        if settings.files or settings.kv:
            checks.append(("files and keys", lambda: _files_and_keys(client, settings)))
        if specs := load_specs(settings).specs:
            checks.append(("smoke tests", lambda: _smoke(client, specs)))
        broken = False
        for question, answer in checks:
            if broken:
                checkups.append(Checkup(question, Health.SKIPPED, "skipped, see above"))
                continue
            checkups.append(run_check(question, answer))
            broken = checkups[-1].health is Health.FAILED
    return Diagnosis(tuple(checkups))


@dataclass(frozen=True)
class _LoadedFiles:
    """The flows as they are in the files, and as they would be sent."""

    repository: Repository
    rendered: Rendered

    def scope(self, settings: Settings) -> Scope:
        return scope_of(self.rendered, settings.scope)


def _files(loaded: _LoadedFiles, settings: Settings) -> Checkup:
    repository, rendered = loaded.repository, loaded.rendered
    found = [
        *repository.diagnostics,
        *rendered.diagnostics,
        *check_offline_rules(rendered.desired, settings),
    ]
    errors = sum(each.severity is Severity.ERROR for each in found)
    if errors:
        return Checkup(
            "files",
            Health.FAILED,
            f"{plural(errors, 'error')} in {repository.source}",
            "see 'kestra-sync validate --offline'",
            ExitCode.INVALID,
        )
    skipped = _skipped(repository)
    if not repository.flows:
        try:
            check_found(repository, settings, selected=0)
        except UsageError as error:
            return Checkup(
                "files", Health.FAILED, error.message + skipped, error.remedy, error.exit_code
            )
        return Checkup(
            "files", Health.WARNING, f"no flows in {repository.source}{skipped}", "check the paths"
        )
    scope = loaded.scope(settings)
    return Checkup(
        "files",
        Health.OK,
        f"{plural(len(repository.flows), 'flow')} in {repository.source}, scope"
        f" {', '.join(scope.namespaces)}{' (exactly)' if scope.exact else ''}{skipped}",
    )


def _files_and_keys(client: KestraClient, settings: Settings) -> Checkup:
    """Check whether namespace files and keys are valid and can be read; nothing is written."""
    question = "files and keys"
    kinds = Kinds(settings, client.tenant)
    loaded = kinds.load()
    errors = [each for each in loaded.diagnostics if each.severity is Severity.ERROR]
    if errors:
        more = f" and {len(errors) - 1:,} more" if len(errors) > 1 else ""
        return Checkup(
            question,
            Health.FAILED,
            f"{errors[0].path}: {errors[0].message}{more}",
            errors[0].remedy,
            ExitCode.INVALID,
        )
    refused, reason = [], ""
    for kind, namespace in sorted({(each.kind, each.namespace) for each in loaded.desired}):
        try:
            kinds.names(client, kind, namespace)
        except (Forbidden, Unauthorized) as error:
            refused.append(f"{kind.noun}s of {namespace}")
            reason = error.message
    numbers = Counter(each.kind for each in loaded.desired)
    counts = ", ".join(plural(numbers[kind], kind.noun) for kind in sorted(numbers)) or "none yet"
    if refused:
        return Checkup(
            question,
            Health.FAILED,
            f"{counts}; cannot read the {', '.join(refused[:3])}: {reason}",
            "plan and apply need permission to read and write namespace files and the KV store",
            ExitCode.NOT_ALLOWED,
        )
    return Checkup(question, Health.OK, f"{counts}; those on the server can be read")


def _skipped(repository: Repository) -> str:
    """List the files skipped because they are not flows: one may be a broken flow."""
    found = [f"{each.path} ({each.reason})" for each in repository.skipped]
    if not found:
        return ""
    more = f" and {len(found) - 3:,} more" if len(found) > 3 else ""
    return f"; not read as flows: {', '.join(found[:3])}{more}"


def _server(client: KestraClient) -> Checkup:
    info = client.server_info()
    return Checkup("server", Health.OK, f"Kestra {info.version} ({info.edition}) at {client.url}")


def _credentials(client: KestraClient) -> Checkup:
    namespaces = client.flows.namespaces()
    return Checkup(
        "credentials",
        Health.OK,
        f"can read the flows of {plural(len(namespaces), 'namespace')} in tenant {client.tenant}",
    )


def _inventory(client: KestraClient, settings: Settings, lookup: Callable[[], Lookup]) -> Checkup:
    if settings.name is None:
        return Checkup(
            "inventory",
            Health.WARNING,
            "no `name` is set: no inventory is kept, so nothing is pruned and drift is not "
            "detected",
            "run 'kestra-sync init', or add name: and scope: to kestra-sync.yaml",
        )
    found = lookup()
    inventory = found.inventory
    if inventory is None and found.similar:
        there = found.similar[0].place
        return Checkup(
            "inventory",
            Health.WARNING,
            f"{found.configured.full_name}: not created yet, but this repository has "
            f"{there.full_name} in {there.namespace}",
            f"if it was renamed, run 'kestra-sync inventory rename {there.full_name}"
            f" {found.configured.full_name}'",
        )
    if inventory is None:
        return Checkup(
            "inventory",
            Health.OK,
            f"{settings.name}: not created yet; the first apply creates it in "
            f"{found.configured.namespace}",
        )
    check_owner(
        inventory,
        origin().repository,
        target_of(client, settings.environment),
        take_over=settings.take_over,
    )
    where = f"{settings.name} in {found.at.namespace}"
    if found.moves:
        where += f" (the next apply moves it to {found.configured.namespace})"
    if inventory.intent is not None:
        return Checkup(
            "inventory",
            Health.WARNING,
            f"{where}: a run started at {inventory.intent.time} did not finish",
            "run 'kestra-sync apply' again to complete it",
        )
    return Checkup(
        "inventory",
        Health.OK,
        f"{where}: {counted(inventory.resources)}, last written {inventory.time}",
    )


def _lock(client: KestraClient, settings: Settings, lookup: Callable[[], Lookup]) -> Checkup:
    if settings.name is None or settings.scope is None:
        return Checkup("lock", Health.SKIPPED, "no inventory, so no lock")
    holder = read_holder(client.kv, lookup().at)
    if holder is None:
        return Checkup("lock", Health.OK, "free")
    return Checkup(
        "lock",
        Health.WARNING,
        f"held by {holder.who} since {holder.since}",
        "wait for that run; if it crashed, release the lock with 'kestra-sync unlock'",
    )


def _executions(client: KestraClient, settings: Settings) -> Checkup:
    try:
        client.executions.search(settings.scope, page_size=1, limit=1)
    except (Forbidden, Unauthorized) as error:
        return Checkup(
            "executions",
            Health.WARNING,
            f"cannot be read: {error.message}",
            "smoke tests, 'executions' and 'run' need permission to read and start executions",
        )
    return Checkup(
        "executions", Health.OK, "can be read; starting one, as smoke tests do, was not tested"
    )


def _triggers(client: KestraClient, settings: Settings, loaded: _LoadedFiles) -> Checkup:
    desired = {each.flow_id: each for each in loaded.rendered.desired}
    try:
        found = disabled_triggers(client, loaded.scope(settings), desired)
    except (Forbidden, Unauthorized) as error:
        return Checkup(
            "triggers",
            Health.WARNING,
            f"cannot be read: {error.message}",
            "without this permission it is unknown whether triggers are disabled on the server",
        )
    if not found:
        answer = "no trigger that is enabled in Git is disabled on the server"
        return Checkup("triggers", Health.OK, answer)
    named = ", ".join(f"{flow_id} {trigger}" for flow_id, trigger in found[:3])
    more = f" and {len(found) - 3:,} more" if len(found) > 3 else ""
    return Checkup(
        "triggers",
        Health.WARNING,
        f"{len(found):,} enabled in Git and disabled on the server: {named}{more}",
        "if this is not intended, enable them with 'kestra-sync apply --triggers enable'",
    )


def _writing(client: KestraClient, settings: Settings, lookup: Callable[[], Lookup]) -> Checkup:
    if settings.name is None or settings.scope is None:
        return Checkup(
            "writing", Health.SKIPPED, "not tested: without a name there is no inventory to write"
        )
    place = lookup().configured
    try:
        try_to_write(client.kv, place)
    except (Forbidden, Unauthorized) as error:
        return Checkup(
            "writing",
            Health.WARNING,
            f"cannot write to the KV store of {place.namespace}: {error.message}",
            "plan does not need this permission; apply keeps its inventory and lock there",
            stops_apply=True,
        )
    return Checkup(
        "writing",
        Health.OK,
        f"can write to the KV store of {place.namespace} (the server accepted the deletion of a "
        f"nonexistent key)",
    )


def _flows(client: KestraClient, settings: Settings, loaded: _LoadedFiles) -> Checkup:
    """Test the permissions of an apply, with flows that do not exist."""
    return _allowed(
        "flows",
        loaded.scope(settings).namespaces,
        lambda namespace: forbidden_for_flows(client.flows, namespace),
        allowed="can validate, create and delete flows in {} (tested with flows that do not exist; "
        "an update cannot be tested without writing one)",
        remedy="apply needs to validate, create, update and delete flows: grant the permission "
        f"FLOW in these namespaces ({SITE}/permissions/)",
        stops_apply=True,
    )


def _smoke(client: KestraClient, specs: Iterable[SmokeSpec]) -> Checkup:
    return _allowed(
        "smoke tests",
        sorted({each.flow.namespace for each in specs}),
        lambda namespace: forbidden_for_executions(client.executions, namespace),
        allowed="can start and delete executions in {} (tested with a flow that does not exist)",
        remedy="smoke tests start executions and delete them: grant the permission EXECUTION in "
        f"these namespaces ({SITE}/permissions/)",
    )


def _allowed(
    check: str,
    namespaces: Sequence[str],
    forbidden: Callable[[str], tuple[str, ...]],
    *,
    allowed: str,
    remedy: str,
    stops_apply: bool = False,
) -> Checkup:
    """Report the permissions of the account in the first few of ``namespaces``.

    :param forbidden: returns the forbidden actions in a namespace.
    :param allowed: the message if there are none, with ``{}`` for the tested namespaces.
    """
    tried = namespaces[:_TRIED]
    if not tried:
        return Checkup(check, Health.SKIPPED, "not tested: no namespace is known")
    refused = {each: forbidden(each) for each in tried}
    if not any(refused.values()):
        return Checkup(check, Health.OK, allowed.format(", ".join(tried)))
    words = "; ".join(f"{', '.join(verbs)} in {each}" for each, verbs in refused.items() if verbs)
    return Checkup(
        check,
        Health.WARNING,
        f"the account is not allowed to {words}",
        remedy,
        stops_apply=stops_apply,
    )
