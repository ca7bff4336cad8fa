"""The GitLab component as GitLab reads it, and the scripts in it and in other pipelines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.action.act import ROOT

COMPONENT = ROOT / "templates" / "kestra-sync.yml"
_INPUT = re.compile(r"\$\[\[ inputs\.([a-z-]+) \]\]")


def jobs_of(inputs: Mapping[str, str]) -> dict[str, Any]:
    """The jobs that including the component with ``inputs`` adds to a pipeline."""
    header, _, body = COMPONENT.read_text(encoding="utf-8").partition("\n---\n")
    yaml = YAML(typ="safe")
    declared: dict[str, dict[str, Any]] = yaml.load(header)["spec"]["inputs"]
    assert set(inputs) <= set(declared), "an input that is not declared"
    values = {name: inputs.get(name, each["default"]) for name, each in declared.items()}
    for name, each in declared.items():
        assert each["description"]
        assert values[name] in each.get("options", [values[name]])
        assert re.search(each.get("regex", "").strip("/"), values[name])
    assert {match[1] for match in _INPUT.finditer(body)} == set(declared)
    text = _INPUT.sub(lambda match: values[match[1]], body)
    jobs: dict[str, Any] = yaml.load(text)
    return jobs


def scripts_of(path: Path) -> list[str]:
    """The scripts of a pipeline, in order."""
    if path == COMPONENT:
        return ["\n".join(job["script"]) for job in jobs_of({}).values()]
    if path.name == "Jenkinsfile":
        return re.findall(r"sh '(.+)'", path.read_text(encoding="utf-8"))
    return list(_scripts(load(path)))


def load(path: Path) -> Any:
    """A YAML document."""
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def _scripts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "script":
                yield "\n".join(value) if isinstance(value, list) else value
            else:
                yield from _scripts(value)
    elif isinstance(node, list):
        for each in node:
            yield from _scripts(each)
