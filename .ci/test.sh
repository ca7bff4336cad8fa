#!/bin/sh
# All checks: style and types beside the tests, with what these leave of the processor.
set -u
cd "$(dirname "$0")/.."

report=$(mktemp)
nice make lint typecheck >"$report" 2>&1 || { cat "$report" >&2; false; } &
static=$!
trap 'kill "$static" 2>/dev/null; rm -f "$report"; exit 130' INT TERM

make chromium engine tools &&
    .venv/bin/pytest -n auto --maxprocesses 4 --dist loadgroup --no-loadscope-reorder \
        --cov --cov-report=term
tests=$?

wait "$static"
checks=$?
if [ "$checks" -eq 0 ]; then
    cat "$report"
else
    echo "make lint typecheck failed: see above" >&2
fi
rm -f "$report"
[ "$tests" -eq 0 ] && [ "$checks" -eq 0 ]
