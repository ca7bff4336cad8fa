"""Reads the YAML files that declare key-value pairs."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from glob import glob
from pathlib import Path
from typing import Any

from kestra_sync.findings import diagnostic
from kestra_sync.kinds.kv.values import (
    TYPES,
    KvValue,
    ValueProblem,
    masked,
    seconds_of,
    typed,
    typed_text,
)
from kestra_sync.model import Diagnostic, Kind, KvOverride, Position, ResourceId, Severity
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.parse import parse
from kestra_sync.safe.paths import read_bytes
from kestra_sync.safe.text import is_namespace
from kestra_sync.suggest import closest

_KEY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,199}")
RESERVED = ("kestra-sync.", "kestra-sync-")
"""Prefixes of the keys in which kestra-sync stores its records and locks."""
_MEMBERS = frozenset({"type", "value", "env", "ttl", "description", "masked"})
_MAX_BYTES = 10 * 1024 * 1024
_CREDENTIAL = re.compile(
    r"KESTRA_(?:TOKEN|PASSWORD|HEADERS)(?:_.*)?"
    r"|ACTIONS_.*|GITHUB_TOKEN|GH_TOKEN|GITLAB_TOKEN|CI_JOB_TOKEN|CI_[A-Z_]*PASSWORD"
    r"|SYSTEM_ACCESSTOKEN|BITBUCKET_STEP_OIDC_TOKEN"
)
"""Variables with credentials of kestra-sync itself and of the CI job. The author of a pull request
chooses the variable of a key, and must not be able to read these through a flow."""


@dataclass(frozen=True)
class Declared:
    """A key as declared in a file."""

    resource: ResourceId
    value: KvValue
    path: str
    position: Position


@dataclass
class KvFiles:
    """The keys that the files declare, and diagnostics.

    :param withheld: the keys that are left out because their variables are not set.
    """

    keys: dict[ResourceId, Declared] = field(default_factory=dict)
    declared: set[ResourceId] = field(default_factory=set)
    withheld: set[ResourceId] = field(default_factory=set)
    files: int = 0
    diagnostics: list[Diagnostic] = field(default_factory=list)


def load(
    patterns: Sequence[str],
    environ: Mapping[str, str] | None = None,
    *,
    secrets: bool = True,
    refused: Collection[str] = (),
    overrides: Sequence[KvOverride] = (),
    config_path: str = "",
) -> KvFiles:
    """Read all files that match ``patterns``.

    :param patterns: paths, in which ``*``, ``?`` and ``**`` work as in a shell.
    :param environ: where ``{env: NAME}`` is looked up.
    :param secrets: a variable that is not set is an error; otherwise its key is left out.
    :param refused: variables that must not be used as values, besides known credentials.
    :param overrides: values from the configuration that replace those in the files.
    :param config_path: the configuration with ``overrides``.
    """
    given = {ResourceId(each.namespace, each.key, Kind.KV): each for each in overrides}
    variables = _Variables(os.environ if environ is None else environ, secrets, frozenset(refused))
    found = KvFiles()
    for pattern in patterns:
        paths = files_of(pattern)
        if not paths:
            _error(found, pattern, None, "kv-file", "no such file", "correct `kv`")
        for path in paths:
            _read(path, variables, found, _Overrides(given, config_path))
    for resource, each in given.items():
        if resource not in found.declared:
            words = f"{each.key}: no file declares this key in {each.namespace}"
            remedy = "correct the name, or declare the key in a file that `kv` names"
            _error(found, config_path, each.position, "kv-no-match", words, remedy)
    return found


@dataclass(frozen=True)
class _Overrides:
    """The values of an environment, and the file that contains them."""

    values: Mapping[ResourceId, KvOverride]
    path: str


def files_of(pattern: str) -> list[str]:
    """Return the files that match a pattern, sorted, with ``/``."""
    found = glob(pattern, recursive=True)  # noqa: PTH207 - a pattern with folders
    return sorted(each.replace(os.sep, "/") for each in found)


def _error(
    found: KvFiles,
    path: str,
    position: Position | None,
    rule: str,
    message: str,
    remedy: str | None = None,
) -> None:
    found.diagnostics.append(Diagnostic(path, position, Severity.ERROR, rule, message, remedy))


def _read(path: str, variables: _Variables, found: KvFiles, overrides: _Overrides) -> None:
    found.files += 1
    try:
        parsed = parse(read_bytes(Path(path), limit=_MAX_BYTES))
    except OSError as error:
        _error(found, path, None, "kv-file", error.strerror or str(error))
        return
    if not isinstance(parsed, ParsedDocument):
        found.diagnostics += [diagnostic(each, path) for each in parsed]
        return
    if parsed.aliases:
        found.diagnostics += [diagnostic(each, path) for each in parsed.refused_aliases("kv-file")]
        return
    value = parsed.value
    if not isinstance(value, dict) or not isinstance(value.get("values"), dict):
        remedy = "write `namespace:` and `values:`, see docs/files-and-keys.md"
        _error(found, path, parsed.root, "kv-file", "there are no `values`", remedy)
        return
    for key in value.keys() - {"namespace", "values"}:
        at = parsed.position_of([key], key=True)
        _error(found, path, at, "kv-file", f"unknown key {key!r}")
    namespace = value.get("namespace")
    if not isinstance(namespace, str) or not is_namespace(namespace):
        at = parsed.position_of(["namespace"])
        _error(found, path, at, "kv-file", "`namespace` must be a namespace of Kestra")
        return
    for key, each in value["values"].items():
        at = parsed.position_of(["values", key], key=True)
        _add(path, at, ResourceId(namespace, key, Kind.KV), each, variables, found, overrides)


def _add(
    path: str,
    at: Position,
    resource: ResourceId,
    data: Any,
    variables: _Variables,
    found: KvFiles,
    overrides: _Overrides,
) -> None:
    override = overrides.values.get(resource)
    place: tuple[str, Position | None] = (path, at)

    def wrong(rule: str, message: str, remedy: str | None = None) -> None:
        _error(found, *place, rule, f"{resource.id}: {message}", remedy)

    found.declared.add(resource)

    if not _KEY.fullmatch(resource.id):
        wrong("kv-key", "a key has letters, digits, '.', '_' and '-' and begins with a letter or"
              " a digit")  # fmt: skip
        return
    if resource.id.startswith(RESERVED):
        wrong("kv-key", "keys with this prefix are reserved for kestra-sync", "rename it")
        return
    known = found.keys.get(resource)
    if known is not None:
        line = known.position.line
        wrong("kv-duplicate", f"also declared in {known.path}, line {line}", "remove one of them")
        return
    if override is not None:
        place = (overrides.path, override.position)
    try:
        value = _value(data if override is None else _over(data, override.value), variables)
    except _NotSet as problem:
        if variables.required:
            wrong("kv-value", str(problem), problem.remedy)
        found.withheld.add(resource)
        return
    except ValueProblem as problem:
        wrong("kv-value", str(problem), problem.remedy)
        return
    found.keys[resource] = Declared(resource, value, path, at)


def declared_value(data: Any) -> KvValue:
    """Return the value that a file declares, without values of variables.

    :raises ValueProblem: it cannot be stored as it is declared.
    """
    return _value(data, _Variables({}, False, frozenset()))


class _NotSet(ValueProblem):
    pass


@dataclass(frozen=True)
class _Variables:
    """The environment variables with values of keys.

    :param required: a variable that is not set is an error; otherwise its key is left out.
    """

    values: Mapping[str, str]
    required: bool
    refused: frozenset[str]

    def text_of(self, name: Any) -> str:
        """Return the value of a variable.

        :raises ValueProblem: it must not be read, or is not set.
        """
        if not isinstance(name, str) or not name:
            raise ValueProblem("`env` must be the name of an environment variable")
        if name in self.refused or _CREDENTIAL.fullmatch(name.upper()):
            raise ValueProblem(
                f"{name} is a credential of this run, which flows must not read",
                "use a separate secret, in a variable with a different name",
            )
        text = self.values.get(name)
        if not text:
            state = "not set" if text is None else "empty"
            raise _NotSet(
                f"the environment variable {name} is {state}",
                "set it; to store the mapping itself, write {value: {env: …}}",
            )
        return text


def _value(data: Any, variables: _Variables) -> KvValue:
    """Return the value of one key.

    :raises ValueProblem: it cannot be stored as declared.
    """
    if not _is_declaration(data):
        _refuse_misspelt(data)
        return typed(data, None)
    declared = data.get("type")
    if declared is not None and declared not in TYPES:
        raise ValueProblem(f"the type must be one of {', '.join(TYPES)}")
    if "env" in data:
        if "value" in data:
            raise ValueProblem("either `value` or `env`, not both")
        value = masked(typed_text(variables.text_of(data["env"]), declared))
    else:
        value = typed(data["value"], declared)
        hidden = data.get("masked", False)
        if not isinstance(hidden, bool):
            raise ValueProblem("`masked` must be true or false")
        value = masked(value) if hidden else value
    description = data.get("description")
    if description is not None and not (
        isinstance(description, str) and description.isascii() and description.isprintable()
    ):
        raise ValueProblem("`description` must be printable ASCII, as it is sent in a header")
    ttl = data.get("ttl")
    if ttl is not None and not isinstance(ttl, str):
        raise ValueProblem("`ttl` is a duration such as PT1H")
    seconds = None if ttl is None else seconds_of(ttl)
    if seconds == 0:
        raise ValueProblem("`ttl` must be greater than zero")
    return replace(value, ttl=seconds, description=description or None)


def _over(below: Any, above: Any) -> dict[str, Any]:
    """Replace the value in the declaration of a key, keeping its other members.

    :raises ValueProblem: the new value is a declaration with a misspelt member.
    """
    if not _is_declaration(above):
        _refuse_misspelt(above)
        above = {"value": above}
    rest = dict(below) if _is_declaration(below) else {}
    rest.pop("value", None)
    rest.pop("env", None)
    return {**rest, **above}


def _is_declaration(data: Any) -> bool:
    """Return whether a mapping is a declaration. Any other mapping is the value itself."""
    return (
        isinstance(data, dict) and data.keys() <= _MEMBERS and bool(data.keys() & {"value", "env"})
    )


def _refuse_misspelt(data: Any) -> None:
    """Reject ``{value: 1, ttll: PT1H}``, which would be stored as a mapping.

    :raises ValueProblem: the mapping is a declaration with a misspelt member.
    """
    if not isinstance(data, dict) or not data.keys() & {"value", "env"}:
        return
    for name in sorted(data.keys() - _MEMBERS):
        suggestion = closest(name, _MEMBERS)
        if suggestion is not None and suggestion not in data:
            raise ValueProblem(
                f"`{name}` is not part of a declaration: did you mean `{suggestion}`?",
                "correct it; to store the mapping itself, write {value: {…}}",
            )
