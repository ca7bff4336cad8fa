"""Precedence: options, environment variables, file, defaults."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kestra_sync.cli.main import main
from kestra_sync.cli.options import partial_settings, settings_from
from kestra_sync.config.config import CliOptions, Config, settings_from_config
from kestra_sync.configured import Policy
from kestra_sync.errors import UsageError
from kestra_sync.model import Scope
from kestra_sync.settings import Limit, OnDrift, PartialSettings, Prune, Settings

CONFIG = Config(
    path="conf/kestra-sync.yaml",
    base="conf",
    environment="prod",
    name="acme",
    source=("conf/flows",),
    scope=Scope(("company",)),
    settings=PartialSettings(
        Settings(
            ignore=("drafts",),
            prune=Prune.NONE,
            on_drift=OnDrift.KEEP,
            protect=("vault",),
            delete_limit=Limit(5),
            inventory_namespace="company.sync",
            lock_timeout=5.0,
            parallelism=2,
        ),
        frozenset(
            {
                "ignore",
                "prune",
                "on_drift",
                "protect",
                "delete_limit",
                "inventory_namespace",
                "lock_timeout",
                "parallelism",
            }
        ),
    ),
    policy=Policy({"read_only": True}),
    url="http://file",
    tenant="file",
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory needs a configuration file, an environment without a server."""
    monkeypatch.chdir(tmp_path)
    for name in ("KESTRA_API_URL", "KESTRA_TENANT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_config__defaults() -> None:
    settings = settings_from_config(None)
    assert settings.base_path is None
    assert settings.paths == Settings().paths
    assert settings.prune is Settings().prune
    assert settings.on_drift is Settings().on_drift
    assert settings.parallelism == Settings().parallelism
    assert settings.delete_limit == Settings().delete_limit
    assert settings.scope is None
    assert not settings.partial


def test_the_file_overrides_the_defaults() -> None:
    settings = settings_from_config(CONFIG)
    assert settings.config_path == "conf/kestra-sync.yaml"
    assert settings.base_path == Path("conf")
    assert settings.paths == settings.source == ("conf/flows",)
    assert settings.name == "acme"
    assert settings.environment == "prod"
    assert settings.scope == Scope(("company",))
    assert settings.prune is Prune.NONE
    assert settings.on_drift is OnDrift.KEEP
    assert settings.ignore == ("drafts",)
    assert settings.protect == ("vault",)
    assert settings.delete_limit == Limit(5)
    assert settings.update_limit == Settings().update_limit
    assert settings.inventory_namespace == "company.sync"
    assert settings.lock_timeout == 5
    assert settings.policy.options["read_only"]
    assert settings.parallelism == 2
    assert (settings.connection.url, settings.connection.tenant) == ("http://file", "file")


def test_flags_override_the_file() -> None:
    settings = settings_from_config(
        CONFIG,
        CliOptions(
            paths=("conf",),
            namespaces=("a", "b"),
            name="other",
            url="http://flag",
            tenant="flag",
            settings=partial_settings(
                {
                    "prune": "scope",
                    "on_drift": "fail",
                    "re_enable": True,
                    "parallelism": 3,
                    "lock_timeout": 7.0,
                    "strict": True,
                    "allow_large": True,
                    "allow_empty": False,
                    "only": (),
                }
            ),
        ),
    )
    assert settings.paths == ("conf",)
    assert settings.scope == Scope(("a", "b"))
    assert settings.name == "other"
    assert settings.prune is Prune.SCOPE
    assert settings.on_drift is OnDrift.FAIL
    assert settings.re_enable
    assert settings.strict
    assert settings.allow_large
    assert settings.parallelism == 3
    assert settings.lock_timeout == 7
    assert (settings.connection.url, settings.connection.tenant) == ("http://flag", "flag")


def test_the_environment_overrides_the_file() -> None:
    environ = {"KESTRA_API_URL": "http://environment"}
    connection = settings_from_config(CONFIG, environ=environ).connection
    # The client reads the environment by itself, with the credentials that belong to it.
    assert connection.url is None
    assert connection.tenant == "file"
    environ = {"KESTRA_TENANT": "environment"}
    assert settings_from_config(CONFIG, environ=environ).connection.tenant is None


def test_a_name_needs_a_scope() -> None:
    with pytest.raises(UsageError, match="`name` requires `scope`"):
        settings_from_config(None, CliOptions(name="acme"))
    with pytest.raises(UsageError, match="`name` requires `scope`"):
        settings_from_config(Config(path="c", base=".", name="acme"))
    assert settings_from_config(None, CliOptions(name="acme", namespaces=("a",))).name == "acme"


def test_without_a_source_the_flows_are_next_to_the_file() -> None:
    config = Config(path="conf/kestra-sync.yaml", base="conf")
    assert settings_from_config(config).paths == ("conf/flows",)
    # Then paths are simply the source: there is nothing they could be a part of.
    assert not settings_from_config(config, CliOptions(paths=("elsewhere",))).partial


@pytest.mark.parametrize(
    ("paths", "partial"),
    [
        (("conf/flows",), False),
        (("conf/flows/",), False),
        (("conf",), False),
        ((".",), False),
        (("other", "conf/flows"), False),
        (("conf/flows/sales",), True),
        (("conf/flows/sales", "conf/flows/ops"), True),
        (("conf/flows2",), True),
        (("other",), True),
    ],
)
def test_narrower_paths_make_a_run_partial(paths: tuple[str, ...], partial: bool) -> None:
    assert settings_from_config(CONFIG, CliOptions(paths=paths)).partial is partial


def test_the_command_line_reads_the_file_and_the_env_file(here: Path) -> None:
    Path("kestra-sync.yaml").write_text("version: 1\nurl: http://file\ntenant: file\n")
    Path(".env").write_text("KESTRA_API_URL=http://file\nKESTRA_TOKEN=t\n")
    connection = settings_from(env_file=".env", paths=()).connection
    assert (connection.url, connection.tenant) == (None, "file")
    assert settings_from(env_file=None, paths=()).connection.url == "http://file"


@pytest.mark.parametrize("where", ["variable", "env file"])
def test_an_environment_does_not_go_to_another_server(
    here: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """The url of ``-e prod`` and a variable that names dev: neither wins in silence."""
    Path("kestra-sync.yaml").write_text(
        "version: 1\nenvironments: {prod: {url: 'https://prod', tenant: main}}\n"
    )
    if where == "variable":
        monkeypatch.setenv("KESTRA_API_URL", "http://dev")
    else:
        Path(".env").write_text("KESTRA_API_URL=http://dev\n")

    def url(**more: Any) -> str | None:
        wanted: dict[str, Any] = {"environment": "prod", "env_file": ".env", "paths": (), **more}
        return settings_from(**wanted).connection.url

    with pytest.raises(UsageError, match=r"KESTRA_API_URL is http://dev.* https://prod") as caught:
        url()
    assert "--url" in (caught.value.remedy or "")
    assert url(url="http://typed") == "http://typed"
    assert url(offline=True) is None
    assert url(environment=None) is None


def test_variables_set_options(here: Path) -> None:
    Path("other.yaml").write_text(
        "version: 1\nsource: jobs\nenvironments: {prod: {source: prod}}\n"
    )
    for folder in ("jobs", "prod"):
        (here / folder).mkdir()
    run = CliRunner().invoke(
        main,
        ["validate", "--offline", "--allow-empty"],
        env={"KESTRA_SYNC_CONFIG": "other.yaml"},
    )
    assert "0 flows in jobs" in run.output
    env = {"KESTRA_SYNC_CONFIG": "other.yaml", "KESTRA_SYNC_ENVIRONMENT": "prod"}
    run = CliRunner().invoke(main, ["validate", "--offline"], env=env)
    assert isinstance(run.exception, UsageError)
    assert "no flows found in prod" in run.exception.message
    run = CliRunner().invoke(main, ["validate", "--offline", "-e", "dev"], env=env)
    assert isinstance(run.exception, UsageError)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prunes": "scope"}, "not an option: prunes"),
        ({"parallelism": "3"}, "parallelism must be of type int, not '3'"),
        ({"only": (1,)}, "only must be a list of strings"),
        ({"url": 5}, "url must be a string, not 5"),
        ({"timeout": "60"}, "timeout must be a number"),
    ],
)
def test_options_of_another_name_or_type_are_refused(
    here: Path, options: dict[str, object], message: str
) -> None:
    """What click hands over has no types: they are checked where the options become settings."""
    with pytest.raises(TypeError, match=re.escape(message)):
        settings_from(**options)
