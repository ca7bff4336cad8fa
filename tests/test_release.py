"""The steps of a release that can be tested without releasing."""

from __future__ import annotations

import datetime
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import kestra_sync

_ROOT = Path(__file__).parent.parent
_TODAY = datetime.date(2026, 1, 2)
_CHANGELOG = """\
# Changelog

## [Unreleased]

### Fixed

- One.

### Added

- Two,
  on two lines.

### Fixed

- Three.

## [0.1.0] - 2025-12-01

### Added

- Everything.
"""


def _script() -> Any:
    spec = importlib.util.spec_from_file_location("release", _ROOT / ".ci" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


release = _script()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """As much of a checkout as a release touches, its version released."""
    (tmp_path / "kestra_sync").mkdir()
    (tmp_path / "kestra_sync" / "version.py").write_text('"""x."""\n\n__version__ = "0.1.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(_CHANGELOG)
    (tmp_path / ".ci").mkdir()
    shutil.copy(_ROOT / ".ci" / "release.py", tmp_path / ".ci")
    return tmp_path


def test_release__prepare_writes_version_and_changelog(tree: Path) -> None:
    """Headings of the same name, which merging by union leaves, become one."""
    release.prepare(tree, "0.2.0", _TODAY)
    assert release.version_in(tree) == "0.2.0"
    text = (tree / "CHANGELOG.md").read_text()
    assert "## [Unreleased]\n\n## [0.2.0] - 2026-01-02\n\n### Added\n" in text
    notes = "### Added\n\n- Two,\n  on two lines.\n\n### Fixed\n\n- One.\n- Three.\n"
    assert release.section(tree, "0.2.0") == notes
    assert release.section(tree, "0.1.0") == "### Added\n\n- Everything.\n"
    release.check(tree, "v0.2.0")


def test_release__what_cannot_be_released_is_refused(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to do; nothing is written."""

    def fails(*args: str) -> str:
        assert release.main(list(args), tree) == 1
        return capsys.readouterr().err

    assert "the tag is v0.2.0, but" in fails("check", "v0.2.0")
    assert "has no section '## [0.3.0]'" in fails("notes", "v0.3.0")
    assert "not a version" in fails("prepare", "1.2")
    assert "has a section for 0.1.0 already" in fails("prepare", "0.1.0")
    assert "usage" in fails()
    assert (tree / "CHANGELOG.md").read_text() == _CHANGELOG
    assert release.main(["prepare", "0.2.0rc1"], tree) == 0
    assert "empty" in fails("prepare", "0.2.0")


def test_release__our_changelog_has_something_to_release() -> None:
    """Its next section can be taken as it is."""
    version = kestra_sync.__version__
    assert release.version_in(_ROOT) == version
    try:
        assert "- " in release.section(_ROOT, "Unreleased")
    except release.ReleaseError:
        release.check(_ROOT, f"v{version}")


def test_release__version_is_in_one_place() -> None:
    """Examples name the last release; everything else asks the package."""
    pyproject = (_ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'dynamic = ["version"]' in pyproject
    assert "[project.urls]" in pyproject
    assert f'"{kestra_sync.__version__}"' not in pyproject


_WORKFLOW: Any = YAML(typ="safe").load(
    (_ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
)


def _run(
    tree: Path, job: str, tag: str, *, gh: str = "exit 0", **environ: str
) -> tuple[dict[str, str], str]:
    """Run the scripts of a job as a runner does, with a ``gh`` that only notes its arguments.

    Returns the step outputs, and what ``gh`` was asked.
    """
    tools = tree / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "gh").write_text(f'#!/bin/sh\necho "gh $*" >> "$CALLS"\n{gh}\n')
    (tools / "gh").chmod(0o755)
    outputs, calls = tree / "outputs", tree / "calls"
    for file in (outputs, calls):
        file.write_text("")
    environ = {
        **os.environ,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "GITHUB_REF_NAME": tag,
        "GITHUB_REPOSITORY": "kestra-sync/kestra-sync",
        "GITHUB_SHA": "0" * 40,
        "GITHUB_OUTPUT": str(outputs),
        "CALLS": str(calls),
        **environ,
    }
    for step in _WORKFLOW["jobs"][job]["steps"]:
        if "run" in step:
            command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            done = subprocess.run(
                command, cwd=tree, env=environ, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(
        r"^(\w+)(?:<<END\n((?:.+\n)*?)END|=(.*))$", outputs.read_text(), re.MULTILINE
    )
    return {name: many or one for name, many, one in found}, calls.read_text()


def test_release_workflow__order_of_the_jobs() -> None:
    """Nothing leaves before all tests have passed; the major tag comes last."""

    def needs(job: str) -> set[str]:
        named = _WORKFLOW["jobs"][job].get("needs", [])
        direct = {named} if isinstance(named, str) else set(named)
        return direct.union(*map(needs, direct))

    assert {"check", "tests", "build"} <= needs("pypi")
    assert "pypi" in needs("github") & needs("image")
    assert {"github", "image"} <= needs("major")
    ci = YAML(typ="safe").load((_ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    assert "workflow_call" in ci["on"]
    jobs = _WORKFLOW["jobs"]
    granted = {name for name, job in jobs.items() if "id-token" in job["permissions"]}
    assert granted == {"pypi"}
    assert jobs["pypi"]["environment"]["name"] == "pypi"


def test_release_workflow__tag_is_checked_and_notes_are_written(tree: Path) -> None:
    outputs, _ = _run(tree, "check", "v0.1.0")
    assert outputs == {"prerelease": "false"}
    assert (tree / "notes.md").read_text() == "### Added\n\n- Everything.\n"
    with pytest.raises(AssertionError, match="the tag is v9"):
        _run(tree, "check", "v9.0.0")
    release.prepare(tree, "0.2.0rc1", _TODAY)
    outputs, _ = _run(tree, "check", "v0.2.0rc1")
    assert outputs == {"prerelease": "true"}


def test_release_workflow__a_second_run_does_nothing_twice(tree: Path) -> None:
    (tree / "release").mkdir()
    (tree / "release" / "a.whl").touch()
    missing = '[ "$2" != view ]'
    _, asked = _run(tree, "github", "v0.1.0", gh=missing, PRERELEASE="false")
    assert "gh release create v0.1.0 release/a.whl --verify-tag" in asked
    assert "--notes-file notes/notes.md --prerelease=false" in asked
    _, asked = _run(tree, "github", "v0.1.0", PRERELEASE="false")
    assert "create" not in asked


def test_release_workflow__tags_of_the_image(tree: Path) -> None:
    """A pre-release is found by its own name only."""
    image = "ghcr.io/kestra-sync/kestra-sync"
    outputs, _ = _run(tree, "image", "v1.2.3", PRERELEASE="false", IMAGE=image)
    assert outputs["version"] == "1.2.3"
    tags = [each.rpartition(":")[2] for each in outputs["tags"].split()]
    assert tags == ["1.2.3", "1.2", "1", "latest"]
    outputs, _ = _run(tree, "image", "v1.2.3rc1", PRERELEASE="true", IMAGE=image)
    assert outputs["tags"].split() == [f"{image}:1.2.3rc1"]


def test_release_workflow__major_tag_is_moved_or_made(tree: Path) -> None:
    _, asked = _run(tree, "major", "v1.2.3")
    assert "--method PATCH repos/kestra-sync/kestra-sync/git/refs/tags/v1 -f sha=000" in asked
    _, asked = _run(tree, "major", "v1.2.3", gh='[ "$2" = --method ]')
    assert "--method POST repos/kestra-sync/kestra-sync/git/refs -f ref=refs/tags/v1 -f" in asked


def test_make_clean_removes_what_was_made_and_nothing_else(tmp_path: Path) -> None:
    """In a copy: also when a folder that it looks into is not there."""
    shutil.copy(_ROOT / "Makefile", tmp_path)
    made = (".venv/x", "dist/x", ".mypy_cache/x", "kestra_sync/cli/__pycache__/x", "site/x")
    kept = ("kestra_sync/cli/x.py", "flows/a.yaml", ".env", "tests/engine/pom.xml")
    for name in (*made, *kept, "tests/engine/target/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for _ in range(2):
        done = subprocess.run(
            ["make", "clean"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    left = {str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*") if each.is_file()}
    assert left == {"Makefile", *kept}


def test_pinning_the_examples_to_a_release(tmp_path: Path) -> None:
    """Every place that names one: the action, the hook, what other forges install."""
    for name in ("docs", "templates"):
        shutil.copytree(_ROOT / name, tmp_path / name)
    (tmp_path / ".ci").mkdir()
    shutil.copy(_ROOT / ".ci" / "pin.sh", tmp_path / ".ci")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    subprocess.run(["sh", ".ci/pin.sh", "HEAD", "v9.8.7"], cwd=tmp_path, check=True)
    others = ("docs/github-action.md", "docs/install.md", "templates/kestra-sync.yml")
    pages = [*(tmp_path / "docs" / "ci").iterdir(), *(tmp_path / name for name in others)]
    texts = [each.read_text(encoding="utf-8") for each in pages]
    versions = (
        r"kestra-sync/kestra-sync[@/].+# (\S+)|rev: (\S+)|kestra-sync==([\d.]+)"
        r"|ghcr.io/kestra-sync/kestra-sync:([\d.]+)"
    )
    named = re.findall(versions, "\n".join(texts))
    assert len(named) > 14
    assert {"".join(each).lstrip("v") for each in named} == {"9.8.7"}
