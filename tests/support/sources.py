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


def calls_in_a_loop(release: tuple[int, ...], namespace: str, called: str) -> str:
    """A task with a task in it that runs another flow once per item; wants a FILE input on 1.x."""
    if release < (2, 0):
        return f"""\
  - id: main
    type: io.kestra.plugin.core.flow.Sequential
    tasks:
      - id: each
        type: io.kestra.plugin.core.flow.ForEachItem
        items: "{{{{ inputs.file }}}}"
        namespace: {namespace}
        flowId: {called}
"""
    return f"""\
  - id: main
    type: io.kestra.plugin.core.flow.Loop
    values: [1, 2]
    tasks:
      - id: each
        type: {SUBFLOW}
        namespace: {namespace}
        flowId: {called}
"""


def flow_trigger(release: tuple[int, ...], namespace: str, upstream: str) -> str:
    """A trigger that waits for another flow; its `flowId` is on the eighth or sixth line."""
    head = "triggers:\n  - id: after\n    type: io.kestra.plugin.core.trigger.Flow\n"
    if release < (2, 0):
        return (
            f"{head}    preconditions:\n      id: done\n      flows:\n"
            f"        - namespace: {namespace}\n          flowId: {upstream}\n"
        )
    return f"{head}    dependsOn:\n      - namespace: {namespace}\n        flowId: {upstream}\n"
