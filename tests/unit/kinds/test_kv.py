"""Key-value pairs in the repository, and the comparison of values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kestra_sync.client.errors import AlreadyExists, NotFound
from kestra_sync.client.kv import KvEntry, KvListed
from kestra_sync.kinds.kv.kind import KvKind, KvStore, diff, is_masked
from kestra_sync.kinds.kv.load import load
from kestra_sync.kinds.kv.values import (
    KvValue,
    ValueProblem,
    duration_text,
    from_server,
    seconds_of,
    source_of,
    typed,
    typed_text,
    value_of,
)
from kestra_sync.kinds.registry import diff_whole
from kestra_sync.model import Base, Kind, KvOverride, Position, ResourceId, sha256

_NS = "acme.sales"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("kv").mkdir()


def _id(key: str) -> ResourceId:
    return ResourceId(_NS, key, Kind.KV)


def _declare(text: str, **environ: str) -> dict[str, KvValue]:
    Path("kv/sales.yaml").write_text(f"namespace: {_NS}\nvalues:\n{text}", encoding="utf-8")
    found = load(["kv/*.yaml"], environ)
    assert found.diagnostics == []
    return {resource.id: each.value for resource, each in found.keys.items()}


def _problem(text: str, **environ: str) -> str:
    Path("kv/sales.yaml").write_text(f"namespace: {_NS}\nvalues:\n{text}", encoding="utf-8")
    (found,) = load(["kv/*.yaml"], environ).diagnostics
    assert found.position is not None
    return f"{found.position.line}: {found.rule}: {found.message}"


@pytest.mark.parametrize(
    ("text", "kind", "sent"),
    [
        ("emea", "STRING", '"emea"'),
        ('"2026-01-01"', "STRING", '"2026-01-01"'),
        ("2026-01-01", "STRING", '"2026-01-01"'),
        ("''", "STRING", '""'),
        ("42", "NUMBER", "42"),
        ("1.50", "NUMBER", "1.5"),
        ("1.0", "NUMBER", "1"),
        ("true", "BOOLEAN", "true"),
        ("{a: 1, b: null, c: [1, null, 2.0]}", "JSON", '{"a": 1, "c": [1, null, 2]}'),
        ("[]", "JSON", "[]"),
        ("{type: DATE, value: 2026-01-31}", "DATE", "2026-01-31"),
        ("{type: DATETIME, value: '2026-01-31T08:00:00Z'}", "DATETIME", "2026-01-31T08:00:00Z"),
        ("{type: DATETIME, value: '2026-01-31T08:00+02:00'}", "DATETIME", "2026-01-31T06:00:00Z"),
        ("{type: DATETIME, value: '0999-01-31T08:00:00Z'}", "DATETIME", "0999-01-31T08:00:00Z"),
        ("{type: DURATION, value: P1D}", "DURATION", "PT24H"),
        ("{type: STRING, value: x}", "STRING", '"x"'),
        ("{value: {value: 1}}", "JSON", '{"value": 1}'),
        ("{value: 1, unit: m}", "JSON", '{"value": 1, "unit": "m"}'),
    ],
)  # fmt: skip
def test_the_type_comes_from_yaml_or_is_declared(text: str, kind: str, sent: str) -> None:
    value = _declare(f"  key: {text}\n")["key"]
    assert (value.type, value.text) == (kind, sent)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  a: 1\n  key: PT5M\n", "4: kv-value: key: Kestra stores a text like this one as a DUR"),
        ("  key: {type: STRING, value: P1D}\n", "3: kv-value: key: Kestra stores a text"),
        ("  key: null\n", "does not store null"),
        ("  key: .nan\n", "the number .nan"),
        ("  key: {type: NUMBER, value: x}\n", "the value is a STRING, not a NUMBER"),
        ("  key: {type: TEXT, value: x}\n", "the type must be one of"),
        ("  key: {type: DATE, value: 31.01.2026}\n", "a DATE is written as"),
        ("  key: {type: DATE, value: 1}\n", "a DATE is written as text"),
        ("  key: {type: DATETIME, value: '2026-01-31T08:00:00'}\n", "a DATETIME is written as"),
        ("  key: {type: DATETIME, value: '2026-01-31T08:00:00.5Z'}\n", "fractions of a second"),
        ("  key: {type: DATETIME, value: '9999-12-31T23:59:59-01:00'}\n", "a DATETIME is"),
        ("  key: {type: DATETIME, value: '0001-01-01T00:00:00+05:00'}\n", "a DATETIME is"),
        (f"  key: {{type: DURATION, value: P{'9' * 5000}D}}\n", "a duration is written as"),
        ("  a: &x 1\n  key: *x\n", "4: kv-file: the alias '*x' is not supported"),
        ("  key: {type: DURATION, value: 5m}\n", "a duration is written as"),
        ("  key: {value: 1, ttl: 1h}\n", "a duration is written as"),
        ("  key: {value: 1, ttl: PT0S}\n", "greater than zero"),
        ("  key: {value: 1, ttl: 60}\n", "a duration such as PT1H"),
        ('  key: {value: 1, description: "ü"}\n', "printable ASCII"),
        ("  key: {value: 1, masked: 3}\n", "true or false"),
        ("  key: {value: 1, env: X}\n", "not both"),
        ("  key: {env: [a]}\n", "the name of an environment variable"),
        ("  key: {value: 1, descripton: x}\n", "did you mean `description`?"),
        ("  -key: 1\n", "kv-key"),
        ("  kestra-sync.x: 1\n", "reserved"),
    ],
)
def test_kv__value_that_kestra_alters_is_an_error(text: str, words: str) -> None:
    assert words in _problem(text)


def test_a_variable_that_is_missing_or_empty_is_an_error() -> None:
    assert "the environment variable NOPE is not set" in _problem("  key: {env: NOPE}\n")
    assert "the environment variable NOPE is empty" in _problem("  key: {env: NOPE}\n", NOPE="")


def test_a_secret_of_the_wrong_type_is_not_shown() -> None:
    for kind in ("NUMBER", "JSON", "DATE", "DATETIME", "DURATION", "STRING"):
        secret = "P1DT1H" if kind == "STRING" else "hunter2-"
        found = _problem(f"  key: {{env: KEY, type: {kind}}}\n", KEY=secret)
        assert secret not in found


@pytest.mark.parametrize(
    "name",
    ["KESTRA_TOKEN", "KESTRA_TOKEN_PROD", "KESTRA_PASSWORD", "KESTRA_HEADERS", "GITHUB_TOKEN",
     "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "CI_JOB_TOKEN", "kestra_token", "ACME_DEPLOY"],
)  # fmt: skip
@pytest.mark.parametrize("secrets", [True, False])
def test_env__credentials_of_the_run_are_refused(name: str, secrets: bool) -> None:
    """In pull requests as well, where the variables are not set."""
    Path("kv/a.yaml").write_text(f"namespace: {_NS}\nvalues:\n  key: {{env: {name}}}\n")
    environ = {name: "the-credential"} if secrets else {}
    found = load(["kv/a.yaml"], environ, secrets=secrets, refused={"ACME_DEPLOY"})
    assert found.keys == {}
    (problem,) = found.diagnostics
    assert problem.message == f"key: {name} is a credential of this run, which flows must not read"
    assert load(["kv/a.yaml"], {name: "x"}).diagnostics == (
        [] if name == "ACME_DEPLOY" else [problem]
    )


def test_a_secret_has_the_type_that_is_declared() -> None:
    environ = {"A": "1", "B": "1", "C": '{"a": null, "b": 1}'}
    text = "  a: {env: A}\n  b: {env: B, type: NUMBER}\n  c: {env: C, type: JSON}\n"
    found = _declare(text, **environ)
    assert [(each.type, each.text) for each in found.values()] == [
        ("STRING", '"1"'), ("NUMBER", "1"), ("JSON", '{"b": 1}'),
    ]  # fmt: skip
    assert all(each.masked for each in found.values())


def test_files_without_keys_are_errors() -> None:
    for name, text in {
        "a": "x: 1\n",
        "b": "namespace: Not One\nvalues: {}\n",
        "c": "namespace: acme\nvalues: {a: 1}\nmore: 1\n",
        "d": "a: b: c\n",
    }.items():
        Path(f"kv/{name}.yaml").write_text(text)
    found = load(["kv/*.yaml", "absent.yaml"], {})
    assert sorted((each.path, each.rule) for each in found.diagnostics) == [
        ("absent.yaml", "kv-file"),
        ("kv/a.yaml", "kv-file"),
        ("kv/b.yaml", "kv-file"),
        ("kv/c.yaml", "kv-file"),
        ("kv/d.yaml", "yaml-syntax"),
    ]


def test_a_key_declared_twice_is_an_error() -> None:
    for name in "ab":
        Path(f"kv/{name}.yaml").write_text(f"namespace: {_NS}\nvalues: {{key: 1}}\n")
    (found,) = load(["kv/*.yaml"], {}).diagnostics
    assert (found.path, found.rule) == ("kv/b.yaml", "kv-duplicate")


@pytest.mark.parametrize(
    ("text", "seconds", "again"),
    [("P1D", 86_400, "PT24H"), ("PT90M", 5_400, "PT1H30M"), ("PT0S", 0, "PT0S"),
     ("P1DT1H1M1S", 90_061, "PT25H1M1S"), ("PT61S", 61, "PT1M1S")],
)  # fmt: skip
def test_durations(text: str, seconds: int, again: str) -> None:
    assert (seconds_of(text), duration_text(seconds)) == (seconds, again)


@pytest.mark.parametrize(
    ("kind", "data", "same"),
    [
        ("NUMBER", 1000.0, 1000),
        ("NUMBER", 10**30, 10**30),
        ("JSON", {"a": 1.0, "b": 2}, {"b": 2, "a": 1}),
        ("STRING", "x", "x"),
        (None, "x", "x"),
        (None, 2.0, 2),
    ],
)
def test_kv__read_value_equals_the_written_one(kind: str | None, data: Any, same: Any) -> None:
    assert source_of(from_server(kind, data)) == source_of(typed(same, None))


def test_type_ttl_and_description_are_part_of_the_value() -> None:
    values = [
        typed("1", None), typed(1, None), KvValue("NUMBER", 1, ttl=60),
        KvValue("NUMBER", 1, description="x"),
    ]  # fmt: skip
    assert len({source_of(each) for each in values}) == len(values)
    assert [value_of(source_of(each)) for each in values] == values


def test_mask__source_does_not_contain_the_value() -> None:
    value = typed_text("hunter2", None)
    hidden = source_of(KvValue(value.type, value.data, masked=True), "salt")
    assert b"hunter2" not in hidden
    assert sha256(value.text.encode()).encode() not in hidden
    assert hidden != source_of(KvValue(value.type, value.data, masked=True), "another")
    assert is_masked(hidden)
    assert value_of(hidden) is None


def test_typed_text_refuses_nothing_in_its_message() -> None:
    with pytest.raises(ValueProblem) as caught:
        typed_text("hunter2", "BOOLEAN")
    assert "hunter2" not in str(caught.value)


class _Kv:
    """A key-value store of one namespace, in memory."""

    def __init__(self) -> None:
        self.stored: dict[str, tuple[str, str | None, str | None, int]] = {}
        self.reads: list[str] = []

    def entry(self, _namespace: str, key: str) -> KvEntry:
        self.reads.append(key)
        if key not in self.stored:
            raise NotFound(404, "GET", key)
        text, _, _, revision = self.stored[key]
        try:
            data = json.loads(text)
        except ValueError:
            data = text
        kinds = {str: "STRING", int: "NUMBER", float: "NUMBER", bool: "BOOLEAN"}
        return KvEntry(data, kinds.get(type(data), "JSON"), revision)

    entry_now = entry

    def list(self, namespace: str) -> tuple[KvListed, ...]:
        return tuple(
            KvListed(namespace, key, revision, note, None if ttl is None else seconds_of(ttl) - 1)
            for key, (_, ttl, note, revision) in sorted(self.stored.items())
        )

    def put_text(
        self, _namespace: str, key: str, text: str, *, ttl: str | None, description: str | None
    ) -> None:
        revision = self.stored[key][3] + 1 if key in self.stored else 1
        self.stored[key] = (text, ttl, description, revision)

    def delete(self, _namespace: str, key: str) -> bool:
        return self.stored.pop(key, None) is not None


class _Client:
    def __init__(self) -> None:
        self.kv = _Kv()


def _kind(text: str, **environ: str) -> KvKind:
    Path("kv/sales.yaml").write_text(f"namespace: {_NS}\nvalues:\n{text}", encoding="utf-8")
    return KvKind(("kv/*.yaml",), "main", environ)


def test_key__is_written_read_back_and_in_sync() -> None:
    client: Any = _Client()
    kind = _kind('  a: {value: 1.0, ttl: PT1H, description: "x"}\n  b: {env: B}\n', B="hunter2")
    desired = kind.load().desired
    store = KvStore(client.kv, kind)
    for resource, each in desired.items():
        written = store.create(resource, each.sent)
        assert (written.source, written.revision) == (each.sent, 1)
    assert client.kv.stored["b"][0] == '"hunter2"'
    live = kind.read(client, desired, {}).live
    assert {key: each.source for key, each in live.items()} == {
        key: each.sent for key, each in desired.items()
    }
    with pytest.raises(AlreadyExists):
        store.create(_id("a"), desired[_id("a")].sent)
    store.delete(_id("a"))
    with pytest.raises(NotFound):
        store.delete(_id("a"))


def test_requests__untouched_flows_are_not_read() -> None:
    client: Any = _Client()
    kind = _kind("  a: 1\n  b: 2\n")
    desired = kind.load().desired
    store = KvStore(client.kv, kind)
    bases = {}
    for resource, each in desired.items():
        revision = store.create(resource, each.sent).revision
        digest = each.sent_sha256
        bases[resource] = Base(each.path, digest, frozenset({digest}), revision)
    store.update(_id("b"), desired[_id("b")].sent)
    client.kv.put_text(_NS, "foreign", "1", ttl=None, description=None)
    client.kv.reads.clear()
    live = kind.read(client, desired, bases).live
    assert client.kv.reads == ["b"]
    assert {key.id: each.revision for key, each in live.items()} == {"a": 1, "b": 2}


def test_a_secret_on_the_server_is_hidden_and_can_be_restored() -> None:
    """Another secret was stored: the plan does not show it, and a rollback restores it."""
    client: Any = _Client()
    client.kv.put_text(_NS, "b", '"theirs"', ttl=None, description=None)
    kind = _kind("  b: {env: B}\n", B="ours")
    desired = kind.load().desired
    before = kind.read(client, desired, {}).live[_id("b")].source
    assert b"theirs" not in before
    assert before != desired[_id("b")].sent
    store = KvStore(client.kv, kind)
    store.update(_id("b"), desired[_id("b")].sent)
    assert client.kv.stored["b"][0] == '"ours"'
    assert store.get(_id("b")).source == desired[_id("b")].sent
    store.update(_id("b"), before)
    assert client.kv.stored["b"][0] == '"theirs"'


def test_key__that_becomes_a_secret_stays_owned() -> None:
    client: Any = _Client()
    client.kv.put_text(_NS, "b", '"x"', ttl=None, description=None)
    digest = sha256(source_of(typed("x", None)))
    bases = {_id("b"): Base("kv/sales.yaml", digest, frozenset({digest}), 1)}
    kind = _kind("  b: {env: B}\n", B="y")
    reading = kind.read(client, kind.load().desired, bases)
    live = reading.live[_id("b")]
    assert is_masked(live.source)
    assert live.sha256 in reading.bases[_id("b")].live_hashes


def test_secret__that_becomes_a_plain_value_stays_masked_in_the_diff() -> None:
    client: Any = _Client()
    client.kv.put_text(_NS, "b", '"old"', ttl=None, description=None)
    secret = _kind("  b: {env: B}\n", B="old").load().desired[_id("b")].sent_sha256
    bases = {_id("b"): Base("kv/sales.yaml", secret, frozenset({secret}), 1, masked=True)}
    kind = _kind("  b: new\n")
    desired = kind.load().desired
    live = kind.read(client, desired, bases).live[_id("b")]
    assert live.sha256 == secret
    (hunk,) = diff(live.source, desired[_id("b")].sent)
    assert "scrypt" not in str(hunk)
    assert hunk.heading == "secret"


def test_the_diff_of_a_secret_shows_what_else_changes() -> None:
    kind = _kind("  b: {env: B}\n", B="x")
    before = kind.load().desired[_id("b")].sent
    after = _kind('  b: {env: B, description: "new"}\n', B="x").load().desired[_id("b")].sent
    hunks = diff(before, after)
    assert "scrypt" not in str(hunks)
    assert ["description" in str(hunk) for hunk in hunks] == [True]
    other = _kind("  b: {env: B}\n", B="z").load().desired[_id("b")].sent
    assert [hunk.heading for hunk in diff(before, other)] == ["secret"]


def _overridden(text: str, value: Any, *, key: str = "region", **environ: str) -> Any:
    Path("kv/sales.yaml").write_text(f"namespace: {_NS}\nvalues:\n{text}", encoding="utf-8")
    override = KvOverride(_NS, key, value, Position(7, 9))
    found = load(["kv/*.yaml"], environ, overrides=[override], config_path="kestra-sync.yaml")
    if found.diagnostics:
        (each,) = found.diagnostics
        assert each.position is not None
        return f"{each.path}:{each.position.line}: {each.rule}: {each.message}"
    return found.keys[_id(key)].value


def test_override__replaces_the_value_and_keeps_the_rest() -> None:
    assert _overridden("  region: emea", "apac") == typed("apac", None)
    assert _overridden("  region: emea", [1, 2]) == typed([1, 2], None)
    declared = "  region: {type: DATE, value: 2026-01-31, ttl: PT1H, description: when}"
    value = _overridden(declared, "2027-01-31")
    assert (value.type, value.data, value.ttl) == ("DATE", "2027-01-31", 3600)
    assert value.description == "when"
    value = _overridden(declared, {"value": "2027-01-31", "ttl": "PT2H"})
    assert (value.ttl, value.description) == (7200, "when")


def test_override__takes_secrets_from_the_environment_and_keeps_values_masked() -> None:
    value = _overridden("  region: emea", {"env": "REGION"}, REGION="apac")
    assert (value.data, value.masked) == ("apac", True)
    # The variable of the file is not needed where the environment has another one.
    value = _overridden("  region: {env: UNSET}", {"env": "REGION"}, REGION="apac")
    assert value.data == "apac"
    assert _overridden("  region: {value: x, masked: true}", "apac").masked
    said = _overridden("  region: {env: A}", {"env": "KESTRA_TOKEN_PROD"}, KESTRA_TOKEN_PROD="x")
    assert "credential of this run" in said


def test_override__problems_are_at_the_line_of_the_configuration() -> None:
    said = _overridden("  region: emea", None)
    assert said.startswith("kestra-sync.yaml:7: kv-value: region: ")
    said = _overridden("  region: emea", {"env": "UNSET"})
    assert said.startswith("kestra-sync.yaml:7: kv-value: region: the environment variable UNSET")
    said = _overridden("  region: emea", "apac", key="regoin")
    assert said == (
        "kestra-sync.yaml:7: kv-no-match: regoin: no file declares this key in acme.sales"
    )


def test_diff__of_a_created_masked_key_shows_no_hash() -> None:
    """``--diff full`` shows all of what is created, but of a secret only that there is one."""
    source = b'{"description": "of the bank", "secret": "scrypt:0123"}\n'
    (secret, rest) = diff_whole(Kind.KV, None, source)
    assert [text for _, text in secret.lines] == ['"value": ***']
    shown = "".join(text for hunk in (secret, rest) for _, text in hunk.lines)
    assert "of the bank" in shown
    assert "scrypt" not in shown
