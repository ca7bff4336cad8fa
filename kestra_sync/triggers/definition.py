"""The triggers defined in the source of a flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kestra_sync.model import FlowId, StrEnum
from kestra_sync.repo.document import as_text


class Category(StrEnum):
    """What makes a trigger fire; stable in the JSON."""

    SCHEDULE = "schedule"
    FLOW = "flow"
    WEBHOOK = "webhook"
    REALTIME = "realtime"
    POLLING = "polling"


#: By the last part of the type, so that the names of older versions are known too.
_CATEGORIES = {
    "Schedule": Category.SCHEDULE,
    "ScheduleOnDates": Category.SCHEDULE,
    "Flow": Category.FLOW,
    "Webhook": Category.WEBHOOK,
    "RealtimeTrigger": Category.REALTIME,
}


@dataclass(frozen=True)
class Trigger:
    """A trigger of a flow.

    :param type: its type as written, such as ``io.kestra.plugin.core.trigger.Schedule``.
    :param properties: everything its definition has, ``id`` and ``type`` included.
    :param flow_disabled: the flow is disabled in its source, so the trigger never fires.
    """

    id: str
    type: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    flow_disabled: bool = False

    @property
    def category(self) -> Category:
        """The category, by type. All other types are polling triggers, with an ``interval``."""
        name = self.type.rpartition(".")[2]
        if name.endswith("RealtimeTrigger"):
            return Category.REALTIME
        # A plugin may call its own trigger `Flow`.
        core = self.type.startswith(("io.kestra.plugin.core.", "io.kestra.core."))
        return _CATEGORIES.get(name, Category.POLLING) if core else Category.POLLING

    @property
    def active(self) -> bool:
        """Whether it is enabled in Git."""
        return not (self.flow_disabled or self.properties.get("disabled") is True)

    @property
    def cron(self) -> str | None:
        """The cron expression of a schedule."""
        return self._text("cron")

    @property
    def interval(self) -> str | None:
        """How often it polls, as written."""
        return self._text("interval")

    @property
    def timezone(self) -> str | None:
        """The time zone of the schedule; ``None`` means that of the server."""
        return self._text("timezone")

    @property
    def conditional(self) -> bool:
        """Whether conditions keep a schedule from firing at some of its dates."""
        return bool(self.properties.get("conditions") or self.properties.get("when"))

    def _text(self, name: str) -> str | None:
        value = self.properties.get(name)
        return value if isinstance(value, str) else None


def triggers_of(value: object) -> dict[str, Trigger]:
    """The triggers of a parsed flow by id, in their order.

    Without those that Kestra would refuse (no ``id`` or no ``type``): validation reports them.
    """
    if not isinstance(value, dict) or not isinstance(value.get("triggers"), list):
        return {}
    disabled = value.get("disabled") is True
    found = {}
    for each in value["triggers"]:
        if isinstance(each, dict):
            id_, type_ = as_text(each.get("id")), as_text(each.get("type"))
            if id_ is not None and type_ is not None:
                found[id_] = Trigger(id_, type_, each, disabled)
    return found


def webhook_url(server: str, tenant: str, flow_id: FlowId) -> str:
    """The address of a webhook trigger, its key masked, because the key is enough to start the
    flow."""
    path = f"/api/v1/{tenant}/executions/webhook/{flow_id.namespace}/{flow_id.id}"
    return f"{server.rstrip('/')}{path}/***"
