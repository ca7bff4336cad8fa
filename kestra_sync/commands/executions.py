"""``executions`` manages executions, ``logs`` shows the logs of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kestra_sync.client.client import connect
from kestra_sync.errors import ExitCode
from kestra_sync.executions.logs import LogLine, in_order, shown_entry
from kestra_sync.executions.manual import delete
from kestra_sync.safe.secrets import Masker
from kestra_sync.settings import Settings


@dataclass(frozen=True)
class Deleted:
    """The result of deleting executions.

    :param problems: why an execution could not be deleted, by id; ``None`` if it was deleted.
    """

    problems: Mapping[str, str | None]

    @property
    def exit_code(self) -> ExitCode:
        """1 if any could not be deleted."""
        return ExitCode.FAILURE if any(self.problems.values()) else ExitCode.OK


def delete_executions(
    settings: Settings,
    execution_ids: Sequence[str],
    *,
    keep_logs: bool = False,
    keep_metrics: bool = False,
    keep_storage: bool = False,
) -> Deleted:
    """Delete executions with their logs, metrics and files, unless these are to be kept.

    :raises KestraError: the server cannot be reached, or does not allow it.
    """
    with connect(settings.connection, settings.parallelism) as client:
        client.server_info()
        return Deleted(
            delete(
                client,
                dict.fromkeys(execution_ids),
                logs=not keep_logs,
                metrics=not keep_metrics,
                storage=not keep_storage,
            )
        )


def log_lines(
    settings: Settings, execution_id: str, *, follow: bool = False, min_level: str | None = None
) -> Iterator[LogLine]:
    """Read the log, with secrets masked; with ``follow`` until the execution has ended.

    :param min_level: the lowest level to return, such as ``WARN``.
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
