"""The versions of Kestra that the test engine exists for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KestraVersion:
    """One line of Kestra releases: the name of a Maven profile and of a folder of adapters."""

    name: str
    """Major and minor version, such as ``2.0``."""
    java: int
    """The oldest Java that it is built with and runs on."""

    @property
    def adapters(self) -> str:
        """The directory, next to ``src/main/java``, with the code for this version."""
        return f"java-{self.name}"

    def __str__(self) -> str:
        return self.name


VERSIONS = {it.name: it for it in (KestraVersion("1.3", java=21), KestraVersion("2.0", java=25))}
"""By name, the oldest first. The exact releases are in the profiles of ``pom.xml``."""

DEFAULT = VERSIONS["1.3"]
"""What is meant where nothing is said."""


def version_named(name: str) -> KestraVersion:
    """The version of a name: ``2.0``, ``2`` and ``2.0.0`` are equivalent.

    :raises ValueError: none is called so; the message lists those that there are.
    """
    for version in VERSIONS.values():
        if f"{name}.".startswith(f"{version}.") or f"{name}.0" == version.name:
            return version
    raise ValueError(f"no test engine for Kestra {name!r}; there are: {', '.join(VERSIONS)}")
