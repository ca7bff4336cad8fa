"""The documentation site: built strictly, so every link and heading that it names exists."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parent.parent


def test_site__builds_without_warnings(tmp_path: Path) -> None:
    """All pages are in the navigation, and links out of docs lead to the repository."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=_ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    client = (tmp_path / "python" / "index.html").read_text(encoding="utf-8")
    assert 'id="kestra_sync.client.flows.Flows.create"' in client
    pipelines = (tmp_path / "ci" / "index.html").read_text(encoding="utf-8")
    assert "github.com/kestra-sync/kestra-sync/blob/main/templates/kestra-sync.yml" in pipelines
    pages = {path.parent.name for path in tmp_path.rglob("index.html")}
    assert {"adopt", "migrate", "cli", "safety"} <= pages
