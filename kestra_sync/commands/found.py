"""Nothing found: a run that has looked at no flow must not be green."""

from __future__ import annotations

from kestra_sync.errors import UsageError
from kestra_sync.model import Repository, Severity
from kestra_sync.settings import Settings


def check_found(repository: Repository, settings: Settings, *, selected: int) -> None:
    """Refuse to go on without flows, unless that is allowed.

    Where errors in the files are to be told, those come first.

    :param selected: how many flows are looked at.
    :raises UsageError: none is.
    """
    errors = any(each.severity is Severity.ERROR for each in repository.diagnostics)
    if selected or settings.allow_empty or errors:
        return
    if settings.only or settings.exclude:
        raise UsageError(
            "no flow matches --only and --exclude",
            remedy="check the patterns, such as acme.sales/*; to allow it, pass --allow-empty",
        )
    files = f" in {repository.files} YAML files" if repository.files else ""
    raise UsageError(
        f"no flows found in {repository.source}{files}",
        remedy="check the paths and the ignore rules; to allow it, pass --allow-empty",
    )
