"""The capabilities of each version of Kestra, in one table.

Everything in which the client treats versions differently is a row here, decided once from the
version returned by ``/api/v1/configs``. Where an answer is the better witness (a form, a filter or
an export that is refused), the caller that gets the answer remembers it. ``docs/versions.md`` has
the same table for users, with the test for each row.
"""

from __future__ import annotations

from dataclasses import dataclass

Version = tuple[int, ...]

#: The oldest version that is supported. 1.0 has no list of the keys of all namespaces (404), so
#: the flows owned by other repositories are unknown, and there is no search for kind TEST.
OLDEST: Version = (1, 1)


@dataclass(frozen=True)
class Capabilities:
    """What a server can do.

    :param multipart_validate: several flows can be validated in one request.
    :param actions_paths: kill and resume are ``executions/{id}/actions/kill``; before, the action
        followed the id.
    :param outputs_apart: outputs are under ``outputs/``, and no longer part of the execution.
    :param loop_executions: each iteration of a ``Loop`` is an execution of kind ``LOOP``.
    :param strict_update: an update refuses unknown properties, as a creation does.
    :param drafts: a flow with ``draft: true`` is stored as a revision that does not run.
    :param trigger_change_enables: changing the definition of a trigger that was disabled on the
        server enables it, and runs what was missed; before, it stays disabled.
    :param realtime_reloads: a real-time trigger runs the new revision of its flow at once; before,
        only once its own definition changes.
    """

    multipart_validate: bool
    actions_paths: bool
    outputs_apart: bool
    loop_executions: bool
    strict_update: bool
    drafts: bool
    trigger_change_enables: bool
    realtime_reloads: bool


#: Since which version a server can do it.
SINCE: dict[str, Version] = {
    "multipart_validate": (1, 3),
    "actions_paths": (2, 0),
    "outputs_apart": (2, 0),
    "loop_executions": (2, 0),
    "strict_update": (2, 0),
    "drafts": (2, 0),
    "trigger_change_enables": (2, 0),
    "realtime_reloads": (2, 0),
}


def capabilities_of(version: Version) -> Capabilities:
    """The capabilities of a server of ``version``; one without a number counts as new."""
    return Capabilities(**{name: not version or version >= since for name, since in SINCE.items()})
