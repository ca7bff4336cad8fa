#!/bin/sh
# Regenerates .github/requirements-action.txt: what action.yml installs, every version and hash
# pinned, for every Python and system that we support.
set -eu
cd "$(dirname "$0")/.."

uv=build/uv/bin/uv
if [ ! -x "$uv" ]; then
    "$(.ci/python.sh)" -I -m venv --clear build/uv
    build/uv/bin/python -I -m pip install --quiet --disable-pip-version-check uv==0.13.9
fi
{
    echo "# Written by .ci/requirements.sh from pyproject.toml."
    "$uv" pip compile pyproject.toml --extra fast --universal --python-version 3.10 \
        --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
        --quiet --no-config
} > build/requirements-action.txt
mv build/requirements-action.txt .github/requirements-action.txt
