"""A hostile checkout that tries to execute code or inject settings in a job with secrets."""

from __future__ import annotations

from pathlib import Path

#: Modules that something on the way imports; each of them leaves a mark if it is.
_MODULES = (
    "venv.py", "ensurepip.py", "sitecustomize.py", "usercustomize.py", "json.py", "hashlib.py",
    "subprocess.py", "tempfile.py", "encodings/__init__.py", "pip/__init__.py", "pip/__main__.py",
    "kestra_sync/__init__.py", "kestra_sync/__main__.py", "kestra_sync/action/__main__.py",
    "kestra_sync/action/install.py", "click/__init__.py", "requests.py", "dotenv.py",
    "ruamel/yaml.py",
    "site-packages/sitecustomize.py", "lib/python3/site-packages/usercustomize.py",
    ".ci/python.py", "conftest.py", "setup.py",
)  # fmt: skip


def plant(checkout: Path) -> Path:
    """Create all hostile files in ``checkout``.

    :return: the file that is there as soon as any of it has run.
    """
    mark = checkout / "it-has-run"
    code = f"open({str(mark)!r}, 'a').write(__file__ + '\\n')\n"
    for name in _MODULES:
        _write(checkout / name, code)
    for name in ("planted.pth", "site-packages/planted.pth", "venv.pth"):
        _write(checkout / name, f"import os; open({str(mark)!r}, 'a').write('a .pth\\n')\n")
    # A shim of pyenv reads the version from here, mise and asdf from there.
    _write(checkout / ".python-version", "../../../../planted\n")
    _write(checkout / ".tool-versions", "python path:./planted\n")
    for name in ("python", "python3", "git"):
        program = checkout / name
        _write(program, f"#!/bin/sh\necho {name} >> '{mark}'\nexec /bin/false\n")
        program.chmod(0o755)
    nowhere = "[global]\nindex-url = http://127.0.0.1:9/\nno-index = true\n"
    for name in ("pip.conf", "pip/pip.conf", ".config/pip/pip.conf", ".pip/pip.conf"):
        _write(checkout / name, nowhere)
    _write(checkout / "pyvenv.cfg", f"home = {checkout}\ninclude-system-site-packages = true\n")
    _write(checkout / "setup.cfg", "[install]\nprefix = planted\n[easy_install]\nindex-url = x\n")
    _write(checkout / "pyproject.toml", '[build-system]\nrequires = ["x"]\nbuild-backend = "x"\n')
    _write(checkout / ".netrc", "machine 127.0.0.1 login planted password planted\n")
    return mark


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
