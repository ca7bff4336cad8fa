"""``init``: creates the initial files. Never overwrites existing ones.

``init --from-server`` also writes the flows of a running server to files, and records them as
deployed by this repository. It writes no flows; a plan has no changes afterwards.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from kestra_sync.commands.forges import Forge, forge_of, pipelines
from kestra_sync.commands.layouts import FoundResources, find_resources, find_sources
from kestra_sync.config.file import NAMES
from kestra_sync.errors import ExitCode, KestraSyncError, UsageError
from kestra_sync.inventory.record import origin
from kestra_sync.kinds.files.load import roots
from kestra_sync.model import Scope
from kestra_sync.observer import SILENT, Observer
from kestra_sync.repo.load import load
from kestra_sync.repo.walk import IGNORE_FILE
from kestra_sync.safe.paths import is_directory, is_there, write
from kestra_sync.settings import ApplyOptions, Settings
from kestra_sync.version import __version__

if TYPE_CHECKING:
    from kestra_sync.commands.apply import ApplyResult
    from kestra_sync.commands.pull import PullResult

_FILE = "kestra-sync.yaml"
#: Kestra's own namespace, which is only managed if configured explicitly.
_KESTRAS = "system"


@dataclass(frozen=True)
class InitFile:
    """An initial file.

    :param purpose: a short description.
    :param written: false if the file already existed and was left alone.
    """

    path: str
    purpose: str
    text: str
    written: bool = True


@dataclass(frozen=True)
class InitResult:
    """The files that were written.

    :param files: the configuration first.
    :param notes: the remaining manual steps, as sentences.
    """

    files: tuple[InitFile, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Adopted:
    """The result of ``--from-server``.

    :param written: ``None`` if the flows could not be pulled.
    :param applied: the result of recording them; its plan has no changes.
    """

    pulled: PullResult
    written: InitResult | None = None
    applied: ApplyResult | None = None

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the failed step, else 0."""
        if self.applied is not None:
            return self.applied.exit_code
        return self.pulled.exit_code


def init(
    paths: Sequence[str],
    *,
    name: str | None,
    namespaces: Sequence[str],
    forge: Forge | None = None,
) -> InitResult:
    """Write a configuration, ignore rules and a pipeline for the flows in ``paths``.

    Namespace files and keys next to the flows are configured as well.

    :param paths: by default the directories of flows that are found; see
        :mod:`kestra_sync.commands.layouts`.
    :param name: the name of the inventory; by default that of the repository or directory.
    :param namespaces: the scope; by default the namespace that all flows share, or else
        the outermost ones.
    :param forge: the platform to write a pipeline for; detected by default.
    :raises UsageError: there is a configuration already, or nothing tells the scope.
    :raises KestraSyncError: a file cannot be written.
    """
    _check_none_exists()
    paths = paths or find_sources()
    missing = [each for each in paths if not is_there(each)]
    if missing and not namespaces:
        raise UsageError(
            f"{missing[0]} does not exist, so there are no flows to derive the scope from",
            remedy="pass --namespace, and the directory is created; or --from-server",
        )
    flows = () if missing else load(paths).flows
    resources = find_resources(paths, flows) if flows else FoundResources()
    names = {each.flow_id.namespace for each in flows}
    names.update(namespace for each in resources.files for _, namespace in roots(each))
    scope = list(namespaces) or _outermost(sorted(names))
    if not scope:
        raise UsageError(
            f"no flows in {', '.join(paths)} to derive the scope from",
            remedy="pass --namespace",
        )
    text = _TEXT.format(
        version=__version__,
        name=name or _default_name(),
        source=_text(paths[0]) if len(paths) == 1 else f"[{', '.join(map(_text, paths))}]",
        scope=", ".join(scope),
        resources=_files_and_keys(resources),
    )
    files = [InitFile(_FILE, "configuration", text)]
    if not is_there(paths[0]) or is_directory(paths[0]):
        files.append(_ignore_file(paths[0]))
    seen = forge_of() if forge is None else forge
    made, notes = pipelines(seen)
    files += [InitFile(path, purpose, text) for path, purpose, text in made]
    notes = (*(_UNSURE.format(path=each) for each in resources.unsure), *notes)
    return InitResult(tuple(_write(each) for each in files), notes)


def adopt(
    settings: Settings,
    *,
    name: str | None,
    forge: Forge | None = None,
    observer: Observer = SILENT,
) -> Adopted:
    """Write the flows of a running server to files, and record them as deployed by this repository.

    No flow is written to the server: the files get its sources, byte for byte.

    :param settings: those of ``pull``; without a scope, all namespaces except Kestra's own.
    :raises UsageError: there is a configuration already, or the server has no flows.
    """
    from kestra_sync.client.client import connect
    from kestra_sync.commands.apply import apply
    from kestra_sync.commands.pull import pull

    _check_none_exists()
    scope = settings.scope
    if scope is None:
        with connect(settings.connection, settings.parallelism) as client:
            found = [each for each in client.flows.namespaces() if each != _KESTRAS]
        if not found:
            raise UsageError(
                "the server has no flows to adopt",
                remedy="check --url and --tenant; for an empty server, run 'kestra-sync init'",
            )
        scope = Scope(tuple(_outermost(sorted(found))))
    first = [] if is_there(settings.paths[0]) else [_write(_ignore_file(settings.paths[0]))]
    # Without a name nothing is recorded yet.
    looking = replace(settings, scope=scope, allow_empty=True)
    pulled = pull(looking, new=True, dry_run=False, observer=observer)
    if pulled.exit_code is not ExitCode.OK:
        return Adopted(pulled)
    if not pulled.flows and not pulled.planned.repository.flows:
        raise UsageError(
            f"the server has no flows in {', '.join(scope.namespaces)} to adopt",
            remedy="check --namespace, --url and --tenant",
        )
    name = name or _default_name()
    written = init(settings.paths, name=name, namespaces=scope.namespaces, forge=forge)
    made = {each.path: each for each in first}
    written = replace(written, files=tuple(made.get(each.path, each) for each in written.files))
    ours = replace(settings, scope=scope, name=name)
    recording = ApplyOptions(refresh_only=True)
    return Adopted(
        pulled, written, apply(ours, lambda _: True, options=recording, observer=observer)
    )


def _check_none_exists() -> None:
    there = next((each for each in NAMES if is_there(each)), None)
    if there is not None:
        raise UsageError(f"{there} already exists", remedy="edit it, or remove it first")


def _ignore_file(folder: str) -> InitFile:
    path = str(PurePosixPath(folder, IGNORE_FILE))
    return InitFile(path, "files that are not deployed", _IGNORE)


def _write(file: InitFile) -> InitFile:
    if is_there(file.path):
        return replace(file, written=False)
    try:
        write(file.path, file.text, parents=True)
    except OSError as error:
        raise KestraSyncError(f"cannot write {file.path}: {error.strerror}") from error
    return file


_TEXT = """\
# yaml-language-server: $schema=https://raw.githubusercontent.com/kestra-sync/kestra-sync/v{version}/kestra_sync/schemas/config.json
# Configuration of kestra-sync. All keys: https://kestra-sync.github.io/kestra-sync/configuration/
version: 1

# Name of the inventory, the record of applied flows on the server.
name: {name}
source: {source}

# Namespaces that this repository manages, including their children.
scope: [{scope}]

{resources}
# Delete deployed flows that were removed from Git. Other values: none, scope.
prune: owned
"""
_UNSURE = (
    "{path} looks like namespace files: name the namespace in kestra-sync.yaml to deploy them."
)

_IGNORE = """\
# Files that kestra-sync leaves alone. The syntax is that of .gitignore.
drafts/
*.bak
*.orig
*~
"""


def _files_and_keys(resources: FoundResources) -> str:
    """Return the part of the configuration for namespace files and keys."""
    lines = []
    if resources.files or resources.unsure:
        lines += ["", "# Namespace files: each directory is the root of a namespace's files."]
        lines += ["files:"] if resources.files else ["# files:"]
        lines += [
            f"  - {{path: {_text(each.path)}, namespace: {_text(each.namespace)}}}"
            for each in resources.files
        ]
        lines += [f"#   - {{path: {_text(each)}, namespace: …}}" for each in resources.unsure]
    if resources.kv:
        lines += ["", "# Key-value pairs.", f"kv: [{', '.join(map(_text, resources.kv))}]"]
    return "\n".join([*lines, ""]) if lines else ""


def _text(value: str) -> str:
    """Return a text as a YAML scalar."""
    return value if re.fullmatch(r"[\w./-]*[a-zA-Z_/][\w./-]*", value) else json.dumps(value)


def _outermost(namespaces: Sequence[str]) -> list[str]:
    """Return the common parent namespace, or else the namespaces without a parent among them."""
    parts = [each.split(".") for each in namespaces]
    shared = [names[0] for names in zip(*parts, strict=False) if len(set(names)) == 1]
    if shared and all(each[: len(shared)] == shared for each in parts):
        return [".".join(shared)]
    return [
        each for each in namespaces if not any(each.startswith(f"{other}.") for other in namespaces)
    ]


def _default_name() -> str:
    repository = origin().repository.rpartition("/")[2]
    name = re.sub(r"[^a-zA-Z0-9._-]+", "-", repository or Path.cwd().name).strip("._-")
    return name[:60] or "flows"
