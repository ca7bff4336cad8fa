#!/bin/sh
# Prints the first Python that is good enough. $1: the oldest version, as "3.10"; $2: the newest, if any.
#
# The working directory may be the checkout of a pull request, so nothing in it takes part: each
# candidate runs isolated (-I: no working directory and no PYTHON... variables on the module path)
# and in /, where a shim of pyenv or asdf finds no version file; relative names are left out.
set -u

oldest=${1:-3.10}
newest=${2:-3.99}

# Prints the interpreter itself, not a shim that may choose another one in another directory.
# Also proves that it runs at all: a shim of pyenv exists for versions that are not switched on.
suits() {
    (cd / && "$1" -I - "$oldest" "$newest" 2>/dev/null) <<'PYTHON'
import sys
import venv, ensurepip

low, high = (tuple(map(int, text.split("."))) for text in sys.argv[1:])
if not low <= sys.version_info[:2] <= high:
    sys.exit(1)
print(sys.executable)
PYTHON
}

for name in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python3.10 python; do
    path=$(command -v "$name") || continue
    case $path in
    /* | [A-Za-z]:[\\/]*) ;;
    *) continue ;; # relative: that would be a file of the checkout
    esac
    if suits "$path"; then
        exit 0
    fi
done
for path in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3; do
    if [ -x "$path" ] && suits "$path"; then
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
