"""Builds the test engine with Maven: once for each version of Kestra and state of the sources."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.engine.toolchain import EngineError, find_java, find_maven, java_command
from tests.engine.versions import KestraVersion

_MAIN = "io.kestrasync.testengine.Main"
_JVM_OPTIONS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_PROJECT = Path(__file__).parent
_TARGET = _PROJECT / "target"
_KEEP_OLD_BUILDS_SECONDS = 24 * 3600
_ARCHIVE_SECONDS = 600
_LOG_TAIL_LINES = 40


@dataclass(frozen=True)
class Build:
    """The result of a build."""

    folder: Path
    """The folder of our own classes."""
    libraries: Path
    """The folder of the jars: Kestra and what it needs."""

    @property
    def jar(self) -> Path:
        """The classes of this repository."""
        return self.folder / "engine.jar"

    @property
    def archive(self) -> Path:
        """The class data archive of the JVM, which nearly halves the startup time."""
        return self.folder / "classes.jsa"

    @property
    def home(self) -> Path:
        """The working directory for :meth:`command`.

        Its class path is relative: the JVM silently ignores an archive that was made with another
        one, as it is after a checkout is moved, copied or restored from a cache.
        """
        return self.folder.parent

    def command(self, java: Path, *options: str) -> list[str]:
        """The command that runs the engine, without the arguments of the engine."""
        jars = [self.jar, *sorted(self.libraries.glob("*.jar"))]
        classpath = os.pathsep.join(jar.relative_to(self.home).as_posix() for jar in jars)
        return [str(java), *_JVM_OPTIONS, *options, "-cp", classpath, _MAIN]


def build(version: KestraVersion) -> Build:
    """Build the engine of a version, unless it was built from the same sources.

    Two processes may call this at once: one builds, the other waits for it.
    """
    pom = _PROJECT / "pom.xml"
    folders = [_PROJECT / "src/main" / name for name in ("java", "resources", version.adapters)]
    sources = [pom, _PROJECT / "builder.py", *(it for folder in folders for it in _files(folder))]
    name = f"{version}-{_hash(sources)}"
    library = f"lib-{version}-{_hash([pom])}"
    result = Build(_TARGET / name, _TARGET / library)
    stamp = result.folder / "COMPLETE"
    if stamp.exists():
        return result
    _TARGET.mkdir(exist_ok=True)
    with _locked(_TARGET / ".lock"):
        if not stamp.exists():
            _remove_old()
            start = time.monotonic()
            java = find_java(version.java, compiler=True)
            _maven(java, version, name, library)
            _jar(result)
            _archive(result, java_command(java))
            stamp.touch()
            print(
                f"built Kestra {version} in {time.monotonic() - start:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    return result


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _hash(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(_PROJECT).as_posix()}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def _maven(java: Path, version: KestraVersion, name: str, library: str) -> None:
    maven = find_maven()
    first = "" if (_TARGET / library).exists() else " (the first time it takes a minute or two)"
    print(f"building the test engine, Kestra {version}{first} ...", file=sys.stderr, flush=True)
    command = [
        str(maven),
        "--quiet",
        "--batch-mode",
        "-Dmaven.artifact.threads=16",
        f"--activate-profiles=kestra-{version}",
        f"-Dengine.build={name}",
        f"-Dengine.lib={library}",
        "prepare-package",
    ]
    done = subprocess.run(
        command,
        cwd=_PROJECT,
        env={**os.environ, "JAVA_HOME": str(java)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-_LOG_TAIL_LINES:])
        raise EngineError(
            f"The Kestra test engine could not be built in {_PROJECT}.\n"
            "The first build downloads Kestra from Maven Central; behind a mirror or a proxy, say "
            f"so in Maven's settings.xml.\n{maven} said:\n{tail}"
        )


def _jar(result: Build) -> None:
    classes = result.folder / "classes"
    with zipfile.ZipFile(result.jar, "w") as jar:
        # With the folders: Micronaut finds its beans by listing them.
        for path in sorted(classes.rglob("*")):
            jar.write(path, path.relative_to(classes).as_posix())


def _archive(result: Build, java: Path) -> None:
    """Start the engine once to archive its classes, which makes later starts faster."""
    part = result.archive.with_suffix(".part")
    options = ("-Xlog:disable", "-Xlog:all=off", f"-XX:ArchiveClassesAtExit={part}")
    with subprocess.Popen(
        result.command(java, *options),
        cwd=result.home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        watchdog = threading.Timer(_ARCHIVE_SECONDS, process.kill)
        watchdog.start()
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(b"READY"):
                break
        process.communicate()  # closes its standard input, and it ends
        watchdog.cancel()
    if process.returncode == 0 and part.exists():
        part.replace(result.archive)
    part.unlink(missing_ok=True)


def _remove_old() -> None:
    """Remove builds of older sources that no engine is likely to use."""
    for folder in _TARGET.iterdir():
        if folder.is_dir() and time.time() - folder.stat().st_mtime > _KEEP_OLD_BUILDS_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes; the system frees it if we die."""
    with path.open("a+b") as file:
        if sys.platform == "win32":
            import msvcrt

            while True:
                file.seek(0)
                try:
                    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                    break
                except OSError:  # it gives up after ten attempts; a build takes longer
                    continue
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
