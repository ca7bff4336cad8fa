"""Finds, reads and types a configuration, merged with an environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from kestra_sync.config.config import Config, load_config
from kestra_sync.config.file import MAX_BYTES, ConfigError, find
from kestra_sync.configured import FilesFolder, Policy
from kestra_sync.errors import ExitCode, UsageError
from kestra_sync.model import Diagnostic, Position, Scope, Severity
from kestra_sync.settings import Limit, OnDrift, PartialSettings, Prune
from tests.cases.config import POSITIVE

EVERYTHING = str(next(case for case in POSITIVE if case.stem == "everything"))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory needs a configuration file."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str, path: str = "kestra-sync.yaml") -> str:
    """A configuration of version 1 that also says ``text``."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"version: 1\n{text}", encoding="utf-8")
    return path


def loaded(path: str | None = None, environment: str | None = None) -> Config:
    """The configuration, which must be there."""
    config = load_config(path, environment)
    assert config is not None
    return config


def test_config__file_is_optional() -> None:
    assert load_config() is None
    assert load_config("") is None


@pytest.mark.parametrize("name", ["kestra-sync.yaml", "kestra-sync.yml"])
def test_the_file_in_the_working_directory_is_found(name: str) -> None:
    write("name: acme", name)
    assert loaded().path == name
    assert loaded().name == "acme"


def test_config__two_files_are_an_error() -> None:
    write("")
    write("", "kestra-sync.yml")
    with pytest.raises(UsageError, match=r"both kestra-sync\.yaml and kestra-sync\.yml"):
        load_config()
    assert find("kestra-sync.yml") == "kestra-sync.yml"


@pytest.mark.parametrize("path", ["absent.yaml", ".", "a\0b"])
def test_file_argument__must_be_readable(path: str) -> None:
    with pytest.raises(UsageError, match="cannot be read") as error:
        load_config(path)
    assert error.value.exit_code is ExitCode.USAGE


def test_a_large_file_is_not_a_configuration() -> None:
    path = write("#" * MAX_BYTES)
    with pytest.raises(UsageError, match="larger than"):
        load_config(path)


def test_every_error_is_reported_at_once() -> None:
    write("prunne: none\nurl: x\n")
    with pytest.raises(ConfigError) as error:
        load_config()
    assert error.value.exit_code is ExitCode.USAGE
    assert [each.position for each in error.value.diagnostics] == [Position(2, 1), Position(3, 6)]
    assert error.value.message.splitlines() == [
        "kestra-sync.yaml is not valid: 2 errors",
        (
            "kestra-sync.yaml:2:1: error[config-unknown-key] "
            "unknown key 'prunne', did you mean 'prune'?"
        ),
        (
            "kestra-sync.yaml:3:6: error[config-value] "
            "`url` must be a URL that begins with http:// or https://, not 'x'"
        ),
    ]


def test_diagnostic__about_the_complete_file_has_no_line() -> None:
    whole = Diagnostic("c.yaml", None, Severity.ERROR, "config-yaml", "it is broken")
    message = ConfigError("c.yaml", [whole]).message
    assert message == "c.yaml is not valid: 1 error\nc.yaml: error[config-yaml] it is broken"


def test_text__remedy_is_below_its_error() -> None:
    Path("kestra-sync.yaml").write_text("name: a\n", encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_config()
    assert error.value.message.splitlines()[-1] == "    add `version:`"


def test_bytes_that_are_not_text_have_no_position() -> None:
    Path("kestra-sync.yaml").write_bytes(b"\xff\xfev\0")
    with pytest.raises(ConfigError, match="UTF-16"):
        load_config()


def test_config__minimal_file_has_the_defaults() -> None:
    write("")
    config = loaded()
    assert config.scope is None
    assert config.settings == PartialSettings()
    assert config.source is None
    assert config.smoke is None
    assert config.policy == Policy()
    assert config.environments == ()


def test_architecture__everything_is_typed() -> None:
    config = loaded(EVERYTHING)
    assert config.name == "acme-flows"
    assert config.scope == Scope(("company", "shared.jobs"))
    assert config.settings.values.prune is Prune.OWNED
    assert config.settings.values.on_drift is OnDrift.KEEP
    assert config.settings.values.protect == ("company.vault",)
    assert config.settings.values.inventory_namespace == "company"
    assert config.settings.values.delete_limit == Limit(30)
    assert config.settings.values.update_limit == Limit(100, percent=False)
    assert config.settings.values.lock_timeout == 300
    assert config.settings.values.parallelism == 4
    assert config.url == "https://kestra.acme.io/kestra"
    assert config.tenant == "main"
    assert config.settings.values.ignore == ("drafts/**",)
    assert config.environments == ("prod", "dev")
    assert config.environment is None
    assert config.policy == Policy(
        {
            "require_labels": ["team"],
            "read_only": True,
            "allowed_namespaces": ["company"],
            "id_pattern": "[a-z_]+",
            "path": "{folders}/{id}.yaml",
            "require_description": True,
        },
        ignore=("flows/drafts/**",),
        severity={
            "policy-description": Severity.WARNING,
            "policy-path": None,
            "deprecated": Severity.ERROR,
        },
    )


def test_environment__overrides_the_file() -> None:
    config = loaded(EVERYTHING, "prod")
    assert config.environment == "prod"
    assert config.name == "acme-flows"
    assert config.scope == Scope(("prod",))
    assert config.settings.values.prune is Prune.NONE
    assert config.settings.values.on_drift is OnDrift.FAIL
    assert config.url == "https://kestra.acme.io"
    assert config.tenant == "prod"
    assert config.settings.values.delete_limit == Limit(0, percent=False)
    assert config.settings.values.update_limit == Limit(0)
    assert config.settings.values.lock_timeout == 30
    assert config.settings.values.protect == ()
    # Mappings are merged key by key.
    assert config.policy.options["read_only"] is False
    assert config.policy.options["require_labels"] == ["team"]


def test_an_environment_may_be_empty() -> None:
    config = loaded(EVERYTHING, "dev")
    assert config.environment == "dev"
    assert config.scope == Scope(("company", "shared.jobs"))


def test_an_unknown_environment_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="has no environment 'pord'") as error:
        load_config(EVERYTHING, "pord")
    assert error.value.remedy == "it has: dev, prod"
    write("")
    with pytest.raises(UsageError) as error:
        load_config(None, "prod")
    assert error.value.remedy == "it has: none"


def test_an_environment_needs_a_file() -> None:
    with pytest.raises(UsageError, match="needs a configuration file"):
        load_config(None, "prod")


ENVIRONMENT = """\
version: 1
scope: [company, other]
stamp: {labels: {git-commit: "{commit}"}, read_only: true}
environments:
  prod:
    namespaces: {company: prod.company, company.ops: ops}
    patches:
      - flows: "*"
        set: {labels.env: prod, "triggers[nightly].cron": "0 3 * * *"}
        unset: [labels.draft]
      - {flows: [company.ops/*], triggers: off, optional: true}
      - {flows: company, triggers: "on"}
  explicit:
    namespaces: {company: prod.company}
    scope: prod
"""


def test_an_environment_changes_flows_and_the_scope_follows() -> None:
    write(ENVIRONMENT.removeprefix("version: 1\n"))
    prod = loaded(environment="prod")
    first, second, third = prod.rendering.patches
    assert prod.rendering.namespaces == (("company", "prod.company"), ("company.ops", "ops"))
    assert prod.rendering.stamp == (("git-commit", "{commit}"), ("system.readOnly", "true"))
    assert first.flows == ("*",)
    assert first.set == (("labels.env", "prod"), ("triggers[nightly].cron", "0 3 * * *"))
    assert first.unset == ("labels.draft",)
    assert first.positions["triggers[nightly].cron"] == Position(9, 33)
    assert (second.flows, second.triggers, second.optional) == (("company.ops/*",), False, True)
    assert third.triggers is True
    assert prod.scope == Scope(("prod.company", "ops", "other"))
    assert prod.files_scope == Scope(("company", "other"))
    assert loaded(environment="explicit").scope == Scope(("prod",))
    plain = loaded()
    assert plain.scope == Scope(("company", "other"))
    assert (plain.rendering.namespaces, plain.rendering.patches) == ((), ())


def test_paths_are_relative_to_the_file_and_shown_from_here(here: Path) -> None:
    write(f"source: [flows, ../more, {here}/abs/flows]", "sub/conf/kestra-sync.yaml")
    relative = loaded("sub/conf/kestra-sync.yaml")
    assert relative.base == "sub/conf"
    assert relative.source == ("sub/conf/flows", "sub/more", f"{here}/abs/flows")
    absolute = loaded(str(here / "sub/conf/kestra-sync.yaml"))
    assert absolute.source == relative.source


@pytest.mark.parametrize("source", ["../../other", "/etc", "x/../../other", "link/inner", "link"])
@pytest.mark.parametrize("where", ["top", "list", "environment"])
def test_source__outside_the_repository_is_refused(
    here: Path, monkeypatch: pytest.MonkeyPatch, source: str, where: str
) -> None:
    """A pull request must not have files of the machine read; links lead out, too."""
    other = here / "other"
    (other / "inner").mkdir(parents=True)
    (here / "repo" / ".git").mkdir(parents=True)
    (here / "repo" / "link").symlink_to(other)
    monkeypatch.chdir(here / "repo")
    text = {
        "top": f"source: {source}",
        "list": f"source: [flows, {source}]",
        "environment": f"source: flows\nenvironments: {{prod: {{source: {source}}}}}",
    }[where]
    write(text)
    environment = "prod" if where == "environment" else None
    with pytest.raises(ConfigError, match="outside of the repository") as error:
        load_config(None, environment)
    (found,) = error.value.diagnostics
    assert (found.rule, found.position and found.position.line) == (
        "config-path",
        3 if where == "environment" else 2,
    )
    # Not where it is not used.
    if where == "environment":
        assert loaded().source == ("flows",)


def test_source__may_be_next_to_the_given_configuration(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who names a file elsewhere means what is there."""
    for each in ("repo/.git", "other/.git", "other/conf", "third"):
        (here / each).mkdir(parents=True)
    monkeypatch.chdir(here / "repo")
    write("source: [../flows, .]", "../other/conf/kestra-sync.yaml")
    assert loaded("../other/conf/kestra-sync.yaml").source is not None
    write("source: ../../third", "../other/conf/kestra-sync.yaml")
    with pytest.raises(ConfigError, match="outside"):
        load_config("../other/conf/kestra-sync.yaml")
    write("source: flows", "../third/kestra-sync.yaml")
    assert loaded("../third/kestra-sync.yaml").source is not None


@pytest.mark.parametrize("target", ["../secret", "/proc/self/environ", ".git/config", "missing"])
def test_config__symbolic_link_is_not_shown(
    here: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """Otherwise, an error would show its content."""
    (here / "repo" / ".git").mkdir(parents=True)
    for secret in ("secret", "repo/.git/config"):
        (here / secret).write_text("token: hunter2\n")
    monkeypatch.chdir(here / "repo")
    Path("kestra-sync.yaml").symlink_to(target)
    with pytest.raises(UsageError, match=r"kestra-sync\.yaml cannot be read: ") as error:
        load_config()
    assert "hunter2" not in f"{error.value.message}{error.value.remedy}"


@pytest.mark.parametrize("path", ["a\x00b", "x" * 300, "/".join(["x" * 200] * 30), "."])
def test_config__invalid_path_is_a_usage_error(path: str) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_config(path)


@pytest.mark.parametrize("pattern", ["!", "[z-a]", "a\\"])
@pytest.mark.parametrize("text", ["ignore: [x, '{}']", "policy: {{ignore: [x, '{}']}}"])
def test_an_ignore_that_is_not_a_pattern(text: str, pattern: str) -> None:
    write(text.format(pattern))
    with pytest.raises(ConfigError, match="is not a valid pattern") as error:
        load_config()
    assert [each.rule for each in error.value.diagnostics] == ["config-value"]


def test_paths_outside_the_working_directory_stay_absolute(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("source: flows", "sub/kestra-sync.yaml")
    (here / "other").mkdir()
    monkeypatch.chdir(here / "other")
    assert loaded("../sub/kestra-sync.yaml").source == ("../sub/flows",)
    assert loaded(str(here / "sub/kestra-sync.yaml")).source == (f"{here}/sub/flows",)


def test_smoke__tests_keep_their_order() -> None:
    write(
        "smoke:\n- flow: a/b\n  inputs: {x: [1, 2]}\n"
        "environments:\n  prod:\n    smoke: [{flow: c/d}]\n  dev: {}\n"
    )
    smoke = loaded(environment="dev").smoke
    assert smoke is not None
    assert smoke.value == [{"flow": "a/b", "inputs": {"x": [1, 2]}}]
    assert smoke.positions[()] == Position(3, 1)
    assert smoke.positions[0, "flow"] == Position(3, 9)
    assert smoke.positions[0, "inputs", "x", 1] == Position(4, 19)
    above = loaded(environment="prod").smoke
    assert above is not None
    assert above.value == [{"flow": "c/d"}]
    assert above.positions[0, "flow"] == Position(7, 20)


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("90s", 90), ("2m", 120), ("1h", 3600), ("45", 45)]
)
def test_durations(text: str, seconds: float) -> None:
    write(f"lock: {{timeout: {text}}}")
    assert loaded().settings.values.lock_timeout == seconds


def test_namespace_files_and_keys_are_next_to_the_file() -> None:
    path = write(
        "files: [{path: ../files/*, namespace: '*', ignore: ['*.tmp']}]\nkv: kv/**.yaml\n",
        "conf/kestra-sync.yaml",
    )
    settings = loaded(path).settings
    assert settings.values.files == (FilesFolder("files/*", "*", ("*.tmp",)),)
    assert settings.values.kv == ("conf/kv/**.yaml",)


def test_protected_namespaces_are_unique() -> None:
    write("protect: [a, b, a]")
    assert loaded().settings.values.protect == ("a", "b")
