"""Names of previews, and the environment of a preview."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kestra_sync.cli.options import partial_settings
from kestra_sync.config.config import CliOptions, load_config, settings_from_config
from kestra_sync.errors import UsageError
from kestra_sync.previews import environment_of, is_name, name_of, preview_name, rendered
from kestra_sync.settings import OnDrift, OnFirstContact, Prune, Settings

CONFIG = """\
version: 1
name: flows
scope: [acme, shared.jobs]
on_drift: fail
on_first_contact: overwrite
prune: scope
inventory: {namespace: acme}
preview:
  namespaces: {acme: "preview.{name}.acme", shared: "preview.{name}.shared"}
  patches:
    - {flows: "*", set: {variables.schema: "pr_{name}", "labels.x": "{{ name }}{name}"}}
  ttl: 2d
  # more
environments:
  dev:
    url: https://kestra.dev
    token_env: DEV_TOKEN
    namespaces: {acme: dev.acme}
    inventory: {namespace: dev.acme}
    patches: [{flows: "acme/*", triggers: on}]
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def loaded(name: str, *, more: str = "", text: str = CONFIG) -> Settings:
    Path("kestra-sync.yaml").write_text(text.replace("  # more", more), encoding="utf-8")
    return settings_from_config(
        load_config(environment=environment_of(name)),
        CliOptions(settings=partial_settings({"take_over": True})),
    )


@pytest.mark.parametrize(
    ("given_name", "expected"),
    [
        ("pr-12", "pr-12"),
        ("12", "12"),
        ("PR-12", "pr-12"),
        ("feature/login", "feature-login-*"),
        ("feature_login", "feature-login-*"),
        ("a.b", "a-b-*"),
        ("-x-", "x-*"),
        ("ü/ß", None),
        ("//", None),
        ("", None),
    ],
)
def test_preview_name__of_a_branch(given_name: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(UsageError, match="is not a valid name for a preview"):
            preview_name(given_name)
    else:
        assert fnmatch(preview_name(given_name), expected)
        assert is_name(preview_name(given_name))


@settings(max_examples=100)
@given(st.text(min_size=1, max_size=80), st.text(min_size=1, max_size=80))
def test_preview_name__two_branches_are_two_previews(one: str, two: str) -> None:
    names = []
    for each in (one, two):
        try:
            names.append(preview_name(each))
        except UsageError:
            return
    assert all(map(is_name, names))
    assert name_of(environment_of(names[0])) == names[0]
    if one.strip().lower() != two.strip().lower():
        assert names[0] != names[1]


def test_rendered__expressions_stay() -> None:
    assert rendered("a.{name} {{name}} {{ name }} {name}", "x") == "a.x {{name}} {{ name }} x"


def test_preview__decides_for_itself() -> None:
    found = loaded("pr-12")
    assert found.environment == "preview-pr-12"
    assert found.scope is not None
    assert found.scope.namespaces == ("preview.pr-12.acme", "preview.pr-12.shared.jobs")
    assert (found.prune, found.on_drift) == (Prune.OWNED, OnDrift.OVERWRITE)
    assert (found.on_first_contact, found.take_over) == (OnFirstContact.REFUSE, False)
    assert found.inventory_namespace is None
    assert found.preview is not None
    assert (found.preview.ttl, found.preview.smoke) == (172800, True)
    assert found.preview.namespaces == ("preview.pr-12.acme", "preview.pr-12.shared")
    first, last = found.rendering.patches
    assert dict(first.set) == {"variables.schema": "pr_pr-12", "labels.x": "{{ name }}pr-12"}
    assert (last.flows, last.triggers, last.optional) == (("*",), False, True)
    assert found.connection.environment == "preview"  # KESTRA_TOKEN_PREVIEW


def test_preview__on_top_of_an_environment() -> None:
    found = loaded("x", more="  environment: dev\n  triggers: on\n  smoke: false")
    assert (found.connection.url, found.connection.environment) == ("https://kestra.dev", "dev")
    assert found.connection.token_env == "DEV_TOKEN"
    assert found.rendering.namespaces == (
        ("acme", "preview.x.acme"),
        ("shared", "preview.x.shared"),
    )
    assert [each.triggers for each in found.rendering.patches] == [True, None]
    assert found.preview is not None
    assert not found.preview.smoke


def test_preview__never_where_flows_are_live() -> None:
    text = CONFIG.replace("preview.{name}.acme", "{name}")
    text = text.replace("preview.{name}.shared", "{name}.s")
    for name in ("acme", "shared", "dev"):
        with pytest.raises(UsageError, match="are live"):
            loaded(name, text=text)
    assert loaded("other", text=text).scope is not None
    with pytest.raises(UsageError, match="not a namespace"):
        loaded("x" * 40, text=text.replace('"{name}"', '"{name}' + "a" * 120 + '"'))


def test_preview__without_rules() -> None:
    with pytest.raises(UsageError, match="has no `preview`"):
        loaded("x", text="version: 1\n")
