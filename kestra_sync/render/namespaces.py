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
        """The map of the ``namespaces:`` of an environment."""
        return NamespaceMap(tuple(pairs.items()))

    @cached_property
    def _longest_first(self) -> tuple[tuple[str, str], ...]:
        return tuple(sorted(self.pairs, key=lambda pair: -len(pair[0])))

    @property
    def changes_anything(self) -> bool:
        """Whether any namespace is sent under another name."""
        return any(before != after for before, after in self.pairs)

    def rule(self, namespace: str) -> tuple[str, str] | None:
        """The entry for ``namespace``, the longest that covers it; ``None`` if it stays."""
        for before, after in self._longest_first:
            if namespace == before or namespace.startswith(f"{before}."):
                return before, after
        return None

    def to_server(self, namespace: str) -> str:
        """What ``namespace`` of the files is called on the server."""
        rule = self.rule(namespace)
        return namespace if rule is None else rule[1] + namespace[len(rule[0]) :]

    def to_files(self, namespace: str) -> str | None:
        """What ``namespace`` of the server is called in the files.

        ``None`` if no namespace of the files becomes it, or more than one does.
        """
        sources = {
            before + namespace[len(after) :]
            for before, after in self.pairs
            if namespace == after or namespace.startswith(f"{after}.")
        }
        # Only what nothing is mapped to is called the same in the files.
        found = [each for each in sources or {namespace} if self.to_server(each) == namespace]
        return found[0] if len(found) == 1 else None

    def scope(self, scope: Scope) -> Scope:
        """The namespaces on the server that ``scope``, in names of the files, covers there."""
        found = []
        for entry in scope.namespaces:
            found.append(self.to_server(entry))
            if not scope.exact:
                found += [after for before, after in self.pairs if before.startswith(f"{entry}.")]
        return Scope(tuple(dict.fromkeys(found)), exact=scope.exact)

    def inverse(self) -> NamespaceMap:
        """The map from names of the server to names of the files.

        Only right for namespaces for which :meth:`to_files` has an answer.
        """
        return NamespaceMap(tuple((after, before) for before, after in self.pairs))
