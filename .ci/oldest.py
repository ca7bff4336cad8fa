"""Prints the oldest versions that ``pyproject.toml`` allows, as constraints for pip.

Only what the package itself needs: the tools of its tests may be as new as they like.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)>=(?P<version>[0-9.]+)")


def constraints(project: dict[str, Any]) -> Iterator[str]:
    """``name==version`` for every ``name>=version`` of the project and its extras.

    :raises ValueError: for a requirement without a lower bound: it would not be tested.
    """
    requirements: list[str] = [*project["dependencies"]]
    for extra in project.get("optional-dependencies", {}).values():
        requirements += extra
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        if match is None:
            raise ValueError(f"{requirement!r} does not say which version is the oldest")
        yield f"{match['name']}=={match['version']}"


def main() -> int:
    """Read the file that the argument names, print the constraints."""
    with Path(sys.argv[1]).open("rb") as file:
        project = tomllib.load(file)["project"]
    for line in constraints(project):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
