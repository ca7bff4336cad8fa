"""The steps of a release that the workflow does not contain. Needs only Python.

``prepare VERSION`` writes the version and its section of the changelog, to be committed;
``check TAG`` says whether a tag may be released; ``notes TAG`` prints the section of the changelog.
RELEASING.md says when to run which.
"""

from __future__ import annotations

import datetime
import re
import sys
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_VERSION_FILE = Path("kestra_sync") / "version.py"
_CHANGELOG = Path("CHANGELOG.md")
#: PEP 440, as far as we use it: 1.2.3, and 1.2.3rc1 before it.
_VERSION = re.compile(r"\d+\.\d+\.\d+(rc\d+)?")
_ASSIGNED = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)
#: The order of Keep a Changelog, breaking changes first.
_ORDER = ("Removed", "Security", "Changed", "Deprecated", "Added", "Fixed")


class ReleaseError(Exception):
    """The release is not possible; the message contains the reason and the remedy."""


def version_in(root: Path) -> str:
    """The version of the package, from its only definition."""
    found = _ASSIGNED.search((root / _VERSION_FILE).read_text(encoding="utf-8"))
    if found is None:
        raise ReleaseError(f"{_VERSION_FILE} has no __version__")
    return found[1]


def section(root: Path, version: str) -> str:
    """The section of ``version`` in the changelog, with headings of the same name merged.

    :raises ReleaseError: there is no such section, or nothing in it.
    """
    text = (root / _CHANGELOG).read_text(encoding="utf-8")
    heading = rf"^## \[{re.escape(version)}\].*?$\n(.*?)(?=^## |^\[.+\]: |\Z)"
    found = re.search(heading, text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ReleaseError(f"{_CHANGELOG} has no section '## [{version}]'")
    parts: dict[str, list[str]] = {}
    for part in re.split(r"^### ", found[1], flags=re.MULTILINE):
        name, _, body = part.partition("\n")
        if body.strip():
            parts.setdefault(name.strip(), []).append(body.strip())
    if not parts:
        raise ReleaseError(f"the section of {version} in {_CHANGELOG} is empty")
    names = sorted(parts, key=lambda each: _ORDER.index(each) if each in _ORDER else len(_ORDER))
    return "\n\n".join(f"### {name}\n\n" + "\n".join(parts[name]) for name in names) + "\n"


def check(root: Path, tag: str) -> None:
    """Check that ``tag`` is the version of the package, and that the changelog has its section.

    :raises ReleaseError: if not.
    """
    version = version_in(root)
    if tag != f"v{version}":
        raise ReleaseError(
            f"the tag is {tag}, but {_VERSION_FILE} says {version}: tag v{version},"
            f" or run '.ci/release.py prepare {tag.removeprefix('v')}' and commit first"
        )
    section(root, version)


def prepare(root: Path, version: str, today: datetime.date) -> None:
    """Write the version, and move the section "Unreleased" to it.

    :raises ReleaseError: the version is malformed or released, or nothing has changed.
    """
    if not _VERSION.fullmatch(version):
        raise ReleaseError(f"{version} is not a version such as 1.2.3 or 1.2.3rc1")
    changes = section(root, "Unreleased")
    path = root / _CHANGELOG
    text = path.read_text(encoding="utf-8")
    if f"## [{version}]" in text:
        raise ReleaseError(f"{_CHANGELOG} has a section for {version} already")
    before, _, rest = text.partition("## [Unreleased]")
    older = re.search(r"^## ", rest, re.MULTILINE)
    after = "\n" + rest[older.start() :] if older else ""
    path.write_text(
        f"{before}## [Unreleased]\n\n## [{version}] - {today}\n\n{changes}{after}", encoding="utf-8"
    )
    code = root / _VERSION_FILE
    changed = _ASSIGNED.sub(f'__version__ = "{version}"', code.read_text(encoding="utf-8"))
    code.write_text(changed, encoding="utf-8")


def main(args: list[str], root: Path = _ROOT) -> int:
    """Run one of the three; returns the exit code."""
    try:
        match args:
            case ["prepare", version]:
                prepare(root, version, datetime.datetime.now(datetime.timezone.utc).date())
                print(f"now: git commit -am 'Release {version}', and RELEASING.md")
            case ["check", tag]:
                check(root, tag)
                print(f"{tag} may be released")
            case ["notes", tag]:
                print(section(root, tag.removeprefix("v")), end="")
            case _:
                raise ReleaseError("usage: release.py prepare VERSION | check TAG | notes TAG")
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
