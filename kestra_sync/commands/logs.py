"""``logs``: shows the logs of an execution."""

from __future__ import annotations

from collections.abc import Iterator

from kestra_sync.commands.connect import connect
from kestra_sync.executions.logs import LogLine, in_order, shown_entry
from kestra_sync.safe.secrets import Masker
from kestra_sync.settings import Settings


def log_lines(
    settings: Settings, execution_id: str, *, follow: bool = False, min_level: str | None = None
) -> Iterator[LogLine]:
    """The lines of the log, with secrets masked; with ``follow`` until the execution is over.

    :param min_level: leave out what is below, such as ``WARN``.
    :raises NotFound: no such execution.
    :raises KestraError: the server cannot be reached.
    """
    masker = Masker()
    with connect(settings.connection, settings.parallelism) as client:
        client.server_info()
        # The server has an empty log for an execution that it does not know.
        client.executions.get(execution_id)
        entries = (
            client.logs.follow(execution_id, min_level)
            if follow
            else in_order(client.logs.get(execution_id, min_level))
        )
        for entry in entries:
            yield from shown_entry(entry, masker)
