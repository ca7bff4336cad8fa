"""Sources of small flows."""

from __future__ import annotations

LOG = "io.kestra.plugin.core.log.Log"
FAIL = "io.kestra.plugin.core.execution.Fail"
SLEEP = "io.kestra.plugin.core.flow.Sleep"
PAUSE = "io.kestra.plugin.core.flow.Pause"
SUBFLOW = "io.kestra.plugin.core.flow.Subflow"


def flow(namespace: str, flow_id: str, tasks: str, extra: str = "") -> str:
    """A flow with these tasks; ``extra`` is any other top-level text, before them."""
    return f"id: {flow_id}\nnamespace: {namespace}\n{extra}tasks:\n{tasks}"


def task(kind: str, task_id: str = "main", **properties: str) -> str:
    """One task, for the list of a flow."""
    lines = [f"  - id: {task_id}", f"    type: {kind}"]
    lines += [f"    {name}: {value}" for name, value in properties.items()]
    return "\n".join(lines) + "\n"


def log_flow(namespace: str, flow_id: str, message: str = "hello", extra: str = "") -> str:
    """A flow that logs one line."""
    return flow(namespace, flow_id, task(LOG, message=message), extra)


def subflow(namespace: str, flow_id: str, called: str, called_namespace: str | None = None) -> str:
    """A flow that calls another one."""
    call = task(SUBFLOW, namespace=called_namespace or namespace, flowId=called)
    return flow(namespace, flow_id, call)
