"""Mappings change only names of namespaces, and no other byte."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kestra_sync.edits import edited, place_of_byte
from kestra_sync.model import Document, Flow, Scope
from kestra_sync.render.mapping import Mapper
from kestra_sync.render.namespaces import NamespaceMap
from kestra_sync.repo import identify
from kestra_sync.repo.document import ParsedDocument
from kestra_sync.repo.parse import parse
from tests.support.examples import examples
from tests.unit.render.corpus import documents

PROD = NamespaceMap.of({"acme": "prod.acme", "acme.ops": "ops"})
#: Of `acme.sales more` nothing is mapped.
SALES = NamespaceMap.of({"acme.sales": "sales"})


def mapped(text: str, names: NamespaceMap = PROD) -> str:
    """The text with its namespaces mapped; no notice may be an error."""
    data = text.encode()
    result = Mapper(names).map(data)
    assert not [each for each in result.notices if each.is_error]
    return edited(data, result.edits).decode()


def notices(text: str) -> list[tuple[str, int]]:
    """The rule and the line of each notice."""
    data = text.encode()
    found = Mapper(PROD).map(data).notices
    return [(each.rule, place_of_byte(data, each.offset)[0]) for each in found]


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("acme", "prod.acme"),
        ("acme.sales", "prod.acme.sales"),
        ("acme2", "acme2"),
        ("my.acme", "my.acme"),
        ("acme.ops", "ops"),
        ("acme.ops.night", "ops.night"),
        ("acme.opsx", "prod.acme.opsx"),
    ],
)
def test_names__the_longest_dot_aware_prefix_wins(here: str, there: str) -> None:
    assert PROD.to_server(here) == there
    assert PROD.to_files(there) == here


def test_names__the_way_back_is_refused_where_it_is_not_certain() -> None:
    assert PROD.to_files("acme.sales") is None  # it would become prod.acme.sales
    assert PROD.to_files("prod.acme.ops") is None
    both = NamespaceMap.of({"a": "x", "b": "x"})
    assert both.to_files("x.y") is None
    assert both.to_files("other") == "other"


def test_names__the_scope_follows() -> None:
    assert PROD.scope(Scope(("acme",))).namespaces == ("prod.acme", "ops")
    assert PROD.scope(Scope(("acme.sales", "other"))).namespaces == ("prod.acme.sales", "other")
    assert PROD.scope(Scope(("acme",), exact=True)) == Scope(("prod.acme",), exact=True)


FLOW = """\
# acme.sales: the namespace acme
id: a
namespace: acme.sales # of acme
description: 'acme.sales, "namespace: acme.sales" in a text'
tasks:
  - id: call
    type: io.kestra.plugin.core.flow.Subflow
    namespace: 'acme.ops'
    flowId: b
  - {id: c, type: io.kestra.plugin.core.flow.Subflow, namespace: "acme.x", flowId: acme}
  - id: each
    type: io.kestra.plugin.core.flow.ForEachItem
    "namespace": acme
    flowId: acme.sales
  - id: kv
    type: io.kestra.plugin.core.kv.Set
    namespace: acme2
  - id: purge
    type: io.kestra.plugin.core.kv.PurgeKV
    namespaces: [acme.a, 'acme.b', other]
  - id: files
    type: io.kestra.plugin.core.namespace.DownloadFiles
    namespaces:
      - acme.c
      -   "acme.ops.d"
  - id: script
    type: io.kestra.plugin.scripts.shell.Script
    script: |
      namespace: acme.sales
      echo acme
triggers:
  - id: t
    type: io.kestra.plugin.core.trigger.Flow
    conditions:
      - type: io.kestra.plugin.core.condition.ExecutionNamespace
        namespace: acme.
      - type: io.kestra.plugin.core.condition.ExecutionNamespace
        namespace: acme.up
    preconditions:
      id: p
      flows:
        - namespace: acme.up
          flowId: acme
      where:
        - id: w
          filters:
            - {field: NAMESPACE, type: STARTS_WITH, value: acme.up}
            - field: NAMESPACE
              type: IN
              values: [acme.a, b]
            - {field: FLOW_ID, type: EQUAL_TO, value: acme.up}
"""


def test_flow__every_reference_is_mapped_in_every_style_and_nothing_else() -> None:
    changed = {
        "namespace: acme.sales # of acme": "namespace: prod.acme.sales # of acme",
        "namespace: 'acme.ops'": "namespace: 'ops'",
        'namespace: "acme.x"': 'namespace: "prod.acme.x"',
        '"namespace": acme': '"namespace": prod.acme',
        "[acme.a, 'acme.b', other]": "[prod.acme.a, 'prod.acme.b', other]",
        "- acme.c": "- prod.acme.c",
        '-   "acme.ops.d"': '-   "ops.d"',
        "namespace: acme.\n": "namespace: prod.acme.\n",
        "namespace: acme.up": "namespace: prod.acme.up",
        "STARTS_WITH, value: acme.up": "STARTS_WITH, value: prod.acme.up",
        "values: [acme.a, b]": "values: [prod.acme.a, b]",
    }
    expected = FLOW
    for before, after in changed.items():
        assert before in expected
        expected = expected.replace(before, after)
    assert mapped(FLOW) == expected


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_flow__most_are_mapped_without_a_parser(
    ending: str, bom: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_data: bytes) -> None:
        pytest.fail("parsed")

    monkeypatch.setattr("kestra_sync.render.mapping.read_nodes", refuse)
    text = """\
id: a
namespace: acme.sales
tasks:
  - id: call
    type: io.kestra.plugin.core.flow.Subflow
    namespace: "acme.ops" # ü
    namespaceFiles: {enabled: true}
    message: "{{ flow.namespace }}"
    script: |
      namespace: acme.sales
  - namespace: 'acme.x'
    # namespace: acme
"""
    text = bom + text.replace("\n", ending)
    expected = text.replace("namespace: acme.sales", "namespace: prod.acme.sales", 1)
    expected = expected.replace('"acme.ops"', '"ops"').replace("'acme.x'", "'prod.acme.x'")
    assert mapped(text) == expected


@pytest.mark.parametrize(
    "header",
    [
        *("      - |", "      -   >-", "      - - |", "      - a: |", "      - a.sh: |2"),
        *("      a/b.yml: |", '      "a.yml": >-', "      'a b': |", "      a b: |", "      a : |"),
        *(
            "      schlüssel: |",
            "      a: !!str |",
            "      a: &a |",
            "      a:\n        |",
            "      ? |",
        ),
    ],
)
def test_flow__text_in_a_block_scalar_stays(header: str) -> None:
    """However the block begins: a file for a task may say `namespace:` itself."""
    text = f"id: a\nnamespace: acme.sales\ntasks:\n  - id: t\n    inputFiles:\n{header}\n"
    for indent in range(7, 12):  # where it is not deeper, it may be a key
        written = f"{text}{' ' * indent}namespace: acme.sales\n"
        data = written.encode()
        if isinstance(parse(data, tolerant=True), ParsedDocument):
            assert Mapper(PROD).map(data).edits == _ByParser(PROD).map(data).edits
    assert mapped(written) == written.replace("acme.sales", "prod.acme.sales", 1)
    assert isinstance(parse(data, tolerant=True), ParsedDocument)


@pytest.mark.parametrize(
    "line",
    [
        "namespace:\n    acme.sales",
        "namespace: |-\n    acme.sales",
        'namespace: "ac\\x6de.sales"',
        "? namespace\n: acme.sales",
        "namespace: !!str acme.sales",
    ],
)
def test_flow__odd_styles_mean_the_mapped_name(line: str) -> None:
    text = f"id: a\ntasks: [acme]\n{line}\n"
    value = parse(mapped(text).encode())
    assert isinstance(value, ParsedDocument)
    assert value.value == {"id": "a", "tasks": ["acme"], "namespace": "prod.acme.sales"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  - namespace: acme.sales\n      more", "acme.sales more"),
        ("  - namespace: acme.sales\n\n     more", "acme.sales\nmore"),
        ("  - namespace: acme.sales\n    a: 1", "sales"),
        ("  - namespace: acme.sales\n    # more\n  - a: 1", "sales"),
    ],
)
def test_flow__value_that_goes_on_in_the_next_line_is_another_name(
    text: str, expected: str
) -> None:
    text = f"id: a\nnamespace: acme.sales\ntasks:\n{text}\n"
    value = parse(mapped(text, SALES).encode(), tolerant=True)
    assert isinstance(value, ParsedDocument)
    assert value.value["namespace"] == "sales"
    assert value.value["tasks"][0]["namespace"] == expected


def test_flow__a_name_that_is_not_text_without_quotes_gets_them() -> None:
    assert mapped("namespace: acme\n", NamespaceMap.of({"acme": "on"})) == 'namespace: "on"\n'


@pytest.mark.parametrize(
    "text",
    [
        "id: a\nnamespace: &n acme.sales\ntasks: []\n",
        "id: a\nnamespace: acme.sales\ntasks:\n  - namespace: *n\n",
        "id: a\nnamespace: acme.sales\ntasks:\n  - namespaces: [*n]\n",
    ],
)
def test_flow__anchors_and_aliases_are_refused(text: str) -> None:
    (notice,) = [each for each in Mapper(PROD).map(text.encode()).notices if each.is_error]
    assert notice.rule == "namespace-anchor"
    assert text.encode()[notice.offset : notice.offset + 1] in b"&*"


def test_expressions__are_reported_with_their_line_and_not_rewritten() -> None:
    text = """\
id: a
namespace: other
tasks:
  - id: t
    message: "{{ kv('x', 'acme.sales') }} and acme.sales and {{ 'acmes' }}"
  # {{ kv('x', 'acme.sales') }}
  - id: u
    script: |
      {% if kv("x", "acme.ops") %}
    namespace: "acme.{{ inputs.team }}"
    targetNamespace: acme.sales
    namespacePattern: acme.*
"""
    assert mapped(text) == text
    assert notices(text) == [
        ("namespace-in-expression", 5),
        ("namespace-in-expression", 9),
        ("namespace-in-expression", 10),
        ("namespace-not-mapped", 11),
        ("namespace-not-mapped", 12),
    ]


class _ByParser(Mapper):
    """Maps nothing without parsing it."""

    def _by_lines(self, data: bytes, keys: object) -> None:
        """Any document may be in doubt."""


_LINES = st.sampled_from(
    r"""
namespace: acme.sales
namespace: acme.sales # acme.sales
namespace: "acme.sales"
namespace: 'acme.sales'
namespace:
namespace: other
namespace: "\x61cme.sales"
namespace: &n acme.sales
"namespace": acme.sales
"n\x61mespace": "\x61cme.sales"
? namespace
?
: acme.sales
  acme.sales
      more
  namespace
  "acme.sales"
  namespace: acme.sales
- namespace: acme.ops
  - namespace: 'acme.ops'
    namespaces: [acme.a, "acme.b"]
    namespaces:
      - acme.c
      - *n
a: {namespace: acme.sales}
a: {namespace: acme.sales,
a: [
]
}
a: |
a/b.yml: |
"a": >-
a: &b |
a b: |
  - |
  - >-
  - - |
  - a: |
    namespace: acme.sales
      namespace: acme.sales
a: 'x
a: "x
a: "x \
y'
y"
y" # '
# namespace: acme.sales
# acme.sales
a: "{{ kv('k', 'acme.sales') }}"
    field: NAMESPACE
    value: acme.sales
    type: EQUAL_TO
a: what?
---
""".strip("\n")
    .replace("\\\\", "\\")
    .split("\n")
)


@settings(max_examples=examples(1000))
@given(
    st.lists(_LINES, max_size=7),
    st.sampled_from([b"\n", b"\r\n"]),
    st.booleans(),
    st.sampled_from([PROD, SALES]),
)
def test_property__lines_and_parser_mean_the_same(
    lines: list[str], end: bytes, head: bool, names: NamespaceMap
) -> None:
    data = end.join(
        line.encode() for line in ("id: a", *["namespace: acme.sales"] * head, *lines, "tasks:", "")
    )
    flow = identify(Document("f", 0, 1, data))
    if isinstance(flow, Flow) and isinstance(parse(data, tolerant=True), ParsedDocument):
        there = flow.flow_id.namespace
        quick, sure = Mapper(names).map(data, there), _ByParser(names).map(data)
        assert quick.notices == sure.notices
        sent, expected = (parse(edited(data, each.edits), tolerant=True) for each in (quick, sure))
        assert isinstance(sent, ParsedDocument)
        assert isinstance(expected, ParsedDocument)
        assert sent.value == expected.value


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_property__a_mapping_and_its_inverse_give_the_same_bytes(
    data: st.DataObject,
) -> None:
    _, source = data.draw(st.sampled_from(documents()))
    source = source.replace(b"company", b"acme").replace(b"x.y", b"acme.y")
    name = st.from_regex(r"[a-z]{1,5}(\.[a-z]{1,5})?", fullmatch=True).map("q".__add__)
    pairs = {"acme": data.draw(name), "acme.y": "zz." + data.draw(name)}
    names = NamespaceMap.of(pairs)
    there = Mapper(names).map(source)
    sent = edited(source, there.edits)
    again = edited(sent, Mapper(names.inverse()).map(sent).edits)
    assert again == source
    before, after = parse(source, tolerant=True), parse(sent, tolerant=True)
    if isinstance(before, ParsedDocument):
        assert isinstance(after, ParsedDocument)
        assert after.flow_id == before.flow_id or there.edits
