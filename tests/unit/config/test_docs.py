"""``docs/configuration.md`` agrees with the schema, and its examples are valid."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kestra_sync.config.config import load_config
from kestra_sync.config.file import read
from kestra_sync.schemas import load, resolve

_DOCS = Path(__file__).resolve().parents[3] / "docs"
_PAGE = (_DOCS / "configuration.md").read_text(encoding="utf-8")

_EXAMPLES = [
    block
    for page in ("configuration.md", "policy.md")
    for block in re.findall(r"```yaml\n(.*?)```", (_DOCS / page).read_text("utf-8"), re.DOTALL)
    if block.startswith("# kestra-sync.yaml\n")
]


def key_table() -> str:
    """The table of the keys, from the schema."""
    rows = ["| key | default | |", "|---|---|---|"]
    for name, schema in _keys(load("config"), ""):
        default = schema.get("default")
        default = str(default).lower() if isinstance(default, bool) else default
        shown = "" if default is None else f"`{default}`"
        rows.append(f"| `{name}` | {shown} | {schema['description']} |")
    return "\n".join(rows)


def environment_keys() -> str:
    """The keys of an environment, in the order of the schema."""
    return ", ".join(f"`{name}`" for name in _environment()["properties"])


def _environment() -> Any:
    return load("config")["$defs"]["environment"]


def _keys(schema: Any, above: str) -> Iterator[tuple[str, Any]]:
    for name, below in schema["properties"].items():
        below = resolve(below, load("config"))
        yield f"{above}{name}", below
        if "properties" in below:
            yield from _keys(below, f"{above}{name}.")
    if not above:
        namespaces = resolve(_environment()["properties"]["namespaces"], load("config"))
        yield "environments.NAME.namespaces", namespaces


def test_the_table_is_the_schema() -> None:
    table = key_table()
    assert table in _PAGE, f"put this into docs/configuration.md:\n\n{table}"


def test_the_keys_of_an_environment_are_all_named() -> None:
    keys = environment_keys()
    assert keys in _PAGE.replace("\n", " "), f"put this into docs/configuration.md:\n\n{keys}"


@pytest.mark.parametrize("example", _EXAMPLES)
def test_every_example_is_a_configuration(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("kestra-sync.yaml").write_text(example, encoding="utf-8")
    file = read("kestra-sync.yaml")
    for environment in file.value.get("environments", {}):
        assert load_config("kestra-sync.yaml", environment)


def test_there_are_examples() -> None:
    assert len(_EXAMPLES) > 5


def test_config_page__shown_errors_are_real(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kestra_sync.config.file import ConfigError

    monkeypatch.chdir(tmp_path)
    found = re.search(r"```yaml\n(# Wrong\n.*?)```\n+```text\n(.*?)```", _PAGE, re.DOTALL)
    assert found is not None
    Path("kestra-sync.yaml").write_text(found[1], encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        read("kestra-sync.yaml")
    assert f"kestra-sync: error: {error.value.message}\n" == found[2]


def test_every_rule_is_explained() -> None:
    package = Path(__file__).resolve().parents[3] / "kestra_sync" / "config"
    raised = {
        rule
        for module in package.glob("*.py")
        for rule in re.findall(r'"(config-[a-z-]+)"', module.read_text(encoding="utf-8"))
    }
    assert set(re.findall(r"^\| `(config-[a-z-]+)` \|", _PAGE, re.MULTILINE)) == raised
