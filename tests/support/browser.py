"""A headless Chromium for pages in files."""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # CI is often root, and the pages are our own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
)
_SECONDS = 60


def browser() -> str:
    """The path of the browser; without one, the test fails with a remedy."""
    for name in _NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    return pytest.fail(
        "the HTML report is tested in Chromium, and there is none: run .ci/chromium.sh, or"
        " install `chromium` (Debian, Homebrew) or Google Chrome"
    )


def dump(
    page: Path,
    fragment: str = "",
    *,
    size: tuple[int, int] = (1280, 900),
    picture: Path | None = None,
    dark: bool = False,
) -> str:
    """The document after its scripts have run.

    :param picture: where to put a picture of the upper part of the page.
    """
    address = page.resolve().as_uri() + (f"#{fragment}" if fragment else "")
    options = [f"--window-size={size[0]},{size[1]}", "--dump-dom"]
    if picture is not None:
        options.append(f"--screenshot={picture}")
    if dark:
        options.append("--blink-settings=preferredColorScheme=0")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        done = subprocess.run(
            [browser(), *_OPTIONS, f"--user-data-dir={profile}", *options, address],
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout.decode("utf-8", "replace")


def first_pixel(picture: Path) -> tuple[int, int, int]:
    """The colour of the upper left corner of a PNG file."""
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, pixels = 8, b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            pixels += data[at + 8 : at + 8 + length]
        at += length + 12
    # The filter of a row changes nothing in the first pixel of the first row.
    red, green, blue = zlib.decompress(pixels)[1:4]
    return red, green, blue
