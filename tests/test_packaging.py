"""What users install: the sdist and the wheel, not the working tree."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import kestra_sync

_ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a fresh sdist, and of the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    # Without isolation the build takes the hatchling that is installed: no network, and quick.
    _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(_ROOT))
    return folder


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an environment that holds the wheel, and borrows its dependencies from us."""
    home = tmp_path_factory.mktemp("installed")
    _run(sys.executable, "-m", "venv", "--without-pip", str(home))
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / Path(sys.executable).name
    options = ["--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
    _run(sys.executable, "-m", "pip", "--python", str(python), "install", *options, _wheel(dist))
    # A path in a .pth file is searched, but its own .pth files are not: an editable install of
    # the working tree stays out.
    site = _run(str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    (Path(site.strip()) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return scripts


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
    where = "import kestra_sync; print(kestra_sync.__file__)"
    imported = _run(str(installed / Path(sys.executable).name), "-c", where, cwd=tmp_path)
    assert Path(imported.strip()).is_relative_to(installed.parent)
    _run(command, "validate", "--offline", str(_ROOT / "flows"), cwd=tmp_path)


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
