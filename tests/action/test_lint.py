"""Static checks of ``action.yml`` and the workflows."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from kestra_sync.action.inputs import OPTIONS, OTHERS, variable
from kestra_sync.action.install import REQUIREMENTS, Installation, place
from kestra_sync.action.result import OUTPUTS
from kestra_sync.errors import ExitCode
from tests.action import go_tools
from tests.action.act import ROOT
from tests.action.component import COMPONENT
from tests.action.go_tools import GoToolError, find_go, go_tool
from tests.support.hostile import plant

CI = ROOT / "docs" / "ci"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
#: Those for other forges: test_forges.py.
_ELSEWHERE = {
    *("gitlab-ci.yml", "gitlab-previews.yml", "bitbucket-pipelines.yml", "azure-pipelines.yml"),
}
COPIES = sorted(path for path in CI.glob("*.yml") if path.name not in _ELSEWHERE)
_PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
#: Inputs of steps before kestra-sync itself.
_BEFORE = {"python-version", "cache"}


def load(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


ACTION: dict[str, Any] = load(ROOT / "action.yml")


def run(*command: str, cwd: Path = ROOT) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def steps(document: Any) -> Iterator[Any]:
    """The steps of a workflow or of an action."""
    for job in document.get("jobs", {}).values():
        yield from job.get("steps", ())  # none where a job is another workflow
    yield from document.get("runs", {}).get("steps", ())


def test_actionlint__has_no_findings() -> None:
    # Without the linters that may or may not be on this machine.
    plain = ["-no-color", "-shellcheck=", "-pyflakes="]
    run(str(go_tool("actionlint")), *plain, *map(str, [*WORKFLOWS, *COPIES]))


def test_the_copies_use_inputs_and_outputs_that_exist(tmp_path: Path) -> None:
    """actionlint knows those of a local action, so for once they use it as one."""
    shutil.copy(ROOT / "action.yml", tmp_path)
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    uses = re.compile(r"uses: kestra-sync/kestra-sync@\S+")
    for copy in COPIES:
        text, number = uses.subn("uses: ./", copy.read_text(encoding="utf-8"))
        assert number, copy
        text = text.replace("# expect-digest", "expect-digest")
        (folder / copy.name).write_text(text, encoding="utf-8")
    actionlint = [str(go_tool("actionlint")), "-no-color", "-shellcheck=", "-pyflakes="]
    run(*actionlint, cwd=tmp_path)
    # It does look.
    wrong = (folder / "main.yml").read_text().replace("rollback:", "roll-back:")
    (folder / "main.yml").write_text(wrong)
    with pytest.raises(AssertionError, match='input "roll-back" is not defined'):
        run(*actionlint, cwd=tmp_path)


def test_zizmor__has_no_findings(tmp_path: Path) -> None:
    zizmor = [str(Path(sysconfig.get_path("scripts")) / "zizmor"), "--offline", "--no-progress"]
    zizmor += ["--persona=pedantic", "--color=never"]
    dependabot = ROOT / ".github" / "dependabot.yml"
    run(*zizmor, *map(str, [ROOT / "action.yml", dependabot, *WORKFLOWS, *COPIES]))
    # It does look.
    bad = (CI / "main.yml").read_text(encoding="utf-8")
    bad += "      - run: echo ${{ github.event.head_commit.message }}\n"
    (tmp_path / "bad.yml").write_text(bad)
    with pytest.raises(AssertionError, match="template-injection"):
        run(*zizmor, str(tmp_path / "bad.yml"))


@pytest.mark.parametrize("path", [ROOT / "action.yml", *WORKFLOWS, *COPIES], ids=lambda p: p.name)
def test_action__no_input_is_part_of_a_script(path: Path) -> None:
    """Every action is pinned by a commit hash, with its version in a comment."""
    for step in steps(load(path)):
        assert "${{" not in step.get("run", "")
    for line in re.findall(r"uses: (.+)", path.read_text(encoding="utf-8")):
        assert _PINNED.fullmatch(line) or line.startswith("./.github/workflows/"), line


@pytest.mark.parametrize("path", COPIES, ids=lambda path: path.name)
def test_workflows__copies_follow_the_rules(path: Path) -> None:
    """No permission but where it is needed, no run without an end, no two applies at once."""
    workflow = load(path)
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"]
    assert "pull_request_target" not in path.read_text(encoding="utf-8")
    applies = False
    for job in workflow["jobs"].values():
        assert job["permissions"].get("contents") == "read"
        assert job["timeout-minutes"] <= 30
        for step in job["steps"]:
            given = step.get("with", {})
            applies = applies or given.get("command") in ("apply", "preview")
            if step["uses"].startswith("actions/checkout"):
                assert given["persist-credentials"] is False
            if "token" in given:
                assert job["environment"], "secrets belong to an environment"
    assert workflow["concurrency"]["cancel-in-progress"] is not applies


def test_copies__skip_pull_requests_from_forks() -> None:
    """Jobs with secrets that a pull request starts; the Action refuses forks as well."""
    conditions = {
        path.name: job.get("if")
        for path in COPIES
        for workflow in [load(path)]
        for job in workflow["jobs"].values()
        if "pull_request" in workflow["on"] and "secrets." in str(job["steps"])
    }
    is_ours = "github.event.pull_request.head.repo.full_name == github.repository"
    assert conditions == {
        "pull-request.yml": is_ours,
        "preview.yml": f"github.event_name == 'schedule' || {is_ours}",
    }


def test_the_copies_use_one_version_of_us() -> None:
    texts = [path.read_text(encoding="utf-8") for path in [*COPIES, ROOT / "docs/github-action.md"]]
    ours = {each for text in texts for each in re.findall(r"kestra-sync/kestra-sync@.+", text)}
    assert len(ours) == 1


def test_every_input_reaches_the_program() -> None:
    """By a variable of its own, and none is forgotten on either side."""
    inputs = set(ACTION["inputs"])
    known = {*(each.name for each in OPTIONS), *OTHERS}
    assert inputs - _BEFORE == known
    (step,) = (each for each in ACTION["runs"]["steps"] if each.get("id") == "run")
    passed = {name: value for name, value in step["env"].items() if name.startswith("INPUT_")}
    assert passed == {variable(name): f"${{{{ inputs.{name} }}}}" for name in known}
    assert all(each.get("description") for each in ACTION["inputs"].values())


def test_action__every_output_is_set() -> None:
    assert tuple(ACTION["outputs"]) == OUTPUTS
    for name, output in ACTION["outputs"].items():
        assert output["value"] == f"${{{{ steps.run.outputs.{name} }}}}"


def test_the_page_has_every_input_and_output() -> None:
    """In the order of ``action.yml``, and in its words."""
    page = (ROOT / "docs" / "github-action.md").read_text(encoding="utf-8")

    def table(heading: str) -> list[str]:
        part = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        return [line for line in part.splitlines() if line.startswith("| `")]

    def cell(text: object) -> str:
        return f"`{text}`" if text else ""

    assert table("Inputs") == [
        f"| `{name}` | {cell(each.get('default'))} | {each['description']} |"
        for name, each in ACTION["inputs"].items()
    ]
    assert table("Outputs") == [
        f"| `{name}` | {each['description']} |" for name, each in ACTION["outputs"].items()
    ]


def test_without_a_python_the_remedy_is_named(tmp_path: Path) -> None:
    """The step says which input helps, where people look for it."""
    script = tmp_path / "scripts" / "python.sh"
    script.parent.mkdir()
    script.write_text("echo 'there is none' >&2\nexit 1\n")
    (step,) = (each for each in ACTION["runs"]["steps"] if each.get("id") == "python")
    environ = {**os.environ, "GITHUB_ACTION_PATH": str(tmp_path)}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("::error title=kestra-sync::There is no Python 3.10 or newer")
    assert "python-version" in done.stdout


#: A Python in the first place of a command, by name, path or variable, and what follows it.
_PYTHON = re.compile(
    r"""(?:^|[\s(;&|"'/])(?:python(?:3[\d.]*)?|"?\$\{?(?:python|PYTHON|base|1)\}?)"?\s+(?P<rest>-\S*)"""
)


@pytest.mark.parametrize(
    "path",
    [ROOT / "action.yml", *sorted((ROOT / ".ci").glob("*.sh")), *sorted(CI.glob("*.*")), COMPONENT],
    ids=lambda path: path.name,
)
def test_lint__every_python_is_isolated(path: Path) -> None:
    """Else the working directory, which is a checkout, is where it looks for modules first."""
    shown = [
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        for match in _PYTHON.finditer(line)
        if match["rest"] != "-I" and not match["rest"].startswith("--version")
    ]
    allowed = {'"$python" -m pytest -m "not e2e"', 'if [ -x "$python" ] && ! "$python" -c'}
    assert [line for line in shown if not any(each in line for each in allowed)] == []


def test_the_check_for_isolation_sees_them() -> None:
    """The check above detects violations."""
    for line in (
        'if ! "$python" -m venv x',
        "    - python -m venv /opt/x",
        '"$1" - "$oldest"',
        "/opt/x/bin/python3 -c x",
        "/opt/x/bin/python3.13 -m pip install x",
    ):
        match = _PYTHON.search(line)
        assert match is not None, line
        assert match["rest"] != "-I"
    assert _PYTHON.search('exec "$python" -I "$x/__main__.py"')


def _step(name: str) -> str:
    (step,) = (each for each in ACTION["runs"]["steps"] if each.get("id") == name)
    return str(step["run"])


@pytest.mark.parametrize("entry", ["", "."], ids=["plain", "relative PATH"])
def test_action__runs_nothing_in_the_checkout(tmp_path: Path, entry: str) -> None:
    """The steps of the Action, as a runner runs them, in a hostile checkout."""
    checkout = tmp_path / "checkout"
    mark = plant(checkout)
    (checkout / "flows").mkdir()
    (checkout / "flows" / "a.yaml").write_text("id: a\nnamespace: acme\ntasks: 5\n")
    output = tmp_path / "output"
    # What is installed is not the question here: the ready environment is that of these tests.
    environ = {
        "PATH": os.pathsep.join([*([entry] if entry else []), os.environ["PATH"]]),
        "HOME": os.environ.get("HOME", "/"),
        "GITHUB_ACTION_PATH": str(ROOT),
        "GITHUB_WORKSPACE": str(checkout),
        "GITHUB_OUTPUT": str(output),
        "RUNNER_TEMP": str(tmp_path),
        "INPUT_COMMAND": "validate",
        "INPUT_OFFLINE": "true",
        "INPUT_PATHS": "flows",
        "PYTHONPATH": str(checkout),
    }

    def shell(script: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = ["/bin/bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        return subprocess.run(
            command, cwd=checkout, env={**environ, **more}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip

    found = shell(_step("python"))
    if not entry:
        assert found.returncode == 0, found.stderr
    assert not mark.exists(), mark.read_text()
    outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
    assert Path(outputs["python"]).is_absolute()
    where = place(REQUIREMENTS, environ)
    _ready(where)
    (found_key, key) = (outputs["key"], where.key)
    if found_key != key:  # the Python of the runner is not that of the tests
        _ready(Installation(found_key, where.folder.parent / found_key))
    done = shell(_step("run"), PYTHON=outputs["python"])
    assert "tasks" in done.stdout, done.stdout + done.stderr
    assert done.returncode == ExitCode.INVALID
    assert not mark.exists(), mark.read_text()


def _ready(where: Installation) -> None:
    """An environment that is ready: ours."""
    where.python.parent.mkdir(parents=True)
    where.folder.chmod(0o700)
    where.python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    where.python.chmod(0o755)
    (where.folder / ".complete").touch()


def test_the_hook_for_pre_commit(tmp_path: Path) -> None:
    """It checks the whole repository, whichever files were changed, and needs no server."""
    (hook,) = load(ROOT / ".pre-commit-hooks.yaml")
    assert (hook["id"], hook["language"], hook["pass_filenames"]) == (
        "kestra-sync",
        "python",
        False,
    )
    flows = tmp_path / "flows"
    flows.mkdir()
    task = "{id: a, type: io.kestra.plugin.core.log.Log, message: hi}"
    (flows / "a.yaml").write_text(f"id: a\nnamespace: acme\ntasks: [{task}]\n")
    name, *args = shlex.split(hook["entry"])
    command = [str(Path(sys.executable).parent / name), *args]
    environ = {**os.environ, "KESTRA_API_URL": "http://127.0.0.1:9"}
    for expected in (ExitCode.OK, ExitCode.INVALID):
        done = subprocess.run(
            command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == expected, done.stdout + done.stderr
        (flows / "b.yaml").write_text("id: b\nnamespace: acme\ntasks: 5\n")


def test_our_own_hooks() -> None:
    """They run what ``make setup`` installs, at the versions of now, and ours finds nothing."""
    hooks = {
        hook["id"]: hook
        for repository in load(ROOT / ".pre-commit-config.yaml")["repos"]
        for hook in repository["hooks"]
    }
    assert {"ruff-check", "ruff-format", "typos", "mypy", "kestra-sync"} <= set(hooks)
    scripts = Path(sys.executable).parent
    for name in ("mypy", "kestra-sync"):
        assert hooks[name]["entry"].startswith(f".venv/bin/{name} ")
        assert (scripts / name).exists()
    (offered,) = load(ROOT / ".pre-commit-hooks.yaml")
    ours = hooks["kestra-sync"]["entry"]
    assert ours.startswith(f".venv/bin/{offered['entry']}")
    run(str(scripts / "kestra-sync"), *shlex.split(ours)[1:])


def test_go_tools__missing_go_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, and not as a skip."""
    monkeypatch.setattr(go_tools, "_candidates", lambda: iter(()))
    with pytest.raises(GoToolError, match="sudo apt install golang-go"):
        find_go()


def test_tool__failed_build_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho no network >&2\nexit 1\n")
    go.chmod(0o755)
    monkeypatch.setattr(go_tools, "_candidates", lambda: iter([go]))
    monkeypatch.setattr(go_tools, "_BIN", tmp_path / "bin")
    with pytest.raises(GoToolError, match="no network"):
        go_tool("actionlint")
