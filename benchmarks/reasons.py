"""Why a goal may be missed, and what a different design would change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum


class Cost(Enum):
    """The limiting factor of a measurement: heading and text for the page."""

    START = """
        **Startup**: The interpreter and the imports (HTTP, YAML, the command line) take most of a
        small plan, and modules are only imported when a run needs them. A compiled program, or a
        process that keeps running, would start faster.
    """
    CHANGED = """
        **A plan with changes**: The first changed flow imports the checks, and each one is
        parsed, checked and compared line by line. Several processes would share that work, on
        cores that the server needs as well.
    """
    SMALL = """
        **A small apply**: The lock is written, and read back 0.4 s later; the records of the
        intent and of the result, which contain all flows, are written and read back; one export
        verifies the writes. The reads of the plan overlap with the wait for the lock; the rest
        makes an apply safe. The server's own time for the updates is included. With
        compare-and-set, the key-value store of Kestra would save the wait and two of the reads;
        records that are split into several keys would make each of them smaller, but could not
        be written at once.
    """
    WRITES = """
        **A large apply**: Client and server share the cores, so the processor time of the client
        is added: parsing and checking each flow, and its requests. Each update also uses its own
        connection, which protects the server ([safety](safety.md#gentle-writes)). Where the
        server has its own cores, the server determines how long an apply takes.
    """
    PROCESSOR = """
        **Processor time of a write**: With `requests` and `urllib3`, a request takes three to
        four times the processor time of one with `http.client` alone, and an update is two
        requests and a new connection. A client on top of sockets would save about half, but would
        have to implement proxies, certificates, time limits and the many ways in which a
        connection fails.
    """
    MAPPING = """
        **Environments**: Mapped flows are computed line by line, for every flow in every plan. A
        cache on disk would avoid that, but it would have to be trusted, and most CI jobs start
        without one.
    """
    MEMORY = """
        **Memory**: The sources in the files and on the server are in memory, equal ones once.
        Keeping only their hashes would save most of it, but each changed flow would have to be
        read again for its diff.
    """
    OFFLINE = """
        **Offline validation**: It is limited by the YAML parser, which is fast only on platforms
        with wheels for the C parser.
    """

    @property
    def reason(self) -> str:
        """On one line."""
        return " ".join(self.value.split())


@dataclass(frozen=True)
class Goal:
    """One line of the table of goals.

    :param cost: what limits it.
    """

    what: str
    goal: str
    measured: str
    met: bool
    cost: Cost


def missed(goals: Iterable[Goal]) -> Iterator[str]:
    """The reasons for missed goals, without duplicates."""
    costs = dict.fromkeys(each.cost for each in goals if not each.met)
    if not costs:
        yield "All goals are met."
        return
    yield "Reasons for the missed goals, and what another design would change:"
    yield ""
    for cost in costs:
        yield f"- {cost.reason}"
