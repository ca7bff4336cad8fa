"""The files of flows that only exist on the server, with paths from the names that it sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from kestra_sync.commands.new_files import flow_directory, new_files
from kestra_sync.configured import FilesFolder
from kestra_sync.errors import UsageError
from kestra_sync.model import Document, Flow, FlowId, Scope
from kestra_sync.settings import Settings
from tests.unit.safe.test_names import HOSTILE


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository."""
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "repo")
    return tmp_path / "repo"


def _why(namespace: str, name: str, root: str = "flows") -> str:
    """Why a flow is left alone."""
    paths, (problem,) = new_files([FlowId(namespace, name)], Settings((root,)))
    assert paths == {}
    assert problem.message.isprintable()
    return problem.message


def test_namespaces_are_folders() -> None:
    flow_id = FlowId("acme.team-1", "My.flow")
    assert new_files([flow_id], Settings()) == ({flow_id: "flows/acme/team-1/My.flow.yaml"}, ())


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_new_file__invalid_name_gets_no_file(text: str) -> None:
    assert "not a valid name in Kestra" in _why(text, "a")
    assert "not a valid name in Kestra" in _why("acme", text)


@pytest.mark.parametrize(
    ("namespace", "name", "why"),
    [
        ("acme..x", "a", "an empty part"),
        ("acme.", "a", "an empty part"),
        ("con.x", "a", "a device"),
        ("acme.com1", "a", "a device"),
        ("acme", "NUL", "a device"),
        ("acme", "aux.x", "a device"),
        ("acme", "a.smoke", "a file name that kestra-sync reserves"),
        ("acme", "kestra-sync", "a file name that kestra-sync reserves"),
    ],
)
def test_new_file__name_invalid_on_some_platform_gets_no_file(
    namespace: str, name: str, why: str
) -> None:
    assert why in _why(namespace, name)


def test_new_file__names_that_collide_get_no_file() -> None:
    """On a disk that does not tell capitals apart the second would overwrite the first."""
    one, two, other = (FlowId("acme", name) for name in ("flow", "Flow", "other"))
    paths, problems = new_files([one, two, other], Settings())
    assert list(paths) == [other]
    assert len(problems) == 2
    Path("flows/Acme").mkdir(parents=True)
    assert "flows/Acme is the same name" in _why("acme", "x")
    Path("flows/team").mkdir(parents=True)
    Path("flows/team/X.yaml").touch()
    assert "flows/team/X.yaml is the same name" in _why("team", "x")
    assert new_files([FlowId("team", "X")], Settings())[1] == ()


@pytest.mark.parametrize(("at", "to"), [("flows", ".."), ("flows/acme", "../.."), ("flows", "x")])
def test_new_file__symbolic_link_is_not_followed(at: str, to: str) -> None:
    """Nor one that is broken."""
    Path(at).parent.mkdir(exist_ok=True)
    Path(at).symlink_to(to)
    why = _why("acme", "a")
    assert "is a symbolic link" in why or "outside" in why or "not a directory" in why


def test_what_is_there_must_be_a_file() -> None:
    Path("flows/acme/a.yaml").mkdir(parents=True)
    assert "not a regular file" in _why("acme", "a")
    assert "belongs to Git" in _why("acme", "a", ".git")
    Path("flows/team").touch()
    assert "flows/team is not a directory" in _why("team", "a")
    with pytest.raises(UsageError, match="is a file"):
        new_files([FlowId("team", "X")], Settings(("flows/team",)))


PER_NAMESPACE = FilesFolder("*/files", "*")
PROJECTS = Settings(
    ("a/flows", "b/flows"),
    files=(FilesFolder("a/files", "acme"), FilesFolder("b/files", "acme.ops")),
)
PLUGIN = Settings(("x/_flows",), files=(FilesFolder("x/_files", "acme.ops"),))


@pytest.mark.parametrize(
    ("settings", "namespace", "directory"),
    [
        (Settings((".",), files=(PER_NAMESPACE,)), "acme.ops", "acme.ops/flows"),
        (Settings(("x",), files=(FilesFolder("x/*/files", "*"),)), "acme", "x/acme/flows"),
        (Settings(("x",), files=(PER_NAMESPACE,)), "acme.ops", "x/acme/ops"),
        (Settings(files=(FilesFolder("files", "*"),)), "acme.ops", "flows/acme/ops"),
        (Settings(files=(FilesFolder("files", "acme.ops"),)), "acme.ops", "flows/acme/ops"),
        (PLUGIN, "acme.ops", "x/_flows"),
        (PLUGIN, "acme.ops.eu.de", "x/_flows/eu/de"),
        (PLUGIN, "acme", "x/_flows/acme"),
        (Settings(("_flows",), scope=Scope(("acme",))), "acme.ops", "_flows/ops"),
        (PROJECTS, "acme", "a/flows"),
        (PROJECTS, "acme.sales", "a/flows/sales"),
        (PROJECTS, "acme.ops.eu", "b/flows/eu"),
        (PROJECTS, "other", "a/flows/other"),
    ],
)
def test_directory__follows_the_layout(settings: Settings, namespace: str, directory: str) -> None:
    root, below = flow_directory(namespace, settings)
    assert "/".join((root, *below)).removeprefix("./") == directory


def test_directory__follows_the_flows_in_git() -> None:
    def flow(path: str, namespace: str) -> Flow:
        return Flow(FlowId(namespace, "f"), Document(path, 0, 1, b""))

    def directory(paths: tuple[str, ...], *flows: Flow) -> str:
        root, below = flow_directory("acme.ops", Settings(paths), flows)
        return "/".join((root, *below)).removeprefix("./")

    plugin = [flow(f"{space}/flows/x/f.yaml", space) for space in ("acme.ops", "acme")]
    assert directory((".",), *plugin) == "acme.ops/flows"
    assert directory((".",), *plugin, flow("more/f.yaml", "acme.ops")) == "acme/ops"
    assert directory(("a", "b"), flow("b/f.yaml", "acme.ops")) == "b/acme/ops"
    both = flow("a/f.yaml", "acme.ops"), flow("b/f.yaml", "acme.ops")
    assert directory(("a", "b"), *both) == "a/acme/ops"
