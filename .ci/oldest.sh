#!/bin/sh
# The unit tests with the oldest dependencies that pyproject.toml allows.
set -eu
cd "$(dirname "$0")/.."

base=$(.ci/python.sh 3.10 3.10)
python=build/oldest/bin/python
"$base" -I -m venv --clear build/oldest
"$python" -I -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1" tomli
"$python" .ci/oldest.py pyproject.toml > build/oldest/constraints.txt
cat build/oldest/constraints.txt
"$python" -I -m pip install --quiet --disable-pip-version-check \
    --constraint build/oldest/constraints.txt --editable ".[fast]" --group test
"$python" -m pytest -m "not e2e"
