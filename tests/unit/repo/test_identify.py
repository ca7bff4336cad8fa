"""The scan and a full parse return the same result."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kestra_sync.model import Document, Flow, FlowId, Skipped
from kestra_sync.repo import confirm, identify, identify_source
from kestra_sync.repo.parse import parse
from kestra_sync.repo.text import NeedsFullParse, NotAFlow, scan
from tests.cases import NEGATIVE, POSITIVE
from tests.support.examples import examples

HEAD = b"id: a\nnamespace: x.y\n"
TASKS = b"tasks:\n  - id: t\n    type: b.c\n"
FLOW = FlowId("x.y", "a")


def _agree(data: bytes) -> None:
    """Of what can be parsed; the scan need not find syntax errors."""
    found = scan(data)
    if isinstance(found, NeedsFullParse) or isinstance(parse(data), tuple):
        return
    truth = confirm(Document("f", 0, 1, data))
    if isinstance(found, NotAFlow):
        assert isinstance(truth, Skipped), truth
        assert truth.reason == found.reason
    else:
        assert isinstance(truth, Flow), truth
        assert truth.flow_id == found


@pytest.mark.parametrize(
    "data",
    [
        HEAD + TASKS,
        b"\xef\xbb\xbf" + HEAD + TASKS,
        (HEAD + TASKS).replace(b"\n", b"\r\n"),
        b"---\n" + HEAD + TASKS,
        b"# words\n\n--- # more\n" + HEAD + TASKS,
        b"id: \"a\"\nnamespace: 'x.y'\n" + TASKS,
        b"id: a # words\n# words\nnamespace:   x.y   \n" + TASKS,
        TASKS + HEAD,
        HEAD + b"description: |\n  id: b\n  it's \"open\n\n  { [\n" + TASKS,
        HEAD + b"tasks:\n- id: t\n  script: >-\n    {\n    'x\n  type: b.c\n",
        HEAD + b"tasks: [{id: t, type: b.c}]\n",
        HEAD + b"description: don't\n" + TASKS,
        HEAD + b"variables: {a: \"}\", b: 'it''s'}  # [\n" + TASKS,
        HEAD + b"tasks:",
    ],
)
def test_flows_that_need_no_parser(data: bytes) -> None:
    assert scan(data) == FLOW
    _agree(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (HEAD, "missing `tasks`"),
        (b"a: 1\n", "missing `id`, `namespace`, `tasks`"),
        (b"id: a\n" + TASKS, "missing `namespace`"),
    ],
)
def test_what_is_not_a_flow(data: bytes, reason: str) -> None:
    assert scan(data) == NotAFlow(reason)
    _agree(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{id: a, namespace: x, tasks: []}\n",
        b" id: a\n namespace: x\n tasks: []\n",
        b"- id: a\n",
        HEAD + TASKS + b"id: b\n",
        HEAD + TASKS + b"---\n" + HEAD + TASKS,
        b"id: a\n  b\nnamespace: x\n" + TASKS,
        b"id: a\n\n # words\n  b\nnamespace: x\n" + TASKS,
        b"id:\n  a\nnamespace: x\n" + TASKS,
        b"id: &x a\nnamespace: x\n" + TASKS,
        b"id: *x\nnamespace: x\n" + TASKS,
        b"id: !!str a\nnamespace: x\n" + TASKS,
        b"id: |\n  a\nnamespace: x\n" + TASKS,
        b"id: 5\nnamespace: x\n" + TASKS,
        b"id: null\nnamespace: x\n" + TASKS,
        b"id: yes\nnamespace: x\n" + TASKS,
        b"id: a b\nnamespace: x\n" + TASKS,
        b'"id": a\nnamespace: x\n' + TASKS,
        b"? id\n: a\nnamespace: x\n" + TASKS,
        b"id: a\tb\nnamespace: x\n" + TASKS,
        b"a: 'text\nid: a\nnamespace: x\ntasks: y'\n",
        b'a: "text\nid: a\nnamespace: x\ntasks: y"\n',
        b"a: 'it''s\nid: a\nnamespace: x\ntasks: y'\n",
        b"a:\n  b: [ 'x' , 'y\nid: a\nnamespace: x\ntasks: y']\n",
        b"id: a\nnamespace: x\nlabels: {\ntasks:\n }\n",
        b"id: a\nnamespace: x\nlabels: {b: c,\ntasks: d\n }\n",
        b"id: a\nnamespace: x\nlabels: {b: c, # }\ntasks: d\n }\n",
        b"id: a\nnamespace: x\nlabels: {b: '}',\ntasks: d\n }\n",
        b"id: a\rnamespace: x\rtasks: []\r",
        b"id: a\nnamespace: x\ntasks: []\nb: \xe2\x80\xa8\n",
        b"id: a\nnamespace: x\ntasks: []\nb: \xc2\x85\n",
        b"<<: b\n" + HEAD + TASKS,
        b"\xff\xfei\x00",
    ],
)
def test_scan__uncertain_document_needs_the_parser(data: bytes) -> None:
    assert isinstance(scan(data), NeedsFullParse)
    _agree(data)


@pytest.mark.parametrize("case", [*POSITIVE, *NEGATIVE], ids=lambda case: case.stem)
def test_cases_agree(case: object) -> None:
    _agree(case.read_bytes())  # type: ignore[attr-defined]


LINES = st.sampled_from(
    """
id: a
id: "b"
id: 'c' # words
id: 5
id:
id: a,
namespace: x
namespace: x.y
tasks:
tasks: []
tasks: x
  - id: t
- id: t
    type: b.c
# words
 # words

text
  text
  id: z
a: 'x
a: "x
a: x'
a: it's
  'y
  "y
x'
x"
y'}
a: {
a: [
a: {b: c,
  {
  }
}
  ]
]
,
  ,
a: |
a: >-
  a: |
  - |
  - b: |2
a: &x
*x
? y
: z
---
...
--- x
\tid: t
a: "[" # {
""".strip("\n").split("\n")
)


@settings(max_examples=examples(3000))
@given(st.lists(LINES, max_size=9), st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_scan__agrees_with_the_parser(lines: list[str], end: bytes, head: bool) -> None:
    data = end.join(line.encode() for line in lines)
    _agree(HEAD.replace(b"\n", end) + data if head else data)


@settings(max_examples=examples(500))
@given(st.permutations(["id: a", "namespace: x", "tasks: y"]), st.lists(LINES, max_size=4))
def test_scan__keys_inside_of_other_structures(keys: list[str], lines: list[str]) -> None:
    for opening, closing in (("a: '", "'"), ('a: "', '"'), ("a: {", "}"), ("a: {b: c,", " }")):
        for separator in ("\n", ",\n"):
            text = opening + "\n" + separator.join(keys) + "\n" + closing + "\n" + "\n".join(lines)
            _agree(text.encode())


@pytest.mark.parametrize(
    ("data", "flow_id"),
    [
        (HEAD + TASKS, FLOW),
        (HEAD + TASKS + b"id: b\n", FlowId("x.y", "b")),
        (HEAD + TASKS + b"---\n" + b"id: c\nnamespace: z\n" + TASKS, FLOW),
        (b"{id: a, namespace: x.y, tasks: []}", FLOW),
        (b"id: a\n", None),
        (b"id: [\n", None),
        (b"\xff", None),
    ],
)
def test_identify_source(data: bytes, flow_id: FlowId | None) -> None:
    assert identify_source(data) == flow_id


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (HEAD + TASKS, Flow),
        (b"{id: a, namespace: x.y, tasks: []}", Flow),
        (HEAD, Skipped),
        (b"{id: a}", Skipped),
        (b"[a]", Skipped),
        (b"id: [\n", Skipped),
        (b"id: [\nnamespace: x\ntasks:\n", tuple),
        (b"{id: [], namespace: {}, tasks: []}", tuple),
        (b"{id: , namespace: , tasks: []}", tuple),
    ],
)
def test_identify(data: bytes, kind: type) -> None:
    assert isinstance(identify(Document("f", 0, 1, data)), kind)


def test_confirm_corrects_a_flow() -> None:
    document = Document("f", 0, 1, HEAD + TASKS)
    right, wrong = Flow(FLOW, document), Flow(FlowId("b", "c"), document)
    assert confirm(right) is right
    assert confirm(wrong) == right


def test_scanning_imports_no_yaml_parser() -> None:
    code = (
        "import sys\n"
        "from kestra_sync.repo import identify_source\n"
        "assert identify_source(b'id: a\\nnamespace: x\\ntasks:\\n')\n"
        "assert not {'ruamel.yaml', 'jsonschema', 'pathspec'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
