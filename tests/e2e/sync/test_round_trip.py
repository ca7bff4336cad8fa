"""Random trees of flows: after an apply, the plan is empty and every byte is stored."""

from __future__ import annotations

import json
import shutil
import uuid
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.sync.conftest import Repo
from tests.support.cleanup import remove_namespaces
from tests.support.examples import THOROUGH
from tests.support.server import Http
from tests.support.sources import LOG

BOM = b"\xef\xbb\xbf"

#: Letters, digits, punctuation and symbols of all scripts; no braces, which are expressions.
TEXT = st.text(st.characters(categories=("L", "N", "P", "S"), exclude_characters="{}"), max_size=12)


@dataclass(frozen=True)
class Body:
    """The content of a flow in addition to its name."""

    comment: str
    message: str
    block: bool
    blank_lines: int

    def text(self, namespace: str, flow_id: str) -> str:
        """The flow, with an end of line after every line."""
        message = json.dumps(self.message, ensure_ascii=False)
        if self.block:
            message = f"|\n      .{self.message}\n      ---\n      last"
        return (
            f"# {self.comment}\nid: {flow_id}   # {self.comment}\n\nnamespace: {namespace}\n"
            f"tasks:\n  - id: log\n    type: {LOG}\n    message: {message}\n"
            + "\n"
            * self.blank_lines
        )


@dataclass(frozen=True)
class File:
    """A file with at least one flow."""

    folder: str
    extension: str
    bodies: list[Body]
    crlf: bool
    bom: bool
    cut: bool
    marker: bool


BODIES = st.builds(Body, TEXT, TEXT, st.booleans(), st.integers(0, 2))
FILES = st.builds(
    File,
    st.sampled_from(["", "team/", "team/deep er/", "größe/"]),
    st.sampled_from(["yml", "yaml"]),
    st.lists(BODIES, min_size=1, max_size=3),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


def put(repo: Repo, number: int, file: File) -> dict[str, bytes]:
    """Write the file; returns the bytes of each of its flows."""
    ids = [f"f{number}-{index}" for index in range(len(file.bodies))]
    texts = [body.text(repo.namespace, name) for body, name in zip(file.bodies, ids, strict=True)]
    if file.cut:
        texts[-1] = texts[-1].rstrip("\n")
    if file.marker:
        # Before the only document it is part of what is sent; before the first of several it is
        # what separates them.
        texts[0] = f"---\n{texts[0]}"
    documents = [(text.replace("\n", "\r\n") if file.crlf else text).encode() for text in texts]
    if file.bom:
        documents[0] = BOM + documents[0]
    marker = b"---\r\n" if file.crlf else b"---\n"
    repo.write(f"flows/{file.folder}{number}.{file.extension}", marker.join(documents))
    if file.marker and len(documents) > 1:
        documents[0] = documents[0].removeprefix(BOM).removeprefix(marker)
    return dict(zip(ids, documents, strict=True))


def test_round_trip__second_plan_is_empty_and_bytes_are_equal(repo: Repo, http: Http) -> None:
    @settings(
        max_examples=50 if THOROUGH else 4,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(FILES, min_size=1, max_size=5))
    def check(files: list[File]) -> None:
        here = repo.again(f"kstest.{uuid.uuid4().hex[:10]}")
        here.config()
        try:
            expected: dict[str, bytes] = {}
            for number, file in enumerate(files):
                expected |= put(here, number, file)
            ran = here.apply()
            assert ran.code == 0, (ran.out, ran.err)
            assert ran.reasons() == dict.fromkeys(expected, "create new")
            assert here.lives() == expected
            again = here.plan("--detailed-exitcode")
            assert (again.code, again.reasons()) == (0, {})
            assert set(here.owned()) == set(expected)
        finally:
            remove_namespaces(http, here.namespace)
            shutil.rmtree(here.root)

    check()
