"""Makes untrusted text harmless before it reaches a terminal, a log, an error or a report.

Flows, logs and responses of servers are untrusted: an escape sequence may change the title of a
window, hide lines of a diff or answer a prompt; bidirectional overrides make code look different
than it runs (CVE-2021-42574); and CI systems execute commands in the log of a job: ``::name::`` at
the start of a line (GitHub), ``##[name]`` and ``##vso[…]`` anywhere (GitHub, Azure).
"""

from __future__ import annotations

import json
import re

from kestra_sync.resources import FlowId, Kind, ResourceId

_UNSAFE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f"  # C0 but tab, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls
    "\u2028\u2029\ufeff\ufff9-\ufffb"  # line separators, byte order mark, annotations
    "\ud800-\udfff\ufffe\uffff]"  # halves of characters, which no encoding can write, and none
    r"|(?<=##)(?:\[|(?=\w{1,20}\[))"
)
_COMMAND = re.compile(r"^(?P<blank>\s*):(?=:)")
# CSI, OSC and similar sequences, two-character escapes, and the C1 form of CSI.
_ESCAPES = re.compile(
    "\x1b(?:\\[[0-?]*[ -/]*[@-~]|[\\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\)?|[ -/]*[0-Z\\\\^-~])"
    "|\x9b[0-?]*[ -/]*[@-~]"
)
_LINE_BREAK = re.compile("\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


def visible(text: str) -> str:
    """Spell out control characters in a line, such as ``\\x1b``."""
    return _UNSAFE.sub(_spell, text) if _UNSAFE.search(text) else text


def no_command(line: str) -> str:
    """Return a line for a log that is not a command for CI."""
    return _COMMAND.sub(r"\g<blank>\\x3a", line)


def harmless(text: str) -> str:
    """Make ``text`` safe to print, keeping line breaks: no control characters or commands."""
    return "\n".join(no_command(visible(line)) for line in _LINE_BREAK.split(text))


def without_escapes(text: str) -> str:
    """Remove terminal escape sequences from ``text``."""
    return _ESCAPES.sub("", text) if "\x1b" in text or "\x9b" in text else text


def _spell(match: re.Match[str]) -> str:
    found = match.group()
    if not found:  # before the name of a command
        return "\\"
    code = ord(found)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


# Valid names in Kestra. Other names from a server are not trusted: names become paths, parts of
# URLs and lines of reports, so they are validated when they are read.

#: As validated by Kestra 1.0 to 2.0, including the length.
_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9._-]{0,149}")
_FLOW = re.compile(Kind.FLOW.traits.id_pattern or "")
_SHOWN = 60


def is_namespace(text: str) -> bool:
    """Return whether Kestra accepts ``text`` as a namespace."""
    return _NAMESPACE.fullmatch(text) is not None


def is_flow_name(text: str) -> bool:
    """Return whether Kestra accepts ``text`` as the id of a flow."""
    return _FLOW.fullmatch(text) is not None


def is_flow_id(flow_id: FlowId) -> bool:
    """Return whether Kestra accepts both namespace and id."""
    return is_namespace(flow_id.namespace) and is_flow_name(flow_id.id)


def is_resource_id(resource: ResourceId) -> bool:
    """Return whether kestra-sync could have used this id: a record may be forged."""
    if not is_namespace(resource.namespace):
        return False
    pattern = resource.kind.traits.id_pattern
    if pattern is not None:
        return re.fullmatch(pattern, resource.id) is not None
    parts = resource.id.split("/")
    return (
        parts[0] != "_flows"
        and not {"", ".", ".."}.intersection(parts)
        and (resource.id.isprintable())
    )


def shown(text: str) -> str:
    """Quote ``text`` in printable ASCII, shortened."""
    quoted = ascii(text)
    return quoted if len(quoted) <= _SHOWN else f"{quoted[: _SHOWN - 4]}...'"


def quoted(text: str) -> str:
    """Make untrusted text safe for a message: shortened, without control characters."""
    short = text if len(text) <= 60 else f"{text[:57]}..."
    return json.dumps(short, ensure_ascii=False)[1:-1].replace('\\"', '"')
