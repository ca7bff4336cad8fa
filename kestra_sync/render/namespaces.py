"""Maps namespaces in the files to namespaces on the server, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from kestra_sync.model import Scope


@dataclass(frozen=True)
class NamespaceMap:
    """The mapping of one environment. Dot-aware: ``acme`` maps ``acme.sales`` but not ``acme2``.

    :param pairs: namespace in the files → namespace on the server, as configured.
    """

    pairs: tuple[tuple[str, str], ...] = ()

    @staticmethod
    def of(pairs: Mapping[str, str]) -> NamespaceMap:
        """Create the map for the ``namespaces:`` of an environment."""
        return NamespaceMap(tuple(pairs.items()))

    @cached_property
    def _longest_first(self) -> tuple[tuple[str, str], ...]:
        return tuple(sorted(self.pairs, key=lambda pair: -len(pair[0])))

    @property
    def changes_anything(self) -> bool:
        """Whether any namespace is mapped to a different name."""
        return any(before != after for before, after in self.pairs)

    def rule(self, namespace: str) -> tuple[str, str] | None:
        """Return the longest entry that covers ``namespace``; ``None`` if it is not mapped."""
        for before, after in self._longest_first:
            if namespace == before or namespace.startswith(f"{before}."):
                return before, after
        return None

    def to_server(self, namespace: str) -> str:
        """Return the name on the server of a namespace in the files."""
        rule = self.rule(namespace)
        return namespace if rule is None else rule[1] + namespace[len(rule[0]) :]

    def to_files(self, namespace: str) -> str | None:
        """Return the name in the files of a namespace on the server.

        ``None`` if no namespace in the files is mapped to it, or more than one is.
        """
        sources = {
            before + namespace[len(after) :]
            for before, after in self.pairs
            if namespace == after or namespace.startswith(f"{after}.")
        }
        # A namespace keeps its name only if no other is mapped to it.
        found = [each for each in sources or {namespace} if self.to_server(each) == namespace]
        return found[0] if len(found) == 1 else None

    def scope(self, scope: Scope) -> Scope:
        """Map a scope with names in the files to a scope on the server."""
        found = []
        for entry in scope.namespaces:
            found.append(self.to_server(entry))
            if not scope.exact:
                found += [after for before, after in self.pairs if before.startswith(f"{entry}.")]
        return Scope(tuple(dict.fromkeys(found)), exact=scope.exact)

    def inverse(self) -> NamespaceMap:
        """Return the map from names on the server to names in the files.

        Only correct for namespaces for which :meth:`to_files` does not return ``None``.
        """
        return NamespaceMap(tuple((after, before) for before, after in self.pairs))
