"""The table of features removed in Kestra 2.0 agrees with a running server."""

from __future__ import annotations

from typing import Any

from kestra_sync.checks.releases import table
from tests.support.server import Http

HEAD = "id: a\nnamespace: x.y\n"
LOG = "  - {id: t, type: io.kestra.plugin.core.log.Log, message: hi"
SCHEDULE = "io.kestra.plugin.core.trigger.Schedule, cron: '* * * * *'"
# What else a type needs before a property of it is looked at.
NEEDS = {
    "trigger.Schedule": "cron: '* * * * *', ",
    "http.Trigger": "uri: 'http://x', interval: PT1H, ",
    "http.Request": "uri: 'http://x', ",
    "http.Download": "uri: 'http://x', ",
    "flow.Subflow": "namespace: x, flowId: b, ",
}
VALUES = {
    "tasks": "[]", "listeners": "[]", "taskDefaults": "[]", "pluginDefaults": "[]",
    "conditions": "[]", "preconditions": "{id: p, flows: []}", "scheduleConditions": "[]",
    "workerGroup": "{key: a}", "backfill": "{start: 2024-01-01T00:00:00Z}", "outputs": "{a: b}",
    "delay": "PT1S", "expiredOnly": "true", "allowFailed": "true", "name": "b",
    "sslOptions": "{insecureTrustAllCertificates: true}",
}  # fmt: skip


def _with_type(type_: str) -> str:
    if ".condition." in type_:
        flow_trigger = "{id: c, type: io.kestra.plugin.core.trigger.Flow, conditions: "
        return f"{HEAD}tasks:\n{LOG}}}\ntriggers:\n  - {flow_trigger}[{{type: {type_}}}]}}\n"
    return f"{HEAD}tasks:\n  - {{id: t, type: {type_}}}\n"


def _with_property(on: str, key: str) -> str:
    entry = f"{key}: {VALUES[key]}"
    if on == "flow":
        return f"{HEAD}{entry}\ntasks:\n{LOG}}}\n"
    if on == "input":
        return f"{HEAD}inputs:\n  - {{type: STRING, {entry}}}\ntasks:\n{LOG}}}\n"
    if on == "task":
        return f"{HEAD}tasks:\n{LOG}, {entry}}}\n"
    name = on.removeprefix("io.kestra.plugin.core.")
    if on == "trigger":
        return f"{HEAD}tasks:\n{LOG}}}\ntriggers:\n  - {{id: c, type: {SCHEDULE}, {entry}}}\n"
    item = f"type: {on}, {NEEDS.get(name, '')}{entry}}}\n"
    if "trigger" in name.lower():
        return f"{HEAD}tasks:\n{LOG}}}\ntriggers:\n  - {{id: c, {item}"
    return f"{HEAD}tasks:\n  - {{id: t, {item}"


def test_removed__each_row_agrees_with_the_server(http: Http) -> None:
    """1.3 knows every type and property of the table, 2.0 none of them."""
    rows = table()
    sources = {row["type"]: _with_type(row["type"]) for row in rows["types"]}
    for row in rows["properties"]:
        name = f"{row['on']}.{row['property']}"
        sources[name] = _with_property(row["on"], row["property"])
    for row in rows["inputs"]:
        item = f"{{id: b, type: {row['inputType']}, values: [a]}}"
        if row["inputType"] != "ENUM":
            item = item.replace(", values: [a]", "")
        sources[row["inputType"]] = f"{HEAD}inputs:\n  - {item}\ntasks:\n{LOG}}}\n"
    assert len(sources) <= 100
    parts = [
        ("flows", (f"{number}.yaml", source.encode(), "application/x-yaml"))
        for number, source in enumerate(sources.values())
    ]
    answers: list[dict[str, Any]] = http.post("/flows/validate", files=parts).json()
    said = {int(each["filename"].removesuffix(".yaml")): each for each in answers}
    unknown = {
        name
        for number, name in enumerate(sources)
        if any(
            word in str(said[number].get("constraints"))
            for word in ("Invalid type:", "Unrecognized field")
        )
    }
    assert unknown == (set(sources) if http.server.release >= (2, 0) else set())
