"""Generated trees of flows: reproducible by seed, and without equal flows.

Modelled on ``flows/``: about 1.6 KB each, with comments, block scalars, expressions, quotes,
nested tasks and calls of other flows, so that neither parsers nor scans have an easy time. They use
nothing but core plugins, and every server takes them.
They have no triggers: what the scheduler does with those would be measured as well.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_DEPARTMENTS = ("sales", "finance", "ops", "ml", "platform", "hr", "legal", "web", "data", "lab")
_SYSTEMS = ("orders", "billing", "crm", "stock", "ledger", "events", "features", "audit", "mail")
_VERBS = (
    "load",
    "clean",
    "merge",
    "export",
    "score",
    "notify",
    "archive",
    "check",
    "sync",
    "build",
)
_NOUNS = ("orders", "invoices", "customers", "prices", "events", "models", "reports", "accounts")
_WORDS = (
    *("every", "night", "the", "rows", "of", "yesterday", "are", "read", "counted", "and"),
    *("written", "to", "the", "table", "that", "asked", "for", "them", "unless", "source"),
    *("is", "late", "then", "run", "waits", "says", "so", "once", "team"),
)
_PER_NAMESPACE = 20
SITE_LABEL = "  site: bench\n"
"""The last label of each flow, which an environment may set in its place."""


@dataclass(frozen=True)
class FlowFile:
    """One flow of a tree.

    :param path: relative to the root of the tree.
    """

    namespace: str
    id: str
    path: str
    source: bytes


def root(size: int, mark: str = "") -> str:
    """The namespace above all others of a tree; ``mark`` tells trees of one size apart."""
    return f"bench{size}{mark}"


def flows(size: int, seed: int = 1, mark: str = "") -> Iterator[FlowFile]:
    """The flows of a tree, in a stable order."""
    spread = max(1, size // _PER_NAMESPACE)
    written: dict[str, list[str]] = {}
    for number in range(size):
        chance = random.Random(f"{seed}:{number}")
        namespace = f"{root(size, mark)}.{_namespace(number % spread)}"
        name = f"{chance.choice(_VERBS)}_{chance.choice(_NOUNS)}_{number:05d}"
        callees = written.setdefault(namespace, [])
        source = _source(namespace, name, callees, chance)
        callees.append(name)
        folder = "/".join(namespace.split(".")[1:])
        yield FlowFile(namespace, name, f"{folder}/{name}.yaml", source.encode())


def write(folder: Path, size: int, seed: int = 1, mark: str = "") -> list[FlowFile]:
    """Write a tree below ``folder``, which is recreated."""
    shutil.rmtree(folder, ignore_errors=True)
    found = list(flows(size, seed, mark))
    for flow in found:
        file = folder / flow.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(flow.source)
    return found


def repository(work: Path, config: str) -> None:
    """Make ``work`` a repository with this configuration: the commit is asked for, as in any."""
    (work / "kestra-sync.yaml").write_text(config)
    if shutil.which("git"):
        subprocess.run(["git", "init", "-q", str(work)], check=False)


def changed(flow: FlowFile, round_: int) -> FlowFile:
    """The flow after a typical edit: a different message."""
    old = b"message: "
    assert old in flow.source
    new = b'message: "edited in round %d" # ' % round_
    return FlowFile(flow.namespace, flow.id, flow.path, flow.source.replace(old, new, 1))


def share(found: list[FlowFile], percent: int) -> list[FlowFile]:
    """Every hundredth flow for 1 percent, and so on; at least one."""
    step = 100 // percent
    return found[step // 2 :: step] or found[:1]


def _namespace(number: int) -> str:
    system, number = number % len(_SYSTEMS), number // len(_SYSTEMS)
    department, number = number % len(_DEPARTMENTS), number // len(_DEPARTMENTS)
    area = f".area{number}" if number else ""
    return f"{_DEPARTMENTS[department]}.{_SYSTEMS[system]}{area}"


def _source(namespace: str, name: str, callees: list[str], chance: random.Random) -> str:
    parts = []
    if chance.random() < 0.4:
        parts.append(f"# {_sentence(chance)}\n")
    parts.append(f"id: {name}\nnamespace: {namespace}\n\n")
    parts.append(_description(chance))
    parts.append(_labels(namespace, chance))
    if chance.random() < 0.7:
        parts.append(_inputs(chance))
    if chance.random() < 0.4:
        parts.append(_variables(chance))
    parts.append("tasks:\n")
    parts.append(_log("start", chance))
    steps = range(chance.randint(2, 4))
    parts.extend(chance.choice(_TASKS)(f"step_{number}", chance) for number in steps)
    if callees and chance.random() < 0.3:
        parts.append(_subflow(namespace, chance.choice(callees), chance))
    if chance.random() < 0.3:
        parts.append("errors:\n" + _log("failed", chance))
    return "".join(parts)


def _sentence(chance: random.Random) -> str:
    return " ".join(chance.choice(_WORDS) for _ in range(chance.randint(5, 12)))


def _description(chance: random.Random) -> str:
    if chance.random() < 0.3:
        return f"description: {_sentence(chance)}\n\n"
    lines = "".join(f"  {_sentence(chance)}\n" for _ in range(chance.randint(1, 4)))
    return f"description: |\n{lines}\n  - *owner*: {chance.choice(_DEPARTMENTS)} ☕\n\n"


def _labels(namespace: str, chance: random.Random) -> str:
    team = namespace.split(".")[1]
    return (
        f"labels:\n  team: {team}\n  tier: {chance.choice(('gold', 'silver', 'bronze'))}\n"
        f'  system.readOnly: "true"\n{SITE_LABEL}\n'
    )


def _inputs(chance: random.Random) -> str:
    kinds = (
        ("day", "DATE", '"2024-01-31"'),
        ("dry_run", "BOOL", "false"),
        ("limit", "INT", str(chance.randint(1, 10_000))),
        ("channel", "STRING", f"'{chance.choice(_DEPARTMENTS)}'"),
    )
    chosen = chance.sample(kinds, chance.randint(1, 3))
    items = "".join(
        f"  - id: {name}\n    type: {kind}\n    description: {_sentence(chance)}\n"
        f"    defaults: {value}\n"
        for name, kind, value in chosen
    )
    return f"inputs:\n{items}\n"


def _variables(chance: random.Random) -> str:
    return (
        f"variables:\n  table: {chance.choice(_NOUNS)}_{chance.randint(1, 99)}\n"
        f'  greeting: "{{{{ flow.namespace }}}} says: \\"{_sentence(chance)}\\""\n'
        f"  retries: {chance.randint(1, 9)}\n\n"
    )


def _log(name: str, chance: random.Random) -> str:
    level = chance.choice(("INFO", "WARN", "DEBUG"))
    return (
        f"  - id: {name}\n    type: io.kestra.plugin.core.log.Log\n    level: {level}\n"
        f'    message: "{{{{ execution.id }}}}: {_sentence(chance)}"\n\n'
    )


def _return(name: str, chance: random.Random) -> str:
    lines = "".join(f"      {_sentence(chance)}\n" for _ in range(chance.randint(1, 5)))
    return (
        f"  - id: {name}\n    type: io.kestra.plugin.core.debug.Return\n    format: |\n"
        f"{lines}      {{{{ taskrun.startDate | date('yyyy-MM-dd') }}}}\n\n"
    )


def _kv(name: str, chance: random.Random) -> str:
    return (
        f"  - id: {name}\n    type: io.kestra.plugin.core.kv.Set\n"
        f"    key: {chance.choice(_NOUNS)}.{chance.randint(1, 500)}\n    kvType: STRING\n"
        '    value: "{{ outputs ?? {} }}"\n    # The next run begins where this one ends.\n'
        "    overwrite: true\n\n"
    )


def _if(name: str, chance: random.Random) -> str:
    return (
        f"  - id: {name}\n    type: io.kestra.plugin.core.flow.If\n"
        f"    condition: \"{{{{ 'a' == '{chance.choice('abc')}' }}}}\"\n    then:\n"
        f"      - id: {name}_yes\n        type: io.kestra.plugin.core.log.Log\n"
        f"        message: {_sentence(chance)}\n    else:\n"
        f"      - id: {name}_no\n        type: io.kestra.plugin.core.debug.Return\n"
        f"        format: '{_sentence(chance)}'\n\n"
    )


def _sequence(name: str, chance: random.Random) -> str:
    return (
        f"  - id: {name}\n    type: io.kestra.plugin.core.flow.Sequential\n    tasks:\n"
        f"      - id: {name}_one\n        type: io.kestra.plugin.core.log.Log\n"
        f"        message:\n          - {_sentence(chance)}\n"
        f"          - {_sentence(chance)}\n\n"
    )


def _parallel(name: str, chance: random.Random) -> str:
    branches = "".join(
        f"      - id: {name}_{number}\n        type: io.kestra.plugin.core.debug.Return\n"
        f"        format: >-\n          {_sentence(chance)}\n          {_sentence(chance)}\n"
        for number in range(2)
    )
    return (
        f"  - id: {name}\n    type: io.kestra.plugin.core.flow.Parallel\n"
        f"    concurrent: {chance.randint(1, 8)}\n    tasks:\n{branches}\n"
    )


_TASKS = (_log, _return, _kv, _if, _sequence, _parallel)


def _subflow(namespace: str, callee: str, chance: random.Random) -> str:
    return (
        f"  - id: call\n    type: io.kestra.plugin.core.flow.Subflow\n    namespace: {namespace}\n"
        f"    flowId: {callee}\n    wait: {chance.choice(('true', 'false'))}\n\n"
    )
