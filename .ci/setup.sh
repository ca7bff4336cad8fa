#!/bin/sh
# Creates .venv and installs the package with all that its development needs, once for every state
# of pyproject.toml.
set -eu
cd "$(dirname "$0")/.."

python=.venv/bin/python
if [ -x "$python" ] && ! "$python" -c "" 2>/dev/null; then
    rm -rf .venv # the Python that it was made with is gone
fi
if [ ! -x "$python" ]; then
    base=$(.ci/python.sh)
    echo "creating .venv with $("$base" --version)" >&2
    "$base" -I -m venv --clear .venv
fi

# The place is part of it: an environment does not survive being moved.
state=$(printf '%s\n' "$PWD" | cat - pyproject.toml | cksum)
if [ "$(cat .venv/.set-up 2>/dev/null)" = "$state" ]; then
    exit 0
fi
echo "installing kestra-sync and its tools into .venv" >&2
# Dependency groups need pip 25.1.
"$python" -I -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
"$python" -I -m pip install --quiet --disable-pip-version-check \
    --editable ".[fast]" --group test --group lint --group docs
printf '%s\n' "$state" > .venv/.set-up
