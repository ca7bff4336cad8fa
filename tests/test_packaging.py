"""The sdist and the wheel that users install."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from hatchling.build import build_sdist, build_wheel
from packaging.requirements import Requirement

import kestra_sync

_ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a fresh sdist, and of the wheel that was built from it.

    By the calls that ``python -m build`` makes, without a process and an environment for each.
    """
    folder = tmp_path_factory.mktemp("dist")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(_ROOT)
        sdist = folder / build_sdist(str(folder))
        with tarfile.open(sdist) as packed:
            packed.extractall(folder, filter="data")
        (source,) = (each for each in folder.iterdir() if each.is_dir())
        patch.chdir(source)
        build_wheel(str(folder))
    return folder


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of a clean environment: the wheel, and the dependencies that it declares.

    Those are linked to, not downloaded: no network, and quick. What is installed here but not
    declared is not there.
    """
    home = tmp_path_factory.mktemp("installed")
    _run(sys.executable, "-m", "venv", "--without-pip", str(home))
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / Path(sys.executable).name
    options = ["--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
    _run(sys.executable, "-m", "pip", "--python", str(python), "install", *options, _wheel(dist))
    site = Path(
        _run(str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    )
    (info,) = site.glob("kestra_sync-*.dist-info/METADATA")
    declared = re.findall(r"^Requires-Dist: (.+)$", info.read_text(encoding="utf-8"), re.MULTILINE)
    for name in _with_dependencies(declared):
        for file in distribution(name).files or ():
            top = Path(str(file)).parts[0]
            if top != ".." and not (site / top).exists():
                (site / top).symlink_to(Path(str(distribution(name).locate_file(top))))
    return scripts


def _with_dependencies(requirements: list[str]) -> set[str]:
    """The names of ``requirements`` and of all that they need here, extras left out."""
    found: set[str] = set()
    left = [Requirement(each) for each in requirements]
    while left:
        each = left.pop()
        if each.name in found or not (each.marker is None or each.marker.evaluate({"extra": ""})):
            continue
        found.add(each.name)
        left += [Requirement(text) for text in distribution(each.name).requires or ()]
    return found


def test_the_wheel_holds_the_package_and_nothing_else(dist: Path) -> None:
    """All code, the marker for types, the schemas; no tests."""
    with zipfile.ZipFile(_wheel(dist)) as wheel:
        names = set(wheel.namelist())
    package = _ROOT / "kestra_sync"
    wanted = {
        path.relative_to(_ROOT).as_posix()
        for path in package.rglob("*")
        if path.suffix in (".py", ".json", ".typed", ".html", ".css", ".js")
    }
    assert "kestra_sync/py.typed" in wanted
    assert any(name.startswith("kestra_sync/schemas/") for name in wanted)
    assert wanted <= names
    # What init writes: all that it may need.
    code = (package / "commands" / "forges.py").read_text(encoding="utf-8")
    found = re.findall(r'"([\w-]+\.yml|Jenkinsfile)",\s+"', code)
    pipelines = {f"kestra_sync/pipelines/{name}" for name in found}
    assert len(pipelines) == 6
    assert pipelines <= names
    version = kestra_sync.__version__
    others = {name.split("/")[0] for name in names - wanted}
    assert others <= {f"kestra_sync-{version}.dist-info", "kestra_sync"}


def test_the_sdist_holds_what_is_needed_to_test_it(dist: Path) -> None:
    """Tests, sample flows and the engine's sources, but nothing that was built."""
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    needed = {"LICENSE", "README.md", "Makefile", "tests/conftest.py", "tests/engine/pom.xml"}
    assert needed <= names
    assert any(name.startswith("flows/") for name in names)
    assert not [name for name in names if name.startswith(("tests/engine/target", ".venv"))]


def test_the_installed_command_works(installed: Path, tmp_path: Path) -> None:
    """The wheel alone, run from elsewhere, knows its version and checks the sample flows."""
    command = str(installed / "kestra-sync")
    version = _run(command, "--version", cwd=tmp_path)
    assert version == f"kestra-sync {kestra_sync.__version__}\n"
    assert _run(command, "explain", "drift", cwd=tmp_path).startswith("drift  (Guards)")
    where = "import kestra_sync; print(kestra_sync.__file__)"
    imported = _run(str(installed / Path(sys.executable).name), "-c", where, cwd=tmp_path)
    assert Path(imported.strip()).is_relative_to(installed.parent)
    _run(command, "validate", "--offline", str(_ROOT / "flows"), cwd=tmp_path)
    _run(
        str(installed / Path(sys.executable).name),
        "-c",
        "import kestra_sync; kestra_sync.KestraClient",
    )


def test_project_metadata(dist: Path) -> None:
    """What PyPI shows: the links and the description."""
    with zipfile.ZipFile(_wheel(dist)) as wheel:
        (name,) = (each for each in wheel.namelist() if each.endswith("dist-info/METADATA"))
        text = wheel.read(name).decode()
    links = dict(re.findall(r"^Project-URL: (\w+), (.+)$", text, re.MULTILINE))
    assert set(links) == {"Homepage", "Documentation", "Changelog", "Issues"}
    assert "Description-Content-Type: text/markdown" in text


def _instructions() -> list[tuple[str, str]]:
    """Those of the Dockerfile, comments left out and lines joined."""
    lines = (_ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in joined if line.strip()]


def test_image__structure() -> None:
    """Pinned, the same base twice, no root, no entry point; nothing secret can get in."""
    instructions = _instructions()
    bases = {rest.removesuffix(" AS build") for name, rest in instructions if name == "FROM"}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.\d+-slim-\w+@sha256:[0-9a-f]{64}", bases.pop())
    names = [name for name, _ in instructions]
    (user,) = (rest for name, rest in instructions if name == "USER")
    assert user.split(":")[0] == "10001"
    assert "--uid 10001" in next(rest for name, rest in instructions if "useradd" in rest)
    assert names.index("USER") > max(i for i, name in enumerate(names) if name == "RUN")
    assert "ENTRYPOINT" not in names
    copied = [
        pattern
        for name, rest in instructions
        if name == "COPY" and not rest.startswith("--from")
        for pattern in rest.split()[:-1]
    ]
    ignore = (_ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert [line for line in ignore if not line.startswith("#")] == [
        "*",
        *(f"!{pattern}" for pattern in copied),
    ]


@pytest.mark.skipif(os.name == "nt", reason="the image is Linux")
def test_image__build_steps(dist: Path, tmp_path: Path) -> None:
    """Its commands, without a container engine: in a folder, the system's own ones only noted.

    The pinned dependencies, which the tests of the Action install for real, are those of here.
    """
    context, root, tools = (tmp_path / name for name in ("context", "root", "tools"))
    for folder in (context, root, tools):
        folder.mkdir()
    for name in ("apt-get", "useradd", "git", "rm"):
        (tools / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "{tmp_path}/system"\n')
        (tools / name).chmod(0o755)
    noted = tmp_path / "pinned"
    ours = sysconfig.get_path("purelib")
    (tools / "python").write_text(
        f"""#!/bin/sh
case "$*" in
*--requirement*)
    echo "$*" >> "{noted}"
    cd "$PREFIX"/lib/*/site-packages && echo "{ours}" > pinned.pth ;;
*)
    exec "{sys.executable}" "$@" ;;
esac
"""
    )
    (tools / "python").chmod(0o755)
    sources = {"dist/*.whl": [Path(_wheel(dist))]}
    environ = {
        "PATH": f"{tools}{os.pathsep}/usr/bin{os.pathsep}/bin",
        "HOME": os.environ.get("HOME", "/"),
        **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
    }
    for name, rest in _instructions():
        if name == "COPY" and not rest.startswith("--from"):
            for pattern in rest.split()[:-1]:
                for source in sources.get(pattern, [_ROOT / pattern]):
                    shutil.copy(source, context)
        elif name == "ENV":
            given = dict(re.findall(r"(\w+)=(\S+)", rest)) | {"PREFIX": str(root / "opt")}
            given.pop("PATH", None)
            environ |= given
        elif name == "RUN":
            done = subprocess.run(
                ["sh", "-c", rest], cwd=context, env=environ, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{rest}\n{done.stdout}\n{done.stderr}"
            if "--version" in rest:
                assert done.stdout == f"kestra-sync {kestra_sync.__version__}\n"
    command = str(root / "opt" / "bin" / "kestra-sync")
    _run(command, "validate", "--offline", "flows", cwd=_ROOT)
    options = noted.read_text(encoding="utf-8")
    assert {"--require-hashes", "--no-deps", "--only-binary", ":all:"} <= {*options.split()}
    system = (tmp_path / "system").read_text(encoding="utf-8")
    assert fnmatch.fnmatch(system, "*apt-get install * git\n*useradd --uid 10001 *")


def _wheel(folder: Path) -> str:
    (path,) = folder.glob("*.whl")
    return str(path)


def _run(*command: str, cwd: Path | None = None) -> str:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONPATH" and not name.startswith(("KESTRA_", "COVERAGE_", "COV_"))
    }
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout
