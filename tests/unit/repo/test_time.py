"""No file takes long to parse."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from kestra_sync.repo import parse_source, split
from kestra_sync.repo.comments import comments
from kestra_sync.repo.load import looks_like_flow
from kestra_sync.repo.text import scan

HEAD = b"id: a\nnamespace: x\n"
TASKS = b"tasks:\n"
FLOW = HEAD + TASKS
# Each a file of about ``n`` lines or words.
SHAPES: dict[str, Callable[[int], bytes]] = {
    "windows comments": lambda n: b"# c\r\n" * n + FLOW.replace(b"\n", b"\r\n"),
    "windows comments, quoted": lambda n: b"# c\r\n" * n + b"'id': a\r\n",
    "windows comments, marker": lambda n: b"# c\r\n" * n + b"---\r\n" + FLOW,
    "windows comments behind": lambda n: FLOW + b"---\r\n" + b"# c\r\n" * n + b"x: y\r\n",
    "windows comments after a name": lambda n: b"id: a\r\n" + b"# c\r\n" * n + HEAD[6:] + TASKS,
    "windows blanks": lambda n: b"\r\n" * n + FLOW,
    "windows blanks, list": lambda n: b"\r\n" * n + b"- a\r\n",
    "old line breaks": lambda n: b"\r" * n + FLOW,
    "blanks": lambda n: b"    \n" * n + FLOW,
    "directives": lambda n: b"%a\r\n" * n + b"---\r\n" + FLOW,
    "list of block scalars": lambda n: HEAD + b"v:\n" + b"- |\n" * n + TASKS,
    "lists in one line": lambda n: HEAD + b"v:\n" + b"- " * n + b"|\n" + TASKS,
    "headers in text": lambda n: HEAD + b"v: x\n" + b"  - - - x |\n" * n + TASKS,
    "deeper and deeper": lambda n: (
        HEAD + b"".join(b" " * i + b"- |\n" for i in range(min(n, 1000))) + TASKS
    ),
    "bars": lambda n: HEAD + b"v: " + b"| " * n + b"\n" + TASKS,
    "quotes": lambda n: HEAD + b"v: " + b'" ' * n + b"\n" + TASKS,
    "apostrophes": lambda n: HEAD + b"v: " + b"' " * n + b"\n" + TASKS,
    "brackets": lambda n: HEAD + b"v: " + b"[ " * n + b"\n" + TASKS,
    "closed brackets": lambda n: HEAD + b"v: " + b"[ ] " * n + b"\n" + TASKS,
    "hashes": lambda n: HEAD + b"v: " + b"# " * n + b"\n" + TASKS,
    "spaces": lambda n: HEAD + b"v:" + b" " * n + b"\n" + TASKS,
    "a long name": lambda n: b"id: " + b"a" * n + b"!\nnamespace: x\n" + TASKS,
    "documents": lambda n: (FLOW + b"---\n") * (n // 10),
    "ends": lambda n: FLOW + b"...\n" * n,
    "duplicates": lambda n: b"".join(b"k%d: 1\n" % (i % (n // 2)) for i in range(n)) + FLOW,
    "duplicates side by side": lambda n: b"".join(b"k%d: 1\n" % (i // 2) for i in range(n)) + FLOW,
    "aliases": lambda n: HEAD + b"v: &a [x]\n" + b"".join(b"w%d: *a\n" % i for i in range(n)),
    "template": lambda n: b"{{ x }}\n" * n,
    "zeros": lambda n: b"\0" * n,
}


@pytest.mark.parametrize("name", SHAPES)
def test_time_grows_with_the_length_only(name: str) -> None:
    def took(lines: int) -> float:
        data = SHAPES[name](lines)
        started = time.process_time()
        for document in split("f.yaml", data):
            scan(document.data)
            looks_like_flow(document.data)
            parse_source(document.data)
        comments(data[:20_000])
        return time.process_time() - started

    # Quadratic would be a factor of 64; exponential would not come to an end.
    # One of three tries is enough: a busy machine slows some of them, and no try is too fast.
    tries = ((max(took(500), 0.02), took(4000)) for _ in range(3))
    assert any(many < 40 * few for few, many in tries)
