#!/bin/sh
# Prints the first Python that will do. $1: the oldest version, as "3.10"; $2: the newest, if any.
set -u

oldest=${1:-3.10}
newest=${2:-3.99}

# Also proves that it runs at all: a shim of pyenv exists for versions that are not switched on.
suits() {
    "$1" - "$oldest" "$newest" 2>/dev/null <<'PYTHON'
import sys
import venv, ensurepip

low, high = (tuple(map(int, text.split("."))) for text in sys.argv[1:])
sys.exit(not low <= sys.version_info[:2] <= high)
PYTHON
}

for name in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python3.10 python; do
    if path=$(command -v "$name") && suits "$path"; then
        echo "$path"
        exit 0
    fi
done
for path in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3; do
    if [ -x "$path" ] && suits "$path"; then
        echo "$path"
        exit 0
    fi
done

wanted="Python $oldest or newer"
[ "$newest" = 3.99 ] || wanted="Python $oldest"
[ "$oldest" = "$newest" ] || [ "$newest" = 3.99 ] || wanted="Python $oldest to $newest"
cat >&2 <<TEXT
kestra-sync needs $wanted with the venv module, and there is none.
Install one and run again:
  Debian, Ubuntu  sudo apt install python3 python3-venv
  Fedora          sudo dnf install python3
  macOS           brew install python
  anywhere        pyenv install $oldest
A Python elsewhere on the disk is found through PYTHON=/path/to/python.
TEXT
exit 1
