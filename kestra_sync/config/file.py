"""Finds, parses and validates the configuration file: its schema, and all errors at once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kestra_sync.errors import UsageError
from kestra_sync.findings import Finding, Locate, NodePath, diagnostic
from kestra_sync.findings import NodePath as Place
from kestra_sync.model import Diagnostic, Position
from kestra_sync.previews import Preview
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.parse import parse
from kestra_sync.safe.paths import fixed_part, is_below, is_there, read_bytes, repository_root
from kestra_sync.schemas import SchemaError, findings, load, resolve, shortened
from kestra_sync.suggest import closest, plain


class ConfigError(UsageError):
    """The configuration file cannot be used (exit 64).

    :param diagnostics: all errors in it, in the order of the lines.
    """

    def __init__(self, path: str, diagnostics: Sequence[Diagnostic]) -> None:
        self.path = path
        self.diagnostics = tuple(sorted(diagnostics, key=lambda each: each.sort_key))
        number = len(self.diagnostics)
        head = f"{path} is not valid: {number} error{'s' if number > 1 else ''}"
        super().__init__("\n".join([head, *map(_line, self.diagnostics)]))


def _line(diagnostic: Diagnostic) -> str:
    where = diagnostic.path
    if diagnostic.position is not None:
        where += f":{diagnostic.position.line}:{diagnostic.position.column}"
    text = f"{where}: {diagnostic.severity}[{diagnostic.rule}] {diagnostic.message}"
    return f"{text}\n    {diagnostic.remedy}" if diagnostic.remedy else text


NAMES = ("kestra-sync.yaml", "kestra-sync.yml")
#: Maximum size of a configuration; a file passed by mistake may be larger.
MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, eq=False)
class ConfigFile:
    """A configuration without errors, as written in its file.

    :param path: as the user would write it, with ``/``.
    """

    path: str
    document: ParsedDocument

    @property
    def value(self) -> dict[str, Any]:
        """The mapping in the file."""
        value: dict[str, Any] = self.document.value
        return value


@dataclass(frozen=True)
class Layer:
    """The part of the file that is merged over its top level.

    :param at: the path of ``value`` in the file.
    :param patches: all patches, each with its path in the file.
    :param login: the environment whose credentials are used.
    """

    value: Mapping[str, Any]
    at: NodePath = ()
    patches: tuple[tuple[NodePath, Mapping[str, Any]], ...] = ()
    login: str | None = None
    preview: Preview | None = None


def layer_of(file: Mapping[str, Any], environment: str) -> Layer:
    """Return the layer of an environment of the file."""
    value = file.get("environments", {})[environment] or {}
    at = ("environments", environment)
    return Layer(value, at, patches_of(value, at), environment)


def patches_of(
    value: Mapping[str, Any], at: NodePath
) -> tuple[tuple[NodePath, Mapping[str, Any]], ...]:
    """Return the patches in a part of the file, each with its path."""
    return tuple(
        ((*at, "patches", number), each) for number, each in enumerate(value.get("patches", ()))
    )


def find(path: str | None = None) -> str | None:
    """Return the path of the configuration: ``path``, or the one in the working directory.

    :raises UsageError: the working directory has both file names.
    """
    if path:
        return path
    found = [name for name in NAMES if is_there(name)]  # a broken link is not "none"
    if len(found) > 1:
        raise UsageError(
            f"both {found[0]} and {found[1]} exist", remedy="remove one, or pass --config"
        )
    return found[0] if found else None


def read(path: str) -> ConfigFile:
    """Parse and validate the file at ``path``.

    :raises UsageError: it cannot be read.
    :raises ConfigError: it has errors, all of which are reported.
    """
    shown = path.replace(os.sep, "/")
    document = parse(_bytes(path, shown))
    if not isinstance(document, ParsedDocument):
        raise ConfigError(
            shown,
            [_diagnostic(shown, replace(each, rule="config-yaml")) for each in document],
        )
    file = ConfigFile(shown, document)
    found = _findings(document.value)
    aliases = [_diagnostic(shown, each) for each in document.refused_aliases("config-yaml")]
    # An alias that is read as text causes another error at the same position: report only one.
    places = {each.position for each in aliases}
    wrong = [each for each in _located(file, found) if each.position not in places]
    if wrong or aliases:
        raise ConfigError(shown, [*aliases, *wrong])
    return file


def check_source(
    file: ConfigFile, above: Place, overlay: Mapping[str, Any], *, explicit: bool
) -> None:
    """Reject paths outside of the repository, which could read any file of the machine.

    :param above: the path of ``overlay`` in the file.
    :param overlay: the part that is merged over the top level of the file.
    :param explicit: the user passed the file, so its repository is allowed, too.
    :raises ConfigError: a path is outside of the repository.
    """
    base = Path(file.path).parent
    roots = [repository_root()]
    if explicit:
        roots.append(repository_root(base) or base)
    outside = []
    for name, remedy in _PATHS.items():
        # A mapping sets values of keys; it does not list files.
        here = name in overlay and not isinstance(overlay[name], dict)
        at = above if here else ()
        value = (overlay if here else file.value).get(name) or ()
        for place, each in _paths_in(value):
            if not is_below(fixed_part(str(base / each)), roots):
                words = f"`{each}` is outside of the repository"
                outside.append(Finding("config-path", (*at, name, *place), words, remedy))
    if outside:
        raise ConfigError(file.path, _located(file, outside))


#: The keys with files to read, and the remedy if they are elsewhere.
_PATHS = {
    "source": "keep the flows in the repository, or pass their directory on the command line",
    "files": "keep the files in the repository",
    "kv": "keep the files in the repository",
}


def _paths_in(value: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield the paths in the value of such a key, each with its position below the key."""
    if isinstance(value, str):
        yield (), value
        return
    for number, each in enumerate(value):
        if isinstance(each, str):
            yield (number,), each
        else:
            yield (number, "path"), each["path"]


VERSION = 1
#: Keys with rules that a schema cannot express, of the file or of an environment.
_RULED = ("url", "patches", "stamp", "policy", "ignore", "preview", "environments")


def version_finding(value: Any) -> Finding | None:
    """Return the finding for a file with another version, whose keys may have other meanings."""
    version = value.get("version") if isinstance(value, dict) else None
    if not isinstance(version, (int, float)) or isinstance(version, bool) or version == VERSION:
        return None
    return Finding(
        "config-version",
        ("version",),
        f"this kestra-sync supports version {VERSION} of the file, not {version}",
        "use the version of kestra-sync that this file was written for",
    )


def _findings(value: Any) -> list[Finding]:
    if value is None:
        return [Finding("config-missing-key", (), "the file is empty", "start with `version: 1`")]
    other_version = version_finding(value)
    if other_version is not None:
        return [other_version]
    found = schema_findings(value)
    if not isinstance(value, dict) or not any(key in value for key in _RULED):
        return found
    from kestra_sync.config.semantics import more_findings

    return [*found, *more_findings(value)]


def _located(file: ConfigFile, found: Iterable[Finding]) -> list[Diagnostic]:
    def locate(path: Place, key: bool) -> Position:
        return file.document.position_of(path, key=key)

    return [_diagnostic(file.path, each, locate) for each in found]


def _diagnostic(path: str, finding: Finding, locate: Locate | None = None) -> Diagnostic:
    # A key or value may contain line breaks, which would look like further messages.
    message = " ".join(finding.message.split())
    return diagnostic(replace(finding, message=message), path, locate)


def _bytes(path: str, shown: str) -> bytes:
    try:
        return read_bytes(path, limit=MAX_BYTES)
    except OSError as error:
        raise UsageError(f"the configuration {shown} cannot be read: {error.strerror}") from None


_SECRETS = {
    "password": "KESTRA_PASSWORD",
    "passwd": "KESTRA_PASSWORD",
    "pass": "KESTRA_PASSWORD",
    "token": "KESTRA_TOKEN",
    "apitoken": "KESTRA_TOKEN",
    "apikey": "KESTRA_TOKEN",
    "accesstoken": "KESTRA_TOKEN",
    "bearer": "KESTRA_TOKEN",
    "secret": "KESTRA_TOKEN",
    "secrets": "KESTRA_TOKEN",
    "auth": "KESTRA_TOKEN",
    "credentials": "KESTRA_TOKEN",
    "username": "KESTRA_USERNAME",
    "user": "KESTRA_USERNAME",
}


def schema_findings(value: Any) -> list[Finding]:
    """Return all violations of the schema in ``value``, the whole file."""
    return findings("config", value, "config", "the file", _unknown_key)


def _unknown_key(error: SchemaError, path: NodePath, key: str) -> Finding:
    """Return the finding for an unknown key: a secret, a typo, or a misplaced key."""
    shown = shortened(key)
    variable = _SECRETS.get(plain(key))
    if variable is None and re.search(r"(password|token|secret)$", plain(key)):
        variable = "KESTRA_TOKEN"
    if variable is not None:
        message = f"'{shown}' is not allowed here: credentials come from the environment"
        remedy = f"set {variable} in the environment or in a .env file that Git ignores"
        return Finding("config-secret", path, message, remedy, at_key=True)
    message, suggestion = _unknown_key_message(shown, key, list(error.rules["properties"]))
    return Finding("config-unknown-key", path, message, suggestion, at_key=True)


def _unknown_key_message(shown: str, key: str, known: list[str]) -> tuple[str, str | None]:
    """Return message and remedy."""
    suggestion = closest(key, known)
    if suggestion is None:
        suggestion = _elsewhere(key, load("config"))
        if suggestion is not None and plain(suggestion) == plain(key):
            return f"'{suggestion}' belongs at the top level of the file", None
    if suggestion is not None:
        return f"unknown key '{shown}', did you mean '{suggestion}'?", None
    return f"unknown key '{shown}'", f"known keys: {', '.join(known)}"


def _elsewhere(key: str, root: Mapping[str, Any]) -> str | None:
    for name, schema in root["properties"].items():
        if plain(key) == plain(name):
            return str(name)
        for inner in resolve(schema, root).get("properties", {}):
            if plain(key) == plain(inner):
                return f"{name}.{inner}"
    return None
