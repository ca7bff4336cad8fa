"""``executions``: manages executions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kestra_sync.commands.connect import connect
from kestra_sync.errors import ExitCode
from kestra_sync.executions.manual import delete
from kestra_sync.settings import Settings


@dataclass(frozen=True)
class Deleted:
    """What became of the executions that were to be deleted.

    :param problems: by id; ``None`` for those that are gone.
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
    """Delete executions with their logs, metrics and files, unless told otherwise.

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
