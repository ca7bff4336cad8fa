"""``diff``: compares two environments, by the names in the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kestra_sync.client.client import connect
from kestra_sync.commands.files import (
    has_errors,
    is_selected,
    load_files,
    name_in_files,
    render_files,
    scope_of,
)
from kestra_sync.errors import ExitCode
from kestra_sync.kinds.flows import read as flows_read
from kestra_sync.kinds.registry import Kinds
from kestra_sync.model import Diagnostic, Repository, ResourceId
from kestra_sync.observer import SILENT, Observer
from kestra_sync.resources import Content
from kestra_sync.settings import Settings


@dataclass(frozen=True)
class Side:
    """The resources on the server of one environment, by their names in the files.

    :param server: URL, version and tenant.
    :param sources: as they would be in the files; as on the server if that cannot be derived.
    :param configured: files and keys that match the configuration of this environment.
    """

    server: str
    sources: Mapping[ResourceId, Content]
    configured: frozenset[ResourceId] = frozenset()
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True)
class DiffResult:
    """Two environments, compared.

    Files and keys that match the configuration on both sides count as equal: a key may
    have another value in each environment, and secrets cannot be compared otherwise.
    """

    before: Side
    after: Side

    @property
    def only_before(self) -> tuple[ResourceId, ...]:
        """Resources that exist only in the first environment."""
        return tuple(sorted(self.before.sources.keys() - self.after.sources.keys()))

    @property
    def only_after(self) -> tuple[ResourceId, ...]:
        """Resources that exist only in the second environment."""
        return tuple(sorted(self.after.sources.keys() - self.before.sources.keys()))

    @property
    def changed(self) -> tuple[ResourceId, ...]:
        """Resources that exist in both, with different sources."""
        both = self.before.sources.keys() & self.after.sources.keys()
        both -= self.before.configured & self.after.configured
        return tuple(
            sorted(each for each in both if self.before.sources[each] != self.after.sources[each])
        )

    @property
    def differs(self) -> bool:
        """Whether there is any difference."""
        return bool(self.only_before or self.only_after or self.changed)

    def exit_code(self, *, detailed: bool) -> ExitCode:
        """3 if the files cannot be parsed; 2 with differences if ``detailed``."""
        if has_errors((*self.before.diagnostics, *self.after.diagnostics)):
            return ExitCode.INVALID
        return ExitCode.CHANGES if detailed and self.differs else ExitCode.OK


def diff_environments(
    before: Settings, after: Settings, *, observer: Observer = SILENT
) -> DiffResult:
    """Read both servers, and map names back to those of the files. Writes nothing.

    :raises KestraError: if one of the servers cannot be read.
    """
    from kestra_sync.client.parallel import in_background

    observer.stage("reading the files")
    kinds, others = (Kinds(each, secrets=False, observer=observer) for each in (before, after))
    flows = load_files(before)
    same = _files(before, kinds) == _files(after, others)
    flows_after = flows if same else load_files(after)
    sides = " and ".join(each.environment or "the server" for each in (before, after))
    observer.stage(f"reading {sides}")
    second = in_background(lambda: _side(after, others, flows_after))
    return DiffResult(_side(before, kinds, flows), second())


def _files(settings: Settings, kinds: Kinds) -> tuple[object, ...]:
    """The settings that determine which flows are loaded."""
    return (
        settings.paths,
        settings.ignore,
        settings.strict,
        settings.base_path,
        settings.new_paths,
        sorted(kinds.paths()),
    )


def _side(settings: Settings, kinds: Kinds, flows: Repository) -> Side:
    """Read the server of one environment.

    :param flows: those of the files.
    """
    from kestra_sync.render.back import to_file

    repository = load_files(settings, kinds, flows)
    rendered = render_files(repository, settings)
    desired = {each.flow_id: each for each in rendered.desired}
    scope = scope_of(rendered, settings.scope)
    stamp = settings.rendering.stamp
    with connect(settings.connection, settings.parallelism) as client:
        server = f"{client.url} (Kestra {client.server_info().version}, tenant {client.tenant})"
        live = flows_read.read(
            client, scope, rendered.desired, parallelism=settings.parallelism
        ).flows
        reading = kinds.read(client, repository.other_resources, {})
    sources: dict[ResourceId, Content] = {}
    configured = set()
    for flow_id, each in live.items():
        if not is_selected(flow_id, settings):
            continue
        data = to_file(each.source, flow_id, desired.get(flow_id), settings.rendering, stamp)
        sources[name_in_files(flow_id, settings)] = each.source if data is None else data
    for resource, each in reading.live.items():
        if not is_selected(resource, settings):
            continue
        name = name_in_files(resource, settings)
        sources[name] = each.content
        configured_as = repository.other_resources.get(resource)
        if configured_as is not None and configured_as.content == each.content:
            configured.add(name)
    diagnostics = (*repository.diagnostics, *rendered.diagnostics, *reading.diagnostics)
    return Side(server, sources, frozenset(configured), diagnostics)
