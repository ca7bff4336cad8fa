#!/bin/sh
# Sees to it that there is a Chromium for the test of the HTML report. Where it cannot be installed
# that test says what to do.
set -eu

for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null 2>&1; then
        exit 0
    fi
done
if ! command -v apt-get >/dev/null 2>&1; then
    echo "install Chromium for the test of the HTML report, such as 'brew install chromium'" >&2
    exit 0
fi
root=
if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        echo "run 'sudo apt-get install chromium' for the test of the HTML report" >&2
        exit 0
    fi
    root="sudo -n"
fi
echo "installing Chromium for the test of the HTML report" >&2
export DEBIAN_FRONTEND=noninteractive
$root apt-get -qq update >&2
$root apt-get -qq install --yes --no-install-recommends chromium >/dev/null
