#!/bin/sh
# All checks: style and types run at the same time as the tests, with the remaining processor time.
set -u
cd "$(dirname "$0")/.."

report=$(mktemp)
said=$(mktemp)
nice make lint typecheck >"$report" 2>&1 &
static=$!
builds=
trap 'kill "$static" $builds 2>/dev/null; rm -f "$report" "$said" "$said.code"; exit 130' INT TERM

# One more than there are cores: end-to-end tests wait for the server half of the time.
workers=$(.venv/bin/python -I -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))')
color=$([ -t 1 ] && echo yes || echo auto)
# Packages of the system one after the other: their managers lock. Then what downloads, compiles and
# starts, side by side.
KESTRA="${KESTRA:-all}" .venv/bin/python .ci/machine.py java maven go
ready=0
for needed in chromium engine tools; do
    make "$needed" &
    builds="$builds $!"
done
for build in $builds; do
    wait "$build" || ready=1
done
if [ "$ready" -eq 0 ]; then
    {
        # A test that fails on a busy machine is run once more, and both are reported; the fourth
        # of a run is a failure.
        .venv/bin/pytest -n "$workers" --dist loadgroup --no-loadscope-reorder \
            --reruns 1 --max-suite-reruns 3 --rerun-show-tracebacks -rfER \
            --color "$color" --cov --cov-report=term
        echo $? >"$said.code"
    } | tee "$said"
    tests=$(cat "$said.code")
else
    tests=1
fi

wait "$static"
checks=$?
cat "$report"
tail -n 1 "$said" # the last line of the output is the summary of the tests
rm -f "$report" "$said" "$said.code"
[ "$tests" -eq 0 ] && [ "$checks" -eq 0 ]
