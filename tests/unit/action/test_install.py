"""The virtual environment of the Action: created once and atomically, from pinned wheels."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from kestra_sync.action import install as module
from kestra_sync.action.install import (
    REQUIREMENTS,
    Installation,
    clean,
    install,
    main,
    place,
    private,
    wheels_folder,
)
from tests.support.hostile import plant

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]


def wheel(folder: Path, text: str = "answer = 42\n") -> Path:
    """A wheel with one module, known only here."""
    folder.mkdir(exist_ok=True)
    path = folder / "kstest_pinned-1.0-py3-none-any.whl"
    info = "kstest_pinned-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("kstest_pinned.py", text)
        file.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: kstest-pinned\nVersion: 1.0\n"
        )
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")
    return path


def pinned(folder: Path, path: Path) -> Path:
    requirements = folder / "requirements.txt"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    requirements.write_text(f"kstest-pinned==1.0 --hash=sha256:{digest}\n")
    return requirements


def test_install__only_pinned_dependencies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel planted in the cache is refused, and nothing partial is left.

    The working directory is a hostile checkout.
    """
    checkout = tmp_path / "checkout"
    mark = plant(checkout)
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("PYTHONPATH", str(checkout))
    monkeypatch.setenv("PYTHONUSERBASE", str(checkout))
    monkeypatch.setenv("PIP_CONFIG_FILE", "pip.conf")
    monkeypatch.setenv("PIP_TARGET", str(checkout))
    real = module._run

    def run(program: str, *args: str) -> None:
        """Our own pip works on the environment: to give it one takes long."""
        if "pip" in args:
            options = args[args.index("pip") + 1 :]
            real(sys.executable, "-I", "-m", "pip", "--python", program, *options)
        else:
            real(program, *args[:-1], "--without-pip", args[-1])

    monkeypatch.setattr(module, "_run", run)
    requirements = pinned(tmp_path, wheel(tmp_path / "wheels"))
    where = place(requirements, {"RUNNER_TOOL_CACHE": str(tmp_path / "tools")})
    assert not where.ready
    wheel(tmp_path / "poisoned", "raise SystemExit('poisoned')\n")
    with pytest.raises(subprocess.CalledProcessError):
        install(requirements, where, tmp_path / "poisoned")
    assert not where.folder.exists()
    assert list(where.folder.parent.iterdir()) == []

    install(requirements, where, tmp_path / "wheels")
    assert where.ready
    code = "import kstest_pinned; print(kstest_pinned.answer)"
    done = subprocess.run(
        [str(where.python), "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "42\n"
    assert not mark.exists(), mark.read_text()
    assert [each.name for each in where.folder.parent.iterdir()] == [where.key]


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What would be run; a folder with an interpreter is made."""
    ran: list[tuple[str, ...]] = []

    def run(*command: str) -> None:
        ran.append(command)
        if "venv" in command:
            python = Installation("", Path(command[-1])).python
            python.parent.mkdir(parents=True)
            python.touch()

    monkeypatch.setattr(module, "_run", run)
    return ran


def test_wheels_are_fetched_if_there_are_none(
    tmp_path: Path, commands: list[tuple[str, ...]]
) -> None:
    requirements = pinned(tmp_path, wheel(tmp_path / "wheels"))
    where = place(requirements, {"RUNNER_TEMP": str(tmp_path)})
    install(requirements, where, tmp_path / "none")
    made, fetched, installed = commands
    assert made[1:4] == ("-I", "-m", "venv")
    assert {"download", "--require-hashes", "--only-binary"} <= {*fetched}
    assert {"install", "--require-hashes", "--no-index", "--no-deps"} <= {*installed}
    # It is there now.
    install(requirements, where, tmp_path / "none")
    assert len(commands) == 3


def test_install__another_job_was_faster(
    tmp_path: Path, commands: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment of the other job is used."""
    requirements = pinned(tmp_path, wheel(tmp_path / "wheels"))
    where = place(requirements, {"RUNNER_TEMP": str(tmp_path)})

    def replace(self: Path, target: Path) -> None:
        for each in (where.python, where.folder / ".complete"):
            each.parent.mkdir(parents=True, exist_ok=True)
            each.touch()
        raise OSError("not empty")

    monkeypatch.setattr(Path, "replace", replace)
    install(requirements, where, tmp_path / "wheels")
    assert where.ready
    assert [each.name for each in where.folder.parent.iterdir()] == [where.key]


def test_install__full_disk_is_an_error(
    tmp_path: Path, commands: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    requirements = pinned(tmp_path, wheel(tmp_path / "wheels"))
    where = place(requirements, {"RUNNER_TEMP": str(tmp_path)})

    def replace(self: Path, target: Path) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OSError, match="no space left"):
        install(requirements, where, tmp_path / "wheels")


def test_install__directory_depends_on_all_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("a==1\n")
    first = place(requirements, {})
    assert place(requirements, {}) == first
    requirements.write_text("a==2\n")
    second = place(requirements, {})
    monkeypatch.setattr(sys, "version", "another Python")
    assert len({first.key, second.key, place(requirements, {}).key}) == 3


def test_the_first_folder_that_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "shared"))
    (tmp_path / "shared").mkdir()
    environ = {"RUNNER_TOOL_CACHE": str(file), "RUNNER_TEMP": str(tmp_path)}
    assert place(REQUIREMENTS, environ).folder.is_relative_to(tmp_path / "kestra-sync")
    relative = {"RUNNER_TOOL_CACHE": "tools", "RUNNER_TEMP": "temp"}
    for wanted in (relative, {}):
        assert place(REQUIREMENTS, wanted).folder.is_relative_to(tmp_path / "shared")
        assert wheels_folder(wanted).is_relative_to(tmp_path / "shared")
    monkeypatch.setattr(os, "access", lambda *_: False)
    folder = place(REQUIREMENTS, environ).folder
    assert folder.parent.name.startswith("kestra-sync-")
    assert private(folder.parent)


def _planted(folder: Path) -> None:
    """What looks like an environment that is ready."""
    python = Installation("", folder).python
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho planted\n")
    python.chmod(0o755)
    (folder / ".complete").touch()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows: no such modes")
@pytest.mark.parametrize("how", ["others may write", "a link", "another user", "an open parent"])
def test_install__planted_virtual_environment_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """In a shared temporary folder another user can know the place, and be there first."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(shared))
    ours = place(REQUIREMENTS, {})
    assert ours.folder.parent.parent == shared
    _planted(ours.folder)
    ours.folder.chmod(0o755)
    assert ours.ready, "the control: made by us, it is used"
    if how == "others may write":
        ours.folder.parent.chmod(0o777)
    elif how == "a link":
        ours.folder.parent.rename(tmp_path / "theirs")
        ours.folder.parent.symlink_to(tmp_path / "theirs")
    elif how == "another user":
        monkeypatch.setattr(os, "geteuid", lambda: ours.folder.stat().st_uid + 1)
    else:
        shared.chmod(0o777)
    now = place(REQUIREMENTS, {})
    assert not now.ready
    assert now.folder.parent not in {ours.folder.parent, shared}

    ours.folder.chmod(0o777)
    assert not ours.ready


def test_arguments_of_python_and_pip(tmp_path: Path) -> None:
    """Where to get wheels, but nothing that comes from the checkout or would load code."""
    checkout = tmp_path / "checkout"
    elsewhere = {"PIP_INDEX_URL": "https://mirror", "PATH": "/bin", "HOME": str(tmp_path)}
    python = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONINSPECT")
    pip = ("PIP_TARGET", "PIP_REQUIREMENT", "PIP_PREFIX", "PIP_FIND_LINKS", "PIP_NO_BINARY")
    loads = dict.fromkeys((*python, *pip), "x")
    assert clean({**elsewhere, **loads}, checkout) == elsewhere
    config = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    assert clean(config, checkout) == config
    for inside in (
        {"PIP_CONFIG_FILE": "pip.conf"},
        {"PIP_CONFIG_FILE": str(checkout / "pip.conf")},
        {"PIP_CONFIG_FILE": str(tmp_path / "x" / ".." / "checkout" / "pip.conf")},
        {"HOME": str(checkout / "home")},
        {"XDG_CONFIG_DIRS": f"/etc/xdg{os.pathsep}{checkout}"},
    ):
        assert clean(inside, checkout)["PIP_CONFIG_FILE"] == os.devnull, inside
    workspace = {"HOME": str(checkout / "home"), "GITHUB_WORKSPACE": str(checkout)}
    assert clean(workspace, tmp_path / "other")["PIP_CONFIG_FILE"] == os.devnull


def test_what_the_action_asks(
    tmp_path: Path, commands: list[tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    """First where, for the cache; then the interpreter, made if need be."""
    environ = {"RUNNER_TEMP": str(tmp_path), "GITHUB_OUTPUT": str(tmp_path / "output")}
    assert main(["--locate"], environ) == 0
    where = place(REQUIREMENTS, environ)
    said = (tmp_path / "output").read_text().splitlines()
    wheels = tmp_path / "kestra-sync-wheels"
    python = f"python={sys.executable}"
    assert said == [python, f"key={where.key}", "ready=false", f"wheels={wheels}"]
    assert commands == []
    assert main([], environ) == 0
    assert capsys.readouterr().out == f"{where.python}\n"
    assert main(["--locate"], {"RUNNER_TEMP": str(tmp_path)}) == 0
    assert "ready=true" in capsys.readouterr().out


def test_a_failure_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*command: str) -> None:
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(module, "_run", run)
    assert main([], {"RUNNER_TEMP": str(tmp_path)}) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "the dependencies of the action cannot be installed" in captured.err


def test_the_requirements_are_those_of_the_package() -> None:
    """``.ci/requirements.sh`` writes them; what pyproject.toml asks for is there, and pinned."""
    text = REQUIREMENTS.read_text(encoding="utf-8")
    with (REQUIREMENTS.parents[1] / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["fast"]]
    pins = {
        name: tuple(map(int, re.findall(r"\d+", version)))
        for name, version in re.findall(r"^([a-z0-9-]+)==([\w.]+)", text, re.MULTILINE)
    }
    for each in wanted:
        name, _, lowest = each.partition(";")[0].partition(">=")
        name = name.replace(".", "-").lower()
        assert name in pins, f"{name} is missing: run .ci/requirements.sh"
        assert pins[name] >= tuple(map(int, lowest.split("."))), name
    blocks = re.split(r"\n(?=[a-z])", text.partition("\n")[2])
    assert all("--hash=sha256:" in block for block in blocks)
    assert "http" not in text
